"""What Lyra is called where it is installed, and what is told of its extras."""

import re
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from lyra.extras import how_to_install
from lyra.settings import Settings

ROOT = Path(__file__).parent.parent
STARTING_S = 60  # the longest that a supervisor waits for a worker
SUFFIXES = {".py", ".md", ".js", ".html"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WRONG = re.compile(r"\blyra" + r"\[\w")  # an extra of somebody else's program


def test_nobody_is_told_to_install_somebody_elses_program() -> None:
    folders = [ROOT / name for name in ("src", "docs", "tests", "scripts")]
    pages = [page for folder in folders for page in folder.rglob("*") if page.suffix in SUFFIXES]
    pages += [*ROOT.glob("*.md"), ROOT / ".env.example", ROOT / "Makefile"]
    read = {page: page.read_text("utf-8") for page in pages if "node_modules" not in page.parts}

    assert len(read) > 100
    assert [page.name for page, text in read.items() if WRONG.search(text)] == []
    assert PROJECT["name"] != "lyra"
    assert PROJECT["scripts"] == {"lyra": "lyra.__main__:main"}


def installed(folder: Path, *, origin: str = "") -> None:
    """A distribution with the command `lyra` as pip leaves it."""
    about = folder / "some_name-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.4\nName: some-name\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[console_scripts]\nlyra = lyra.__main__:main\n")
    if origin:
        (about / "direct_url.json").write_text(origin)


@pytest.mark.parametrize(
    ("origin", "advice"),
    [
        ("", "-m pip install 'some-name[redis]'"),
        ('{"url": "file:///w.whl", "archive_info": {}}', "-m pip install 'some-name[redis]'"),
        ('{"url": "file:///lyra", "dir_info": {}}', "-m pip install 'some-name[redis]'"),
        (
            '{"url": "file:///lyra", "dir_info": {"editable": true}}',
            "-m pip install -e '.[redis]' in Lyra's folder",
        ),
    ],
    ids=["an index", "a wheel", "a folder", "a checkout"],
)
def test_an_extra_is_added_to_the_lyra_that_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin: str, advice: str
) -> None:
    installed(tmp_path, origin=origin)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    assert how_to_install("redis") == f"{sys.executable} {advice}"


def test_another_program_called_lyra_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    about = tmp_path / "lyra-1.3.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lyra\nVersion: 1.3\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    assert "pip" not in how_to_install("redis")


def pinned(name: str) -> dict[str, str]:
    """Version by package in one of the locks."""
    lock = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    assert lock.count("==") <= lock.count("--hash=sha256:")
    assert "://" not in lock
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", lock, re.MULTILINE))


@pytest.mark.parametrize("extra", sorted(PROJECT["optional-dependencies"]))
def test_every_extra_has_a_hashed_lock_that_the_tests_use(extra: str) -> None:
    wanted = {re.split(r"[\[<>=;]", each)[0] for each in PROJECT["optional-dependencies"][extra]}
    lock, run, dev = pinned(extra), pinned("run"), pinned("dev")

    assert wanted <= set(lock)
    assert run.items() <= lock.items()
    assert {name: dev.get(name, version) for name, version in lock.items()} == lock


def hook() -> ModuleType:
    """The hook of the build, which needs no more of hatchling than a class to inherit from."""
    spec = spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_link_of_the_packages_readme_leads_somewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interface = SimpleNamespace(MetadataHookInterface=object)
    monkeypatch.setitem(sys.modules, "hatchling.metadata.plugin.interface", interface)
    readme = hook().Readme()
    readme.root = str(ROOT)
    metadata: dict[str, dict[str, str]] = {}
    readme.update(metadata)
    text = metadata["readme"]["text"]

    assert "docs/OPERATIONS.md" in text
    assert re.findall(r"\]\((?!https?:)[^)]*\)", text) == []
    assert "![" not in text
    assert "authors" in PROJECT


def test_the_readme_and_the_classifiers_name_the_same_pythons() -> None:
    named = re.search(r"tested on ([\d., and]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert named is not None
    classifiers = " ".join(PROJECT["classifiers"])

    assert re.findall(r"3\.\d+", named[1]) == re.findall(r"Python :: (3\.\d+)", classifiers)
    assert PROJECT["requires-python"] == ">=" + re.findall(r"3\.\d+", named[1])[0]


def test_the_systemd_unit_reads_settings_that_a_reload_changes() -> None:
    page = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")
    unit = re.search(r"^    \[Unit\]\n.*?WantedBy=\S+\n", page, re.MULTILINE | re.DOTALL)
    assert unit is not None

    assert "EnvironmentFile" not in unit[0]
    assert "WorkingDirectory=/etc/lyra\n" in unit[0]
    assert re.search(r"ExecReload=\S+/current/bin/python -m lyra reload \$MAINPID\n", unit[0])
    assert "/etc/lyra/.env" in page


def test_the_unit_gives_answers_the_time_that_they_may_take_to_end() -> None:
    page = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")
    unit = dict(re.findall(r"^    (\w+)=(.*)$", page, re.MULTILINE))
    settings = Settings()

    assert int(unit["TimeoutStopSec"]) >= settings.drain_s + 15
    assert int(unit["TimeoutStartSec"]) >= 4 * (settings.drain_s + STARTING_S)
    assert (unit["Type"], unit["KillMode"]) == ("notify", "mixed")
    assert unit["ExecStart"].endswith("/current/bin/python -m lyra serve --workers 4")
