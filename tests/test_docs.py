"""What the documents say is what the code does."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from dotenv import dotenv_values

from lyra.errors import LyraError
from lyra.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def errors(parent: type[LyraError] = LyraError) -> Iterator[type[LyraError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from errors(child)


def test_the_readme_lists_every_error_with_its_status() -> None:
    rows = set(re.findall(r"^\| (\d{3}) \| `(\w+)` \|", README, re.MULTILINE))

    assert rows == {(str(error.status), error.code) for error in errors()}


def test_every_code_has_one_status() -> None:
    codes = {error.code for error in errors()}

    assert len({(error.code, error.status) for error in errors()}) == len(codes)


def test_the_readme_and_the_example_name_every_setting_and_no_other() -> None:
    settings = set(Settings.__struct_encode_fields__)
    table = README[README.index("## Settings") : README.index("Exit codes")]

    assert set(re.findall(r"`(LYRA_[A-Z_]+)`", table)) == settings
    assert set(dotenv_values(ROOT / ".env.example")) == settings


def test_the_example_shows_the_defaults() -> None:
    shown = {name: value or "" for name, value in dotenv_values(ROOT / ".env.example").items()}

    assert Settings.from_environ(shown) == Settings()


def test_the_readme_gives_every_dependency_a_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {re.split(r"[\[<>=;]", each)[0] for each in project["dependencies"]}
    table = README[README.index("## Dependencies") : README.index("## Contributing")]

    assert set(re.findall(r"^\| ([a-z0-9-]+)", table, re.MULTILINE)) - {"package"} == needed


def test_the_locks_hold_every_dependency_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["test"]]
    names = {re.split(r"[\[<>=;]", each)[0].lower() for each in wanted}
    lock = (ROOT / "requirements" / "dev.txt").read_text("utf-8")

    assert names <= set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    assert lock.count("==") <= lock.count("--hash=sha256:")
    assert "://" not in lock


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))

    assert set(re.findall(r"`make ([a-z]+)`", README)) <= targets


def test_every_file_that_the_documents_link_to_exists() -> None:
    for page in (ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")):
        links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
        missing = [link for link in links if not (page.parent / link).exists()]
        assert not missing, f"{page.name} links to {missing}"
