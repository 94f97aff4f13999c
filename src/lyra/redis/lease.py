"""The lease: the right to be the one process that fetches a key."""

import asyncio
import logging
from types import TracebackType
from typing import Self

from lyra.redis import scripts
from lyra.redis.gateway import RedisGateway
from lyra.redis.keyspace import RedisKeys

log = logging.getLogger(__name__)


class Lease:
    """Held for the length of an `async with` block, and given back at its end.

    It is short and prolonged all the time, so that a leader that dies blocks the others for
    `lease_s` only. It is advisory: what keeps a late answer out is the generation (the fencing
    token). Leaving the block never raises: what it brought is not lost.
    """

    def __init__(self, gateway: RedisGateway, names: RedisKeys, value: str) -> None:
        self.held = True
        self._gateway = gateway
        self._names = names
        self._value = value
        self._prolonging: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._prolonging = asyncio.get_running_loop().create_task(self._prolong())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._prolonging is not None  # noqa: S101 - __aenter__ has made it
        self._prolonging.cancel()
        try:
            await asyncio.wait([self._prolonging])
            if self.held:
                await self._release()
        except asyncio.CancelledError:
            self.abandon()
            raise
        if not self._prolonging.cancelled() and (broke := self._prolonging.exception()) is not None:
            log.error("prolonging a lease broke: this is a fault in Lyra", exc_info=broke)

    def abandon(self) -> None:
        """Give it back in the background, behind a caller who was cancelled; twice does no harm."""
        _ = self._gateway.begin(self._release())  # owned by the gateway, which ends it

    async def _prolong(self) -> None:
        lease_ms = round(self._gateway.timing.lease_s * 1000)
        while self.held:
            await asyncio.sleep(self._gateway.timing.beat_s)
            kept = await self._gateway.execute(
                ("EVAL", scripts.KEEP, 1, self._names.lease, self._value, lease_ms)
            )
            # No answer is no loss: the lease outlives two that are missing.
            self.held = kept != [0]

    async def _release(self) -> None:
        self.held = False
        gateway = self._gateway
        message = gateway.bus.compose("free", self._names.key)
        try:
            await gateway.execute(
                (
                    "EVAL",
                    scripts.RELEASE,
                    1,
                    self._names.lease,
                    self._value,
                    gateway.channel,
                    message,
                )
            )
        except Exception:
            # What was done in the block is done; the lease expires by itself.
            log.exception("giving a lease back broke: this is a fault in Lyra")
