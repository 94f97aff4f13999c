"""A server process: started, its address read from what it prints, ended by its id."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

_START_S = 30
_STOP_S = 10
_ADDRESS = re.compile(rb"http://127\.0\.0\.1:\d+")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A process that answers HTTP at `url`."""

    url: str
    process: Process
    said: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def check(self) -> None:
        """Raise if the process has ended by itself; the message holds its last words."""
        if self.process.returncode is not None:
            raise RuntimeError(f"{self.url} has ended:\n{_last_words(self.said)}")

    def cpu_s(self) -> float | None:
        """Seconds of processor used since the start; None where the system does not tell."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return None
        # The fields after the name, which stands in brackets and may hold anything.
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@asynccontextmanager
async def open_server(
    folder: Path, name: str, *arguments: str, **environment: str
) -> AsyncIterator[Server]:
    """Run `python *arguments` in this folder until the end of the block; logs to `name`.log."""
    said = folder / f"{name}.log"
    with said.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=log,
            cwd=folder,
            env=environment,
            # Ctrl-C is for this process; it ends the others in order.
            start_new_session=True,
        )
    try:
        yield Server(await _address(process, said), process, said)
    finally:
        await _end(process)


async def _address(process: Process, said: Path) -> str:
    """The first address that the process prints, which it does when it listens."""
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    async with asyncio.timeout(_START_S):
        async for line in process.stdout:
            if found := _ADDRESS.search(line):
                return found[0].decode()
    raise RuntimeError(f"a server did not start:\n{_last_words(said)}")


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_S):
            # What it prints while it stops must not fill the pipe.
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()


def _last_words(said: Path) -> str:
    return said.read_text("utf-8", "replace")[-2000:]
