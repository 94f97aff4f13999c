"""One `lyra serve`, looked at from outside."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import aiohttp
import orjson

from bench.client import OK, Client, Reply, at_once, request
from bench.processes import Server

ADMIN = "the-operator-of-the-benchmark"
SETTLED_S = 10.0
_TOGETHER = 16


WEIGHT = "weight.json"  # in the working directory of a service that tells its weight


class Weight(NamedTuple):
    """Bytes in use, and bytes resident once freed memory was given back."""

    used: int
    resident: int


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

    async def weigh(self) -> Weight:
        """What its memory holds; only a service of `Harness.weighed` tells it."""
        path = self.log.with_name(WEIGHT)
        path.unlink(missing_ok=True)
        os.kill(self.process.pid, signal.SIGUSR2)
        async with asyncio.timeout(SETTLED_S):
            while not path.exists():  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0.05)
        return Weight(**orjson.loads(path.read_bytes()))

    def connections_to(self, *servers: Server) -> int:
        """Connections of the process to these servers."""
        lines = Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]
        fields = [line.split() for line in lines]
        ports = {f"{each.port:04X}" for each in servers}
        own = {str(each.readlink()) for each in Path(f"/proc/{self.process.pid}/fd").iterdir()}
        return sum(
            one[2].rpartition(":")[2] in ports and f"socket:[{one[9]}]" in own for one in fields
        )

    @property
    def files(self) -> int:
        """Open files of the process."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def loop_cpu_s(self) -> float:
        """Processor time of the process's first thread, the one with the event loop."""
        stat = Path(f"/proc/{self.process.pid}/schedstat").read_text()
        return int(stat.split()[0]) / 1e9
