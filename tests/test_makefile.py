"""`make PY=...` uses the Python that it names, whatever has been set up before."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


def python(path: Path, version: str) -> None:
    """Something that says that it is a Python of this version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)


def planned(folder: Path, *more: str, stamps: tuple[str, ...] = (".run", ".dev")) -> str:
    """What make would do in this folder, in which all has been set up before: as far as the stamps.

    It hears nothing of the make that runs the tests, which hands down its flags and its own PY.
    """
    for name in ("Makefile", "pyproject.toml", "requirements/run.txt", "requirements/dev.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for stamp in stamps:
        (folder / ".venv" / stamp).touch()
    run = subprocess.run(  # noqa: S603 - our own arguments
        [shutil.which("make") or "make", "-n", "test", *more],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return run.stdout


@pytest.mark.parametrize("asked", ["3 12", "3 13", "4 0"])
def test_another_python_than_the_environments_makes_it_anew(tmp_path: Path, asked: str) -> None:
    python(tmp_path / ".venv/bin/python", "3 11")
    python(tmp_path / "other", asked)

    plan = planned(tmp_path, "PY=./other")

    assert "./other -m venv --clear .venv" in plan
    assert plan.index("--clear") < plan.index("requirements/dev.txt") < plan.index("pytest")


def test_an_unfinished_environment_of_another_python_is_remade(
    tmp_path: Path,
) -> None:
    python(tmp_path / ".venv/bin/python", "3 12")
    python(tmp_path / ".venv/bin/pip", "of 3.12")
    python(tmp_path / "other", "3 13")

    assert "./other -m venv --clear .venv" in planned(tmp_path, "PY=./other", stamps=())


@pytest.mark.parametrize("stamps", [(), (".run",), (".run", ".dev")])
@pytest.mark.parametrize("more", [(), ("PY=./same",)])
def test_the_same_or_no_named_python_leaves_the_environment(
    tmp_path: Path, more: tuple[str, ...], stamps: tuple[str, ...]
) -> None:
    python(tmp_path / ".venv/bin/python", "3 12")
    python(tmp_path / "same", "3 12")

    assert "--clear" not in planned(tmp_path, *more, stamps=stamps)


def test_an_environment_whose_python_is_gone_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(tmp_path / "gone")

    assert "venv --clear .venv" in planned(tmp_path)
