"""What the documents say is what the code does."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from lyra.errors import LyraError
from lyra.settings import Settings
from tests.support.documents import PAGES, ROOT, anchors, links, section

API = (ROOT / "docs" / "API.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs" / "ARCHITECTURE.md").read_text("utf-8")
GLOSSARY = (ROOT / "docs" / "GLOSSARY.md").read_text("utf-8")
SETTINGS = (ROOT / "docs" / "SETTINGS.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
NAMING = {".py", ".md", ".toml", ".html", ".example", ""}
SOURCE = ROOT / "src"


def errors(parent: type[LyraError] = LyraError) -> Iterator[type[LyraError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from errors(child)


def test_the_api_page_lists_every_error_with_its_status() -> None:
    rows = set(re.findall(r"^\| (\d{3}) \| `(\w+)` \|", API, re.MULTILINE))

    assert rows == {(str(error.status), error.code) for error in errors()}


def test_every_code_has_one_status() -> None:
    codes = {error.code for error in errors()}

    assert len({(error.code, error.status) for error in errors()}) == len(codes)


def test_the_settings_page_and_the_example_name_every_setting() -> None:
    settings = set(Settings.__struct_encode_fields__)

    assert set(re.findall(r"^\| `(\w+)` \|", SETTINGS, re.MULTILINE)) == settings
    assert set(dotenv_values(ROOT / ".env.example")) == settings


def test_the_example_shows_the_defaults() -> None:
    shown = {name: value or "" for name, value in dotenv_values(ROOT / ".env.example").items()}

    assert Settings.from_environ(shown) == Settings()


def test_every_dependency_has_a_line_that_says_why() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {re.split(r"[\[<>=;]", each)[0] for each in project["dependencies"]}
    table = section(ARCHITECTURE, "Dependencies")

    assert set(re.findall(r"^\| ([a-z0-9-]+)", table, re.MULTILINE)) - {"package"} == needed


def test_the_locks_hold_every_dependency_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["test"]]
    names = {re.split(r"[\[<>=;]", each)[0].lower() for each in wanted}
    lock = (ROOT / "requirements" / "dev.txt").read_text("utf-8")

    assert names <= set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    assert lock.count("==") <= lock.count("--hash=sha256:")
    assert "://" not in lock


@pytest.mark.parametrize(
    ("package", "column"),
    [("lyra", "package"), ("lyra.web", "in `lyra.web`"), ("lyra.chat", "in `lyra.chat`")],
)
def test_the_architectures_layers_are_the_import_contracts(package: str, column: str) -> None:
    contract = layers(package)

    assert (
        set(re.findall(r"`(?:lyra\.)?(\w+)(?:/|\.py)?`", table_of(ARCHITECTURE, column)))
        == contract
    )


def layers(package: str) -> set[str]:
    """What is in a package, as its import contract says."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    contracts = tool["importlinter"]["contracts"]
    (found,) = (each["layers"] for each in contracts if each.get("containers") == [package])
    return {name for layer in found for name in layer.split(" | ")}


def table_of(page: str, first_column: str) -> str:
    """The first column of the table that begins with this word."""
    rows = page[page.index(f"| {first_column} |") :].partition("\n\n")[0].splitlines()[2:]
    return "\n".join(row.split(" | ")[0] for row in rows)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = re.findall(r"(?:`|^|[$] )make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE)

    assert set(named) <= targets


def test_the_readme_is_one_page() -> None:
    assert len(README.encode()) <= 7000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_an_existing_file_and_heading(page: Path) -> None:
    missing = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)

    assert missing == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        waiting += [each for each in targets if each.suffix == ".md" and each not in reached]

    assert set(PAGES) <= reached


def test_every_page_that_is_named_anywhere_exists() -> None:
    """Also where it is no link: in docstrings, messages, comments and the Makefile."""
    files = [ROOT / "Makefile", ROOT / ".env.example", *PAGES]
    for folder in ("src", "scripts", "tests", ".ci"):
        files += [each for each in (ROOT / folder).rglob("*") if each.suffix in NAMING]
    texts = {each: each.read_text("utf-8") for each in files if each.is_file() and is_ours(each)}
    named = {
        (file.relative_to(ROOT), name)
        for file, text in texts.items()
        for name in re.findall(r"\bdocs/[\w/-]+\.(?:md|svg|jpg)\b", text)
    }

    assert len(named) > 20
    assert {(file, name) for file, name in named if not (ROOT / name).exists()} == set()


def is_ours(path: Path) -> bool:
    return not {"node_modules", "__pycache__"} & set(path.parts)


@pytest.mark.parametrize("page", [ARCHITECTURE, GLOSSARY], ids=["architecture", "glossary"])
def test_every_module_and_name_that_the_docs_cite_exists(page: str) -> None:
    rows = re.findall(r"`(lyra/[\w/]+\.py)`((?:,? `\w+`)*)", page)
    assert len(rows) > 30
    for path, names in rows:
        source = SOURCE / path
        assert source.exists(), path
        assert set(re.findall(r"`(\w+)`", names)) <= defined(source), path


def defined(source: Path) -> set[str]:
    """The classes and functions of a module."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(source.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_the_helpers_that_contributors_are_told_of_exist() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    helpers = re.findall(r"`(\w+\.py)`", table_of(page, "helper in `tests/support`"))

    assert len(helpers) > 10
    assert [each for each in helpers if not (ROOT / "tests" / "support" / each).exists()] == []
