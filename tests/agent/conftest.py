"""The process's own Lyra over a sandbox, and programs run as their users run them."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lyra.agent import configure
from lyra.sandbox import Sandbox, sandbox_token
from lyra.settings import Settings
from tests.conftest import LONG_S

TOKEN = sandbox_token(7, "typical", "legacy")

Configure = Callable[..., None]


@pytest.fixture
def use(sandbox: Sandbox) -> Iterator[Configure]:
    """Configures the process: `use(cache_ttl_s=60)`. What a test leaves is forgotten."""

    def configured(**changes: object) -> None:
        changed = {"spotify_api_url": sandbox.api_url, "spotify_timeout_s": 5, **changes}
        configure(Settings(**changed))  # type: ignore[arg-type]

    configured()
    yield configured
    configure(Settings())


@dataclass
class Outcome:
    code: int | None
    out: str
    err: str


class Program:
    """A running Python program; every warning in it is an error."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    async def end(self, typed: str = "") -> Outcome:
        """Type this at it, and wait for its end."""
        async with asyncio.timeout(LONG_S):
            out, err = await self._process.communicate(typed.encode())
        return Outcome(self._process.returncode, out.decode(), err.decode())


Launch = Callable[..., Awaitable[Program]]


@pytest.fixture
def launch(sandbox: Sandbox, tmp_path: Path) -> Launch:
    """Starts a program from its text, with the sandbox as its Spotify."""

    async def started(text: str, token: str = TOKEN, **variables: str) -> Program:
        file = tmp_path / "program.py"
        file.write_text(text, encoding="utf-8")
        environment = {
            "LYRA_SPOTIFY_API_URL": sandbox.api_url,
            "SPOTIFY_TOKEN": token,
            **variables,
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", str(file)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=tmp_path,
            env=environment,
        )
        return Program(process)

    return started


@pytest.fixture
def run(launch: Launch) -> Callable[..., Awaitable[Outcome]]:
    """Runs a program to its end."""

    async def ran(text: str, token: str = TOKEN, **variables: str) -> Outcome:
        return await (await launch(text, token, **variables)).end()

    return ran
