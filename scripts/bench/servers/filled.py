"""Lyra with many listeners in its cache, which share one listener's bytes.

Run as a process with the number of listeners, its settings in the environment; prints its address
and ends at SIGTERM. One listener is loaded as usual; the others are put beside it directly, since
fetching a million is another measure. Their tokens are those of `token_of`.
"""

import asyncio
import gc
import os
import signal
import sys

from msgspec.structs import replace

from bench.event_loop import announce, run_server
from lyra.app import create_app
from lyra.cli.gc_tuning import tune_gc
from lyra.cli.logs import configure_logs
from lyra.settings import Settings
from lyra.spotify.token import Token
from lyra.web.context import SERVICES
from lyra.web.gateway.server import Runner, listen

TTL_S = 3600


def token_of(number: int) -> str:
    """The token of one of the listeners that are there."""
    return f"bench.0.0.filled{number:07}"


async def _fill(runner: Runner, count: int) -> None:
    listeners = runner.app[SERVICES].lyra.listeners
    one = await (await listeners.lookup(Token(token_of(0)))).entry()
    for number in range(1, count):
        key = listeners.key(Token(token_of(number)))
        listeners._memory.entries._put(key, replace(one), TTL_S)  # noqa: SLF001


async def _serve(count: int) -> None:
    settings = Settings.from_environ(os.environ)  # noqa: TID251 - a process of its own
    configure_logs(settings.log, settings.secrets())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    runner = Runner(create_app(settings), settings)
    await runner.setup()
    await _fill(runner, count)
    gc.collect()
    gc.freeze()  # as `lyra serve` does
    announce(await listen(runner, "127.0.0.1", 0))
    await stop.wait()
    os._exit(0)  # taking a million entries apart helps nobody


if __name__ == "__main__":
    tune_gc()  # as `lyra serve` does
    run_server(_serve(int(sys.argv[1])))
