"""Where a run takes place: an invented Spotify, a scripted model, and services to be measured."""

import asyncio
import itertools
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import aiohttp
import orjson

from bench.server import Server, open_server
from faultbench.asker import Asker, Reply, request
from faultbench.weighed import WEIGHT
from lyra.sandbox import sandbox_token

_UPSTREAM = Path(__file__).with_name("upstream.py")
_WEIGHED = Path(__file__).with_name("weighed.py")
_ADMIN = "the-operator-of-the-benchmark"
_SETTLED_S = 10.0
_ENOUGH_FILES = 20_000
_LIMITLESS = "1000000000"
_SETTINGS = {
    "LYRA_LLM_API_KEY": "benchmark",
    "LYRA_MODEL": "scripted",
    "LYRA_ADMIN_TOKEN": _ADMIN,
    # A few listeners stand for many here; how soon one of them is held back is not the question.
    "LYRA_RATE_PER_MINUTE": _LIMITLESS,
    "LYRA_FETCHES_PER_MINUTE": _LIMITLESS,
    "LYRA_STREAMS_PER_TOKEN": _LIMITLESS,
    "LYRA_DAILY_TOKENS": "0",
    "LYRA_TRUSTED_PROXIES": "127.0.0.1",  # one address, whose share would be a quarter
}
Call = dict[str, float]
Size = Literal["quick", "usual", "full"]


class Weight(NamedTuple):
    """Bytes in use, and bytes resident once freed memory was given back."""

    used: int
    resident: int


@dataclass(frozen=True)
class Service:
    """One `lyra serve`, looked at from outside."""

    server: Server

    async def connect(self, source: str = "127.0.0.1") -> Asker:
        return await Asker.connect(self.server.port, source)

    async def ask(self, sent: bytes) -> Reply:
        """One request on a connection of its own."""
        asker = await self.connect()
        try:
            return await asker.ask(sent)
        finally:
            asker.close()

    async def warm(self, tokens: list[str]) -> None:
        """Load these listeners."""
        for token in tokens:
            reply = await self.ask(request("POST", "/lyra/init", token))
            if reply.status != 200:  # noqa: PLR2004 - loaded
                raise RuntimeError(f"a listener could not be loaded: status {reply.status}")

    async def metrics(self) -> dict[str, float]:
        """What the service counts, by name and labels as they are printed."""
        headers = {"Authorization": f"Bearer {_ADMIN}"}
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.server.url}/metrics", headers=headers) as answer,
        ):
            text = await answer.text()
        pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    async def settled(self, reached: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """The metrics once they are as described, or as they are after a while."""
        until = time.monotonic() + _SETTLED_S
        while not reached(found := await self.metrics()):
            if time.monotonic() > until:
                break
            await asyncio.sleep(0.1)
        return found

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the process."""
        return memory_bytes(self.server.process.pid)

    async def weigh(self) -> Weight:
        """What its memory holds; only a service of `Place.weighed` tells it."""
        told = self.server.said.with_name(WEIGHT)
        told.unlink(missing_ok=True)
        os.kill(self.server.process.pid, signal.SIGUSR2)
        async with asyncio.timeout(_SETTLED_S):
            while not told.exists():  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0.05)
        return Weight(**orjson.loads(told.read_bytes()))

    @property
    def files(self) -> int:
        """Open files of the process."""
        return len(list(Path(f"/proc/{self.server.process.pid}/fd").iterdir()))

    def connections_to(self, *servers: Server) -> int:
        """Connections of the process to these servers."""
        lines = Path(f"/proc/{self.server.process.pid}/net/tcp").read_text().splitlines()[1:]
        fields = [line.split() for line in lines]
        ports = {f"{each.port:04X}" for each in servers}
        files = Path(f"/proc/{self.server.process.pid}/fd").iterdir()
        own = {str(each.readlink()) for each in files}
        return sum(
            one[2].rpartition(":")[2] in ports and f"socket:[{one[9]}]" in own for one in fields
        )

    @property
    def cpu_s(self) -> float:
        """Processor time of the process's first thread, the one with the event loop."""
        stat = Path(f"/proc/{self.server.process.pid}/schedstat").read_text()
        return int(stat.split()[0]) / 1e9


def memory_bytes(pid: int) -> int:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@dataclass(frozen=True)
class Place:
    """The running servers, and how much is to be measured."""

    folder: Path
    sandbox: Server
    upstream: Server
    http: aiohttp.ClientSession
    size: Size
    files: int  # how many this process may have open
    _seeds: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def check(self) -> None:
        """Raise if a server has ended by itself."""
        self.sandbox.check()
        self.upstream.check()

    def count(self, quick: int, usual: int, full: int) -> int:
        """How many, in a run of this size."""
        return {"quick": quick, "usual": usual, "full": full}[self.size]

    def token(self, *faults: str) -> str:
        """A listener never seen before."""
        return sandbox_token(next(self._seeds), "typical", "legacy", *faults)

    def tokens(self, count: int) -> list[str]:
        return [self.token() for _ in range(count)]

    @property
    def settings(self) -> dict[str, str]:
        """What a service of this place is told."""
        return {
            **_SETTINGS,
            "LYRA_SPOTIFY_API_URL": f"{self.sandbox.url}/v1",
            "LYRA_LLM_BASE_URL": self.upstream.url,
        }

    @asynccontextmanager
    async def service(self, name: str, *options: str, **settings: str) -> AsyncIterator[Service]:
        """A service of its own for one subject."""
        async with self._serving(name, ("-m", "lyra"), options, settings) as service:
            yield service

    @asynccontextmanager
    async def weighed(self, name: str, **settings: str) -> AsyncIterator[Service]:
        """The same, of a process that tells how much of its memory is in use."""
        async with self._serving(name, (str(_WEIGHED),), (), settings) as service:
            yield service

    @asynccontextmanager
    async def _serving(
        self, name: str, program: Sequence[str], options: Sequence[str], settings: dict[str, str]
    ) -> AsyncIterator[Service]:
        arguments = (*program, "serve", "--port", "0", *options)
        told = {**self.settings, **settings}
        async with open_server(self.folder, name, *arguments, **told) as server:
            yield Service(server)

    async def calls(self) -> dict[int, Call]:
        """The model's calls since the last time, by number."""
        async with self.http.get(f"{self.upstream.url}/calls") as answer:
            told = orjson.loads(await answer.read())
        return {int(number): call for number, call in told.items()}

    async def open_calls(self) -> int:
        """Calls of the model that are open now."""
        async with self.http.get(f"{self.upstream.url}/open") as answer:
            return int(orjson.loads(await answer.read())["open"])

    async def until_open(self, count: int) -> int:
        """Wait until this many calls are open, but not for ever; how many are."""
        until = time.monotonic() + _SETTLED_S
        while (found := await self.open_calls()) != count and time.monotonic() < until:  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.05)
        return found


async def at_once(limit: int, works: Iterator[Coroutine[None, None, None]]) -> None:
    """Do all of these, so many at the same time."""
    turn = asyncio.Semaphore(limit)

    async def one(work: Coroutine[None, None, None]) -> None:
        try:
            await work
        finally:
            turn.release()

    async with asyncio.TaskGroup() as group:
        while True:
            await turn.acquire()
            if (work := next(works, None)) is None:
                break
            group.create_task(one(work))


def _more_files() -> int:
    """Raise the limit of open files as far as is allowed; how many there may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _ENOUGH_FILES if most == resource.RLIM_INFINITY else min(most, _ENOUGH_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return files


@asynccontextmanager
async def open_place(size: Size) -> AsyncIterator[Place]:
    """All of it, ended with the block, whatever happens in it."""
    async with AsyncExitStack() as stack:
        files = _more_files()
        # An empty folder: no `.env` of the person who measures has a say.
        folder = Path(stack.enter_context(TemporaryDirectory()))
        sandbox = await stack.enter_async_context(
            open_server(folder, "sandbox", "-m", "lyra", "sandbox", "--port", "0")
        )
        upstream = await stack.enter_async_context(open_server(folder, "model", str(_UPSTREAM)))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Place(folder, sandbox, upstream, http, size, files)
