"""One `lyra serve`, looked at from outside."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.client import OK, Client, Reply, at_once, request
from bench.processes import Server

ADMIN = "the-operator-of-the-benchmark"
SETTLED_S = 10.0
_TOGETHER = 16


@dataclass(frozen=True)
class Service(Server):
    """A server that has Lyra's routes and metrics."""

    async def connect(self, source: str = "127.0.0.1") -> Client:
        return await Client.connect(self.port, source)

    async def ask(self, sent: bytes) -> Reply:
        """One request on a connection of its own."""
        client = await self.connect()
        try:
            return await client.ask(sent)
        finally:
            client.close()

    async def init(self, token: str) -> Reply:
        """Load this listener, or find it loaded."""
        return await self.ask(request("POST", "/lyra/init", token))

    async def warm(self, tokens: Sequence[str]) -> None:
        """Load these listeners, some at a time."""

        async def load(token: str) -> None:
            reply = await self.init(token)
            if reply.status != OK:
                raise RuntimeError(f"a listener could not be loaded: status {reply.status}")

        await at_once(_TOGETHER, (load(token) for token in tokens))

    async def metrics(self) -> dict[str, float]:
        """What the service counts, by name and labels as they are printed."""
        headers = {"Authorization": f"Bearer {ADMIN}"}
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}/metrics", headers=headers) as answer,
        ):
            text = await answer.text()
        pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    async def settled(self, reached: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """The metrics once they are as described, or as they are after a while."""
        until = time.monotonic() + SETTLED_S
        while not reached(metrics := await self.metrics()):
            if time.monotonic() > until:
                break
            await asyncio.sleep(0.1)
        return metrics

    @property
    def files(self) -> int:
        """Open files of the process."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def loop_cpu_s(self) -> float:
        """Processor time of the process's first thread, the one with the event loop."""
        stat = Path(f"/proc/{self.process.pid}/schedstat").read_text()
        return int(stat.split()[0]) / 1e9
