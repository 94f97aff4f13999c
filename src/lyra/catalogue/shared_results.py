"""What searches have found, shared by all processes through Redis: public, yet sealed.

A value that somebody else has put there is not read. Losing Redis costs searches, never an answer:
nothing here raises for want of it.
"""

import msgspec

from lyra.cache.keys import Key
from lyra.catalogue.items import Item
from lyra.redis.lease import Lease
from lyra.redis.listener_store import Generation, SharedListeners, Standing
from lyra.redis.sealing import open_sealed, seal

_NOBODY = "the catalogue"  # in the place of a listener's token
_Items = tuple[Item, ...]


class SharedResults:
    """The results of searches in Redis, each under the keyed hash of its query."""

    def __init__(self, shared: SharedListeners, secret: str) -> None:
        self._shared = shared
        self._secret = secret

    @property
    def grants_leases(self) -> bool:
        """Whether Redis answered the latest call, and takes leases."""
        return self._shared.grants_leases

    async def find(self, key: Key) -> tuple[_Items, float] | None:
        """Return what is kept, and for how many seconds more."""
        held = await self._shared.read(key)
        if held is None:
            return None
        plain = open_sealed(self._secret, _NOBODY, key, held.blob)
        try:
            return msgspec.msgpack.decode(plain or b"", type=_Items), held.ttl_ms / 1000
        except msgspec.DecodeError:
            await self._shared.discard(key)
            return None

    async def keep(self, key: Key, items: _Items, ttl_s: float, generation: Generation) -> None:
        """Keep what a search has found, unless everything was forgotten since it began."""
        sealed = seal(self._secret, _NOBODY, key, msgspec.msgpack.encode(items))
        await self._shared.publish(key, sealed, round(ttl_s * 1000), generation)

    async def generation(self, key: Key) -> Generation:
        """Return the fencing token of a search, before it is sent."""
        return await self._shared.generation(key) if self.grants_leases else Generation()

    async def acquire_lease(self, key: Key, *, refresh: bool = False) -> Lease | None:
        """Return the right to send this search; see SharedListeners.acquire_lease."""
        return await self._shared.acquire_lease(key, refresh=refresh)

    async def wait(self, key: Key, until: float) -> Standing:
        """Wait for another process's search; see SharedListeners.wait."""
        return await self._shared.wait(key, until)
