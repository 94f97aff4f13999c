"""Numbers that all processes add to, and what they hold of a bound together."""

from typing import NamedTuple

from lyra.redis import scripts
from lyra.redis.door import RedisDoor
from lyra.redis.replies import Reply


class Standing(NamedTuple):
    """What all processes have used and hold of a bound, and whether more was held by this call."""

    passes: bool
    used: int
    held: int


class SharedCounters:
    """Counters in Redis, each with a life. Never raises for Redis: None when it does not answer.

    `name` ends in a cache key: nothing else of a listener may be in it.
    """

    def __init__(self, door: RedisDoor) -> None:
        self._door = door

    async def hold(
        self,
        name: str,
        holder: str,
        amount: int,
        *,
        within: int,
        owed: int,
        held_s: float,
        ttl_s: int,
    ) -> Standing | None:
        """Hold an amount for this holder, in the one step that looks whether that is allowed.

        It is while less than `within` is used, and either nothing is held or all stays `within`.
        `owed` is counted as used first. What is held is free again after `held_s`.
        """
        figures = (amount, within, owed, round(held_s * 1000), ttl_s * 1000)
        match await self._door.ask(("EVAL", scripts.HOLD, 2, *_names(name), holder, *figures)):
            case [[int(passes), int(used), int(held)]]:
                return Standing(bool(passes), used, held)
            case _:
                return None

    async def settle(self, name: str, holder: str, used: int, *, ttl_s: int) -> int | None:
        """The sum of all processes after adding this, in place of what this holder held."""
        replies: list[Reply] | None = await self._door.ask(
            ("EVAL", scripts.SETTLE, 2, *_names(name), holder, used, ttl_s * 1000)
        )
        return replies[0] if replies and isinstance(replies[0], int) else None


def _names(name: str) -> tuple[str, str]:
    """Where an amount is counted and where it is held, side by side in a cluster."""
    return f"lyra:v2:n:{{{name}}}", f"lyra:v2:held:{{{name}}}"
