"""Where the two modules stand: import-linter cannot hold a module that is no package."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLAIN = ROOT / "src" / "lyra_agent.py"


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_the_plain_functions_stand_on_lyra_agent_alone() -> None:
    others = {name for name in imported(PLAIN) if name not in sys.stdlib_module_names}

    assert {name for name in others if not name.startswith("collections.")} == {"lyra.agent"}


def test_nothing_in_the_package_imports_the_plain_functions() -> None:
    files = list((ROOT / "src" / "lyra").rglob("*.py"))

    assert len(files) > 50
    assert [file.name for file in files if "lyra_agent" in imported(file)] == []


def test_the_wheel_has_both() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert wheel["packages"] == ["src/lyra", "src/lyra_agent.py"]
