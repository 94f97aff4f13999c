"""Counters and reservations that all processes share."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lyra.redis import scripts
from lyra.redis.gateway import RedisGateway
from lyra.redis.protocol import Command


class HoldResult(NamedTuple):
    """What all processes have used and hold of a bound, and whether this call may hold more."""

    passes: bool
    used: int
    held: int


class SharedCounters:
    """Counters in Redis, each with a life. Never raises for Redis: None when it does not answer.

    `name` ends in a cache key: nothing else of a listener may be in it.
    """

    def __init__(self, gateway: RedisGateway) -> None:
        self._gateway = gateway

    async def hold(
        self,
        name: str,
        holder: str,
        amount: int,
        *,
        within: int,
        owed: Mapping[str, int],
        held_s: float,
        ttl_s: int,
    ) -> HoldResult | None:
        """Reserve an amount for this holder, if the bound allows it; check and reserve are one step.

        It does while less than `within` is used, and either nothing is held or the sum stays
        `within`. What is `owed` is settled first. A reservation ends after `held_s`.
        """
        request = (holder, amount, within)
        times = (round(held_s * 1000), ttl_s * 1000)
        command: Command = (
            "EVAL",
            scripts.HOLD,
            2,
            *_key_pair(name),
            *times,
            *request,
            *_flatten(owed),
        )
        match await self._gateway.execute(command):
            case [[int(passes), int(used), int(held), int(bad)]]:
                self._note(bad)
                return HoldResult(bool(passes), used, held)
            case _:
                return None

    async def settle(
        self, name: str, used: Mapping[str, int], *, held_s: float, ttl_s: int
    ) -> int | None:
        """Add what was used in place of what was held; return the sum of all processes.

        Each holder counts once within `held_s`, so that a call whose reply was lost can be repeated
        (idempotent).
        """
        times = (round(held_s * 1000), ttl_s * 1000)
        command: Command = ("EVAL", scripts.SETTLE, 2, *_key_pair(name), *times, *_flatten(used))
        match await self._gateway.execute(command):
            case [[int(total), int(bad)]]:
                self._note(bad)
                return total
            case _:
                return None

    async def count_one(self, name: str, *, within: int, ttl_s: int) -> bool | None:
        """Count one more, if fewer than `within` are counted; check and count are one step.

        Return whether it was counted.
        """
        key, _ = _key_pair(name)
        match await self._gateway.execute(
            ("EVAL", scripts.COUNT_ONE, 1, key, within, ttl_s * 1000)
        ):
            case [[0 | 1 as counted, int(bad)]]:
                self._note(bad)
                return bool(counted)
            case _:
                return None

    def _note(self, bad: int) -> None:
        if bad:
            self._gateway.discarded.count("poisoned")


def _flatten(used: Mapping[str, int]) -> Iterator[str | int]:
    for holder, amount in used.items():
        yield from (holder, amount)


def _key_pair(name: str) -> tuple[str, str]:
    """Return the keys of what is used and what is held, in one slot of a cluster."""
    return f"lyra:v2:n:{{{name}}}", f"lyra:v2:held:{{{name}}}"
