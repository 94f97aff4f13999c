"""Where a run takes place: processes on free ports, each on its core, and a plain client."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import distributions
from itertools import count
from pathlib import Path
from sys import executable
from tempfile import TemporaryDirectory

import aiohttp
import orjson

from bench.cores import Cores, Watch, share_out
from bench.processes import Server, open_process

_HERE = Path(__file__).parent
_PEERS = _HERE.parents[1] / ".venv/peers-web/bin/python"
_PEER_PACKAGES = (
    *("fastapi", "uvicorn", "sse-starlette", "anthropic"),
    *("spotipy", "cachetools", "tekore", "httpx", "uvloop", "httptools"),
)
_FILES = 20_000  # 5,000 readers, and each has a stream from the model
# One client asks for a thousand; how fast Lyra says no is not the question.
_ROOM = {
    "LYRA_RATE_PER_MINUTE": "1000000",
    "LYRA_FETCHES_PER_MINUTE": "1000000",
    "LYRA_DAILY_TOKENS": "0",
    "LYRA_TRUSTED_PROXIES": "127.0.0.1",  # one address, whose share would be a quarter
    "LYRA_STREAMS_PER_TOKEN": "20000",
    "LYRA_MAX_STREAMS": "20000",
    "LYRA_MAX_IN_FLIGHT": "20000",
    "LYRA_ANSWER_TIMEOUT_S": "300",
    "LYRA_HEADER_TIMEOUT_S": "300",  # connections are opened long before they ask
    "LYRA_CACHE_MAX_BYTES": str(2**33),
    "LYRA_CACHE_MAX_ENTRIES": "100000",
}


def lyra_settings(upstream: str) -> dict[str, str]:
    """The environment of a `lyra serve` in front of this upstream."""
    return {
        "LYRA_SPOTIFY_API_URL": f"{upstream}/v1",
        "LYRA_LLM_BASE_URL": upstream,
        "LYRA_LLM_API_KEY": "benchmark",
        "LYRA_MODEL": "bench",
        **_ROOM,
    }


@dataclass(frozen=True)
class Place:
    """The upstream that runs all the time, and the means to open the others for a while."""

    folder: Path
    cores: Cores
    upstream: Server
    http: aiohttp.ClientSession
    quick: bool
    samples: Path | None
    fault: str | None
    has_peers: bool
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _open: list[Server] = field(default_factory=list)

    def token(self, low_ms: int = 0, high_ms: int = 0) -> str:
        """A listener never seen before, whose five answers take so long."""
        return f"bench.{low_ms}.{high_ms}.{next(self._numbers):07}"

    def seed(self) -> int:
        """A number never given before, for listeners of the sandbox."""
        return next(self._numbers)

    def watch(self) -> Watch:
        """What others use of the cores from now on."""
        pids = [pid for server in (self.upstream, *self._open) for pid in server.pids]
        return Watch(self.cores, pids)

    def script(self, name: str) -> str:
        """The file of one of `servers/`."""
        return str(_HERE / "servers" / f"{name}.py")

    async def told(self) -> dict[str, float]:
        """How many calls Spotify has had, and when the last answer left."""
        async with self.http.get(f"{self.upstream.url}/bench") as answer:
            told: dict[str, float] = orjson.loads(await answer.read())
        return told

    @asynccontextmanager
    async def lyra(
        self, *arguments: str, behind: str = "", on: frozenset[int] | None = None, **settings: str
    ) -> AsyncIterator[Server]:
        """`lyra serve` as it is served; `behind` another upstream than the bench's own."""
        environment = {**lyra_settings(behind or self.upstream.url), **settings}
        command = (executable, "-m", "lyra", "serve", "--port", "0", *arguments)
        async with self._process("lyra", command, environment, on) as server:
            yield server

    @asynccontextmanager
    async def yardstick(self, name: str, *arguments: str) -> AsyncIterator[Server]:
        """One of `servers/`, on the subject's core."""
        command = (executable, self.script(name), *arguments)
        async with self._process(name, command) as server:
            yield server

    @asynccontextmanager
    async def filled(self, entries: int) -> AsyncIterator[Server]:
        """Lyra with so many listeners in its cache, whose tokens are `filled.token_of(n)`."""
        environment = lyra_settings(self.upstream.url) | {"LYRA_CACHE_MAX_ENTRIES": str(2**20)}
        environment |= {"LYRA_CACHE_MAX_BYTES": str(2**40)}
        command = (executable, self.script("filled"), str(entries))
        async with self._process("filled", command, environment) as server:
            yield server

    @asynccontextmanager
    async def peer(self, *arguments: str) -> AsyncIterator[Server]:
        """The peer of `peers/`, on the subject's core."""
        script = str(_HERE / "peers" / "service.py")
        command = (str(_PEERS), script, self.upstream.url, *arguments)
        async with self._process("peer", command) as server:
            yield server

    @asynccontextmanager
    async def sandbox(self) -> AsyncIterator[Server]:
        """The invented Spotify with its faults, on the core of the load."""
        command = (executable, "-m", "lyra", "sandbox", "--port", "0")
        async with self._process("sandbox", command, on=self.cores.load) as server:
            yield server

    @asynccontextmanager
    async def _process(
        self,
        name: str,
        command: tuple[str, ...],
        environment: dict[str, str] | None = None,
        on: frozenset[int] | None = None,
    ) -> AsyncIterator[Server]:
        cores = self.cores.subject if on is None else on
        async with open_process(self.folder, name, command, environment or {}, cores) as server:
            self._open.append(server)
            try:
                yield server
                server.check()
            finally:
                self._open.remove(server)


@asynccontextmanager
async def open_place(
    *, quick: bool, peers: bool, samples: Path | None = None, fault: str | None = None
) -> AsyncIterator[Place]:
    """The upstream, ready; every process ends with the block, whatever happens in it."""
    _raise_file_limit()
    cores = share_out()
    async with AsyncExitStack() as stack:
        # An empty folder: no `.env` of the person who measures has a say.
        folder = Path(stack.enter_context(TemporaryDirectory()))
        recorded = ("--samples", str(samples)) if samples else ()
        command = (executable, str(_HERE / "servers" / "upstream.py"), *recorded)
        upstream = await stack.enter_async_context(
            open_process(folder, "upstream", command, {}, cores.load)
        )
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores.load)
        stack.callback(os.sched_setaffinity, 0, allowed)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), raise_for_status=True, read_bufsize=2**20
            )
        )
        yield Place(folder, cores, upstream, http, quick, samples, fault, peers and _PEERS.exists())


def _raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _FILES if most == resource.RLIM_INFINITY else min(_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))


def peer_versions() -> dict[str, str]:
    """What is installed of the peers' packages."""
    folders = map(str, _PEERS.parents[1].glob("lib/python*/site-packages"))
    found = {each.name: each.version for each in distributions(path=list(folders))}
    return {name: found[name] for name in _PEER_PACKAGES if name in found}


async def settle(seconds: float = 0.2) -> None:
    """Let what the last measure left behind come to its end."""
    await asyncio.sleep(seconds)
