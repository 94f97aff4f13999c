"""What every subject stands on: processes on free ports, each on its core, and invented listeners."""

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import distributions
from itertools import count
from pathlib import Path
from sys import executable
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

import aiohttp
import orjson

from bench.cores import Cores, Watch, share_out
from bench.processes import Server, open_process
from bench.service import ADMIN, SETTLED_S, Service
from lyra.sandbox import sandbox_token

T = TypeVar("T")
Size = Literal["quick", "usual", "full"]
Call = dict[str, float]
HERE = Path(__file__).parent
PYTHON_PATH = {"PYTHONPATH": str(HERE.parent)}
_PEERS = HERE.parents[1] / ".venv/peers-web/bin/python"
_PEER_PACKAGES = (
    *("fastapi", "uvicorn", "sse-starlette", "anthropic"),
    *("spotipy", "cachetools", "httpx", "uvloop", "httptools"),
)
_ENOUGH_FILES = 20_000  # 5,000 readers, and each has a stream from the model
_LIMITLESS = "1000000000"
_SETTINGS = {
    "LYRA_LLM_API_KEY": "benchmark",
    "LYRA_MODEL": "scripted",
    "LYRA_ADMIN_TOKEN": ADMIN,
    # A few listeners stand for many here; how soon one of them is held back is not the question.
    "LYRA_RATE_PER_MINUTE": _LIMITLESS,
    "LYRA_FETCHES_PER_MINUTE": _LIMITLESS,
    "LYRA_STREAMS_PER_TOKEN": _LIMITLESS,
    "LYRA_DAILY_TOKENS": "0",
    "LYRA_TRUSTED_PROXIES": "127.0.0.1",  # one address, whose share would be a quarter
}
_ROOMY = {
    "LYRA_MAX_STREAMS": "20000",
    "LYRA_MAX_IN_FLIGHT": "20000",
    "LYRA_ANSWER_TIMEOUT_S": "300",
    "LYRA_HEADER_TIMEOUT_S": "300",  # connections are opened long before they ask
    "LYRA_CACHE_MAX_BYTES": str(2**40),
    "LYRA_CACHE_MAX_ENTRIES": str(2**20),
}


@dataclass(frozen=True)
class Harness:
    """The servers that run all the time, the means to open others for a while, and the run's size.

    `upstream` is a Spotify and a model that cost as little as Python can, `sandbox` the invented
    Spotify with its faults.
    """

    folder: Path
    cores: Cores
    upstream: Server
    sandbox: Server
    http: aiohttp.ClientSession
    size: Size
    files: int  # how many this process may have open
    samples: Path | None = None
    fault: str | None = None
    has_peers: bool = False
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _open: list[Server] = field(default_factory=list)

    def pick(self, quick: T, usual: T, full: T | None = None) -> T:
        """What belongs to a run of this size; a long run does as the usual one where nothing is said."""
        return {"quick": quick, "usual": usual, "full": usual if full is None else full}[self.size]

    def count(self, quick: int, usual: int, full: int) -> int:
        """How many, in a run of this size."""
        return self.pick(quick, usual, full)

    def token(self, *faults: str) -> str:
        """A listener of the sandbox, never seen before."""
        return sandbox_token(next(self._numbers), "typical", "legacy", *faults)

    def tokens(self, count: int) -> list[str]:
        return [self.token() for _ in range(count)]

    def listener(self, low_ms: int = 0, high_ms: int = 0) -> str:
        """A listener of the upstream, never seen before, whose five answers take so long."""
        return f"bench.{low_ms}.{high_ms}.{next(self._numbers):07}"

    def watch(self) -> Watch:
        """What others use of the cores from now on."""
        running = (self.upstream, self.sandbox, *self._open)
        return Watch(self.cores, [pid for server in running for pid in server.pids])

    def check(self) -> None:
        """Raise if a server has ended by itself."""
        self.sandbox.check()
        self.upstream.check()

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a service: listeners of the sandbox, the scripted model."""
        return {
            **_SETTINGS,
            "LYRA_SPOTIFY_API_URL": f"{self.sandbox.url}/v1",
            "LYRA_LLM_BASE_URL": self.upstream.url,
        }

    @property
    def roomy_settings(self) -> dict[str, str]:
        """The same without bounds, and with listeners of the upstream."""
        return {**self.settings, **_ROOMY, "LYRA_SPOTIFY_API_URL": f"{self.upstream.url}/v1"}

    @asynccontextmanager
    async def service(self, name: str, *options: str, **settings: str) -> AsyncIterator[Service]:
        """`lyra serve` with the sandbox's listeners."""
        command = (executable, "-m", "lyra", "serve", "--port", "0", *options)
        async with self._process(name, command, {**self.settings, **settings}) as server:
            yield Service(server.url, server.process, server.log)

    @asynccontextmanager
    async def weighed(self, name: str, **settings: str) -> AsyncIterator[Service]:
        """The same, of a process that tells how much of its memory is in use."""
        command = module("servers.weighed", "serve", "--port", "0")
        async with self._process(
            name, command, {**PYTHON_PATH, **self.settings, **settings}
        ) as one:
            yield Service(one.url, one.process, one.log)

    @asynccontextmanager
    async def lyra(
        self, *options: str, on: frozenset[int] | None = None, **settings: str
    ) -> AsyncIterator[Service]:
        """`lyra serve` with the upstream's listeners, and room for any number of them."""
        command = (executable, "-m", "lyra", "serve", "--port", "0", *options)
        environment = {**self.roomy_settings, **settings}
        async with self._process("lyra", command, environment, on) as server:
            yield Service(server.url, server.process, server.log)

    @asynccontextmanager
    async def server(
        self, name: str, *arguments: str, settings: Mapping[str, str] | None = None
    ) -> AsyncIterator[Server]:
        """One of `servers/`, on the subject's core."""
        environment = {**PYTHON_PATH, **(settings or {})}
        async with self._process(name, module(f"servers.{name}", *arguments), environment) as one:
            yield one

    @asynccontextmanager
    async def peer(self, *arguments: str) -> AsyncIterator[Server]:
        """The peer of `peers/`, on the subject's core."""
        command = (str(_PEERS), str(HERE / "peers/service.py"), self.upstream.url, *arguments)
        async with self._process("peer", command, {}) as server:
            yield server

    async def run_peer(self, script: str, *arguments: str) -> Any:
        """Run one of `peers/` to its end; return the JSON that it prints."""
        command = (str(_PEERS), str(HERE / "peers" / script), *arguments)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        return orjson.loads(output)

    @asynccontextmanager
    async def _process(
        self,
        name: str,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        on: frozenset[int] | None = None,
    ) -> AsyncIterator[Server]:
        cores = self.cores.subject if on is None else on
        async with open_process(self.folder, name, command, environment, cores) as server:
            self._open.append(server)
            try:
                yield server
            finally:
                self._open.remove(server)

    async def calls(self) -> dict[int, Call]:
        """The model's calls since the last time, by number."""
        calls = await self._read(f"{self.upstream.url}/calls")
        return {int(number): call for number, call in calls.items()}

    async def open_calls(self) -> int:
        """Calls of the model that are open now."""
        return int((await self._read(f"{self.upstream.url}/open"))["open"])

    async def until_open(self, count: int) -> int:
        """Wait until this many calls are open, but not for ever; how many are."""
        until = time.monotonic() + SETTLED_S
        while (now := await self.open_calls()) != count and time.monotonic() < until:  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.05)
        return now

    async def upstream_calls(self) -> tuple[int, float]:
        """How many calls the upstream's Spotify has had, and when its last answer left."""
        spotify = await self._read(f"{self.upstream.url}/spotify")
        return int(spotify["calls"]), spotify["last_at"]

    async def sandbox_calls(self) -> int:
        """How many calls the sandbox's Spotify has answered."""
        return int((await self._read(f"{self.sandbox.url}/__sandbox/stats"))["total"])

    async def _read(self, url: str) -> dict[str, Any]:
        async with self.http.get(url) as answer:
            payload: dict[str, Any] = orjson.loads(await answer.read())
        return payload


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module of this package."""
    return executable, "-m", f"bench.{name}", *arguments


@asynccontextmanager
async def open_harness(
    size: Size, *, peers: bool, samples: Path | None = None, fault: str | None = None
) -> AsyncIterator[Harness]:
    """All of it; every process ends with the block, whatever happens in it."""
    files = _raise_file_limit()
    cores = share_out()
    async with AsyncExitStack() as stack:
        # An empty folder: no `.env` of the person who measures has a say.
        folder = Path(stack.enter_context(TemporaryDirectory()))
        recorded = ("--samples", str(samples)) if samples else ()
        sandbox = (executable, "-m", "lyra", "sandbox", "--port", "0")
        upstream, invented = [
            await stack.enter_async_context(
                open_process(folder, name, command, PYTHON_PATH, cores.load)
            )
            for name, command in (
                ("upstream", module("servers.upstream", *recorded)),
                ("sandbox", sandbox),
            )
        ]
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores.load)
        stack.callback(os.sched_setaffinity, 0, allowed)
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, raise_for_status=True)
        )
        has_peers = peers and _PEERS.exists()
        yield Harness(
            folder, cores, upstream, invented, http, size, files, samples, fault, has_peers
        )


def _raise_file_limit() -> int:
    """Raise the limit of open files as far as is allowed; how many there may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _ENOUGH_FILES if most == resource.RLIM_INFINITY else min(_ENOUGH_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return files


def peer_versions() -> dict[str, str]:
    """What is installed of the peers' packages."""
    folders = map(str, _PEERS.parents[1].glob("lib/python*/site-packages"))
    versions = {each.name: each.version for each in distributions(path=list(folders))}
    return {name: versions[name] for name in _PEER_PACKAGES if name in versions}


async def settle(seconds: float = 0.2) -> None:
    """Let what the last measure left behind come to its end."""
    await asyncio.sleep(seconds)
