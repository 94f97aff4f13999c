"""Numbers that all processes add to."""

from lyra.redis.door import RedisDoor


class SharedCounters:
    """Counters in Redis, each with a life. Never raises for Redis."""

    def __init__(self, door: RedisDoor) -> None:
        self._door = door

    async def add(self, name: str, amount: int, *, ttl_s: int) -> int | None:
        """The sum of all processes after adding this; None when Redis does not answer.

        `name` ends in a cache key: nothing else of a listener may be in it.
        """
        full = f"lyra:v2:n:{name}"
        replies = await self._door.ask(("INCRBY", full, amount), ("PEXPIRE", full, ttl_s * 1000))
        return replies[0] if replies and isinstance(replies[0], int) else None
