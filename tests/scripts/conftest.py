"""The scripts as a person runs them: in processes of their own."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@dataclass(frozen=True)
class Ran:
    """What a script left: its exit code and what it wrote."""

    code: int | None
    out: str
    err: str


RunScript = Callable[..., Awaitable[Ran]]


@pytest.fixture
def run_script(tmp_path: Path) -> RunScript:
    """Runs `scripts/<name> ...` in an empty folder, with nothing but these variables."""

    async def run(name: str, *arguments: str, **environ: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", str(SCRIPTS / name), *arguments),
            cwd=tmp_path,
            env=environ,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
        )
        try:
            out, err = await process.communicate()
        finally:
            if process.returncode is None:
                # The script's own demo is in a session of its own; interrupted, it ends that too.
                process.send_signal(signal.SIGINT)
        return Ran(process.returncode, out.decode(), err.decode())

    return run
