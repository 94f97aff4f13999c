"""A server process: started, its address read from what it prints, ended by its id."""

import asyncio
import ctypes
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import cores

_START_S = 60
_STOP_S = 10
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # looked up here, not between fork and exec
_ADDRESS = re.compile(rb"http://127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class Server:
    """A process that answers HTTP at `url`; what it complains of goes to the file `log`."""

    url: str
    process: Process
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def pids(self) -> list[int]:
        """The process and its workers."""
        return [self.process.pid, *cores.children(self.process.pid)]

    @property
    def memory_bytes(self) -> int:
        """Resident memory, workers included."""
        return sum(map(cores.resident, self.pids))

    def cpu_s(self) -> float:
        """Seconds of processor used since the start, workers included."""
        return sum(map(cores.cpu_s, self.pids))

    def check(self) -> None:
        """Raise if the process has ended by itself; the message holds its last words."""
        if self.process.returncode is not None:
            raise RuntimeError(f"{self.url} has ended:\n{_last_words(self.log)}")


@asynccontextmanager
async def open_process(
    folder: Path,
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    on: Collection[int] = (),
) -> AsyncIterator[Server]:
    """Run a command in this folder until the end of the block, kept `on` these cores."""
    async with run_until_printed(folder, name, command, environment, on) as listening:
        yield await listening()


@asynccontextmanager
async def run_until_printed(
    folder: Path,
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    on: Collection[int] = (),
) -> AsyncIterator[Callable[[], Awaitable[Server]]]:
    """The same, entered as soon as the process runs; what it gives waits until it listens."""
    path = folder / f"{name}.log"
    with path.open("wb") as log, on_cores(on):
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=log,
            cwd=folder,
            env=dict(environment),
            # Ctrl-C is for this process; it ends the others in order.
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
    try:
        yield partial(_listening, process, path)
    finally:
        await _end(process)


async def output_of(*command: str, cwd: Path, environment: Mapping[str, str]) -> bytes:
    """What a command prints until it ends; it ends with this call.

    Raises:
        RuntimeError: it failed; the message holds its last words.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        cwd=cwd,
        env=dict(environment),
        preexec_fn=_end_with_parent,
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = err.decode("utf-8", "replace")[-500:]
        raise RuntimeError(f"{command[-1]} ended with {process.returncode}: {last}")
    return out


def _end_with_parent() -> None:
    """Be told to end when the parent is gone, even where it was killed and could end nobody."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def on_cores(on: Collection[int]) -> Iterator[None]:
    """Have what starts in the block run on these cores: a child takes its parent's over."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, on or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _listening(process: Process, log: Path) -> Server:
    """The server, once it has printed its address, which it does when it listens."""
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    async with asyncio.timeout(_START_S):
        async for line in process.stdout:
            if match := _ADDRESS.search(line):
                return Server(match[0].decode(), process, log)
    raise RuntimeError(f"a server did not start:\n{_last_words(log)}")


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


def _last_words(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-2000:]
