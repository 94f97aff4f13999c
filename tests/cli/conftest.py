"""Real processes of the command line, each with an empty folder and an empty environment."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

HERE = Path(__file__).parent
QUESTION = "Which artists do I listen to most?"
# A server opens connections to Spotify by itself; from here to where nobody answers.
_NOWHERE = {"LYRA_SPOTIFY_API_URL": "http://127.0.0.1:9/v1"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give processes the time that they take to start where others are busy."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(60))


Launch = Callable[..., Awaitable[Process]]


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Launch]:
    """Starts `lyra ...` in an empty folder with an empty environment."""
    started: list[Process] = []

    async def begin(*arguments: str, **environ: str) -> Process:
        command = (sys.executable, "-W", "error", "-m", "lyra", *arguments)
        nowhere = _NOWHERE if arguments[0] in ("serve", "run") else {}
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=tmp_path,
            env={"PYTHONUNBUFFERED": "1", **nowhere, **environ},
            stdout=PIPE,
            stderr=PIPE,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def greeting(process: Process) -> str:
    """What the process prints until it serves."""
    assert process.stdout is not None
    lines = []
    async for line in process.stdout:
        lines.append(line.decode())
        if "Ctrl-C" in lines[-1] or "counters" in lines[-1]:
            break
    return "".join(lines)


async def read_refusal(process: Process) -> tuple[int | None, str]:
    """The exit code and what the process said of it."""
    out, err = await process.communicate()
    assert out == b""
    return process.returncode, err.decode()


async def hanging_answer(http: aiohttp.ClientSession, url: str) -> aiohttp.ClientResponse:
    """Return an answer that has begun and does not end by itself, of an invented model."""
    headers = {"Authorization": "Bearer sandbox.7.typical.legacy.hang"}
    live = await http.post(f"{url}/lyra/chat", headers=headers, json={"message": "Hello?"})
    assert (await live.content.readline()).startswith(b"id: ")
    return live


async def until_gone(pid: int) -> None:
    """Wait until this process, which is nobody's child here, has ended."""
    descriptor = os.pidfd_open(pid)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    await ended.wait()
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)


async def start_pipe(folder: Path, *arguments: str, **environ: str) -> Process:
    """Start `lyra chat` with a pipe for its input."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "lyra", "chat", *arguments),
        cwd=folder,
        env=environ,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
