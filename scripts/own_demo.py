"""A demo of Lyra for a script that was given no server: started on a free port, ended with it.

It always speaks with the invented model: `lyra demo` takes a real one where a key is set, and a
script should not spend anybody's money.
"""

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

START_S = 30
STOP_S = 10


@asynccontextmanager
async def own_demo() -> AsyncIterator[str]:
    """The address of a demo that runs until the end of the block."""
    with TemporaryDirectory() as folder:  # where there is no .env
        process = await _start(folder)
        try:
            yield await _address(process)
        finally:
            await _end(process)


async def _start(folder: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lyra", "demo", "--port", "0"),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd=folder,
        env=_without_settings(os.environ),  # noqa: TID251 - handed on, not read
        # Ctrl-C is for the script, which ends the demo in order.
        start_new_session=True,
    )


def _without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(("LYRA_", "ANTHROPIC_"))
    }


async def _address(process: Process) -> str:
    """The address in what the demo prints; it says "Ctrl-C" last."""
    output = ""
    if process.stdout is not None:
        async with asyncio.timeout(START_S):
            async for line in process.stdout:
                output += line.decode()
                if "Ctrl-C" in output:
                    break
    found = re.search(r"http://127\.0\.0\.1:\d+", output)
    if found is None:
        raise RuntimeError("the demo did not start; `lyra demo` says why")
    return found[0]


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
