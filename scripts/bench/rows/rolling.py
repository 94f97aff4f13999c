"""`lyra serve --workers 2` under load while its workers are replaced one by one, again and again."""

import asyncio
import signal
import time

from bench.client import Client, Reply, at_once, request
from bench.harness import Harness
from bench.report import Figure, Finding, exactly
from bench.service import Service

WORKERS = 2
CONNECTIONS = 16
REQUESTS = 2_000, 20_000, 100_000
ROLLS = 1, 1, 3  # at least
OK = 200


class Load:
    """Readers who ask without a pause until they are told to stop."""

    def __init__(self, service: Service, sent: bytes) -> None:
        self.answered = 0
        self.lost: list[Reply] = []
        self.reconnected = 0
        self.over = asyncio.Event()
        self._service = service
        self._sent = sent

    async def keep_asking(self) -> None:
        """Ask over one connection; another one where the server has said that it closes this one."""
        client = await Client.connect(self._service.port)
        while not self.over.is_set():
            reply = await client.ask(self._sent)
            if reply.status == OK and not reply.ending:
                self.answered += 1
            else:
                self.lost.append(reply)
            if client.closing or client.lost:
                client.close()
                self.reconnected += 1
                client = await Client.connect(self._service.port)
        client.close()


async def rolling(harness: Harness) -> Finding:
    """So many requests and so many complete replacements, whichever takes longer."""
    options = ("--workers", str(WORKERS))
    async with harness.service("rolling", *options, LYRA_DRAIN_S="1") as service:
        token = harness.token()
        await service.warm([token] * 4)
        load = Load(service, request("POST", "/lyra/init", token))
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(
                at_once(CONNECTIONS, (load.keep_asking() for _ in range(CONNECTIONS)))
            )
            rolls = await _rolled(harness, service, load)
            load.over.set()
        seconds = time.monotonic() - began
    return Finding(
        f"{WORKERS} workers replaced one by one under load",
        [
            Figure("complete replacements", f"{rolls}"),
            Figure("requests answered", f"{load.answered:,} in {seconds:.0f} s"),
            Figure("connections that were told to go elsewhere", f"{load.reconnected:,}"),
            exactly("requests lost", len(load.lost), 0),
        ],
    )


async def _rolled(harness: Harness, service: Service, load: Load) -> int:
    rolls, process = 0, service.process
    while rolls < harness.count(*ROLLS) or load.answered < harness.count(*REQUESTS):
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None  # noqa: S101 - the server was opened with a pipe
        async for line in process.stdout:
            if b"all workers are replaced" in line:
                break
        else:
            raise RuntimeError("the supervisor has ended")
        rolls += 1
    return rolls
