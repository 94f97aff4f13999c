"""A bounded memory store on aiocache's memory backend: the one module that knows aiocache.

The stock backend (0.12.3) has no bound, checks expiry only by a timer per key, and leaves those
timers armed on `clear`, so that they later delete newer values. Here there are no timers: expiry
is checked on every read, `sweep` removes what is not read, and both bounds evict by CLOCK (second
chance): the oldest entry goes, unless it was used since; then it moves behind all others.
`timeout=None` keeps every operation free of a task switch, also on Python 3.11.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import msgspec
from aiocache import SimpleMemoryCache

_SWEEP_SLICE = 1000
_MAX_PROBES = 64  # for one victim, so that no caller waits while a million are looked at


class _Held(msgspec.Struct, gc=False):  # values never hold their own cache
    value: Any
    expires_at: float
    weight: int
    used: bool = False


class BoundedMemoryCache(SimpleMemoryCache):  # type: ignore[misc]  # aiocache is untyped
    """aiocache's memory cache, bounded by entries and by the sum of `weigh(value)`.

    `evictions` counts removals by cause: expired, entries, bytes, too_big, cleared.
    """

    def __init__(
        self,
        *,
        max_entries: int,
        max_weight: int,
        weigh: Callable[[Any], int],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(timeout=None)
        self._max_entries = max_entries
        self._max_weight = max_weight
        self._weigh = weigh
        self._clock = clock
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self.weight = 0
        self.evictions = dict.fromkeys(("expired", "entries", "bytes", "too_big", "cleared"), 0)

    def __len__(self) -> int:
        return len(self._held)

    def peek(self, key: str) -> Any:
        """Return what `get` does, without the four coroutines that aiocache wraps around it."""
        held = self._get_live(key)
        if held is None:
            return None
        # CLOCK's mark, in memory that is read anyway: an LRU list would touch three more places.
        held.used = True
        return held.value

    def items(self) -> list[tuple[str, Any]]:
        """Return the keys and values that have not expired, next victim first.

        This does not count as use.
        """
        now = self._clock()
        return [(key, held.value) for key, held in self._held.items() if held.expires_at > now]

    def replace_value(self, key: str, value: Any) -> bool:
        """Hold this value in place of the key's present one, for the rest of its time.

        Return False, and change nothing, if there is none or the value alone is over the bound.
        """
        held = self._get_live(key)
        weight = self._weigh(value)
        if held is None or weight > self._max_weight:
            return False
        self._drop(key)
        self._make_room(weight)
        self._held[key] = _Held(value, held.expires_at, weight)
        self.weight += weight
        return True

    def invalidate(self, key: str | None) -> None:
        """Forget one key, or all, at once and without awaiting anything."""
        if key is None:
            self.evictions["cleared"] += len(self._held)
            self._held = OrderedDict()
            self.weight = 0
        elif key in self._held:
            self._drop(key, "cleared")

    async def sweep(self) -> int:
        """Remove what has expired and return how many; yield to the loop after every slice."""
        before = self.evictions["expired"]
        keys = list(self._held)
        for start in range(0, len(keys), _SWEEP_SLICE):
            for key in keys[start : start + _SWEEP_SLICE]:
                self._get_live(key)
            await asyncio.sleep(0)
        return self.evictions["expired"] - before

    def _get_live(self, key: str) -> _Held | None:
        held = self._held.get(key)
        if held is not None and held.expires_at <= self._clock():
            self._drop(key, "expired")
            return None
        return held

    def _drop(self, key: str, cause: str | None = None) -> None:
        self.weight -= self._held.pop(key).weight
        if cause:
            self.evictions[cause] += 1

    def _put(self, key: str, value: Any, ttl: float | None) -> bool:
        """Hold the value unless it alone is over the bound; then nothing is evicted for it."""
        if key in self._held:
            self._drop(key)
        weight = self._weigh(value)
        if weight > self._max_weight:
            self.evictions["too_big"] += 1
            return False
        # Stock aiocache takes ttl=0 for "for ever"; here only None means that.
        expires_at = float("inf") if ttl is None else self._clock() + ttl
        self._make_room(weight)
        self._held[key] = _Held(value, expires_at, weight)
        self.weight += weight
        return True

    def _make_room(self, weight: int) -> None:
        while len(self._held) >= self._max_entries:
            self._drop(self._pick_victim(), "entries")
        while self.weight + weight > self._max_weight:
            self._drop(self._pick_victim(), "bytes")

    def _pick_victim(self) -> str:
        for _ in range(_MAX_PROBES):
            key, held = next(iter(self._held.items()))
            if not held.used:
                break
            held.used = False
            self._held.move_to_end(key)
        return next(iter(self._held))

    # aiocache's storage hooks; the signatures are its own. None of them awaits anything.

    async def _get(self, key: str, encoding: str = "", _conn: Any = None) -> Any:  # noqa: ARG002
        return self.peek(key)

    async def _multi_get(
        self,
        keys: Iterable[str],
        encoding: str = "",  # noqa: ARG002
        _conn: Any = None,
    ) -> list[Any]:
        return [await self._get(key) for key in keys]

    async def _set(
        self,
        key: str,
        value: Any,
        ttl: float | None = None,
        _cas_token: Any = None,
        _conn: Any = None,
    ) -> bool:
        if _cas_token is not None and _cas_token != await self._get(key):
            return False
        return self._put(key, value, ttl)

    async def _add(self, key: str, value: Any, ttl: float | None = None, _conn: Any = None) -> bool:
        if self._get_live(key) is not None:
            raise ValueError("the key is taken: use set to replace the value")
        return self._put(key, value, ttl)

    async def _exists(self, key: str, _conn: Any = None) -> bool:
        return self._get_live(key) is not None

    async def _expire(self, key: str, ttl: float | None, _conn: Any = None) -> bool:
        held = self._get_live(key)
        return held is not None and self._put(key, held.value, ttl or None)

    async def _increment(self, key: str, delta: int, _conn: Any = None) -> int:
        held = self._get_live(key)
        total = delta + (int(held.value) if held else 0)
        remaining = held.expires_at - self._clock() if held else float("inf")
        self._put(key, total, remaining)
        return total

    async def _delete(self, key: str, _conn: Any = None) -> int:
        if self._get_live(key) is None:
            return 0
        self._drop(key, "cleared")
        return 1

    async def _clear(self, namespace: str | None = None, _conn: Any = None) -> bool:
        if namespace:
            for key in [key for key in self._held if key.startswith(namespace)]:
                self._drop(key, "cleared")
            return True
        self.invalidate(None)
        return True

    async def _redlock_release(self, key: str, value: Any) -> int:
        return await self._delete(key) if await self._get(key) == value else 0

    async def _raw(self, command: str, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError("the bounded store has no raw commands")
