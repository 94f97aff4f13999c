"""Where a run takes place: three server processes on free ports, and what reads from them."""

import itertools
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from benching.reader import Reader
from benching.server import Server, open_server
from lyra.sandbox import sandbox_token

_FILES = 4096  # sockets of a thousand clients, and some
_BARE = Path(__file__).with_name("bare.py")


@dataclass(frozen=True)
class Place:
    """The running servers, a reader, and how much is to be measured."""

    lyra: Server
    sandbox: Server
    bare: Server
    reader: Reader
    quick: bool
    fault: str | None
    _seeds: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def check(self) -> None:
        """Raise if a server has ended by itself."""
        for server in (self.lyra, self.sandbox, self.bare):
            server.check()

    async def new_listener(self, low_ms: int, high_ms: int) -> str:
        """Return a token never used before, whose five answers take `low_ms` to `high_ms`."""
        seed = next(self._seeds)
        # The sandbox invents a listener on the first call; that must not count as Spotify's time.
        await self.reader.spotify("me", sandbox_token(seed, "typical", "legacy"))
        faults = [f"lat-{low_ms}-{high_ms}", *([self.fault] if self.fault else [])]
        return sandbox_token(seed, "typical", "legacy", *faults)


@asynccontextmanager
async def open_place(*, quick: bool, fault: str | None) -> AsyncIterator[Place]:
    """All servers, ready; they end with the block, whatever happens in it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _FILES if most == resource.RLIM_INFINITY else min(_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    async with AsyncExitStack() as stack:
        # An empty folder: no `.env` of the person who measures has a say.
        folder = Path(stack.enter_context(TemporaryDirectory()))
        sandbox = await stack.enter_async_context(
            open_server(folder, "sandbox", "-m", "lyra", "sandbox", "--port", "0")
        )
        bare = await stack.enter_async_context(open_server(folder, "bare", str(_BARE)))
        lyra = await stack.enter_async_context(
            open_server(
                folder, "lyra", "-m", "lyra", "serve", "--port", "0", **_settings(sandbox.url)
            )
        )
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), raise_for_status=True, read_bufsize=2**20
            )
        )
        yield Place(lyra, sandbox, bare, Reader(http, lyra.url, sandbox.url), quick, fault)


def _settings(sandbox: str) -> dict[str, str]:
    return {
        "LYRA_SPOTIFY_API_URL": f"{sandbox}/v1",
        "LYRA_LLM_BASE_URL": sandbox,
        "LYRA_LLM_API_KEY": "benchmark",
        "LYRA_MODEL": "sandbox-model",
        # One listener asks for many here; how fast Lyra says no is not the question.
        "LYRA_RATE_PER_MINUTE": "1000000",
    }
