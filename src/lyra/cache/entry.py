"""One listener as it is cached: bytes ready to be sent, and the rest compressed.

Trees of dicts cost 2 MB a listener and garbage-collector pauses of tenths of a second; this is
about 30 kB and invisible to the collector.
"""

from typing import Any, Literal

import msgspec
import orjson

from lyra import compression
from lyra.cache.expiry import Life
from lyra.cache.held_details import HeldDetail
from lyra.listening.context import listening_context
from lyra.listening.models import Listening
from lyra.listening.views import init_view

ContextLevel = Literal["full", "minimal", "none"]

_OVERHEAD = 400  # bytes of the objects themselves and of their places in the tables
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Listening).decode
_decode_plain = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One listener, immutable. Times are of the cache's monotonic clock, in seconds.

    `init_members` are the members of the answer to `POST /lyra/init` that are the same for every
    caller, as JSON without the braces. `packed_context` is the model's context, byte-stable.
    `account` is Spotify's id of the listener, empty when the profile is missing.
    `details` are what was asked for beyond the listening itself.
    Fresh until `expires_at`; from then to `stale_until` it may stand in when Spotify cannot be asked
    (stale-if-error) or is slow (stale-while-revalidate).
    """

    packed: bytes
    init_members: bytes
    packed_context: bytes
    fetched_at: float
    refresh_at: float
    expires_at: float
    stale_until: float
    token_seen_at: float
    top_artists_count: int
    account: str = ""
    details: tuple[HeldDetail, ...] = ()

    def listening(self) -> Listening:
        """Return the typed data, decoded anew: about 150 microseconds."""
        return unpack(self.packed)

    def plain(self) -> dict[str, Any]:
        """Return the same as dicts and lists of the caller's own: about 200 microseconds."""
        return _decode_plain(compression.unpack(self.packed))

    @property
    def context(self) -> str:
        """The model's context, as text: about 20 microseconds."""
        return compression.unpack(self.packed_context).decode()

    def life(self) -> Life:
        """Return the moments of its life."""
        return Life(
            self.fetched_at, self.refresh_at, self.expires_at, self.stale_until, self.token_seen_at
        )

    def ages(self, now: float) -> tuple[int, int]:
        """Return the seconds since it was fetched and until it expires, whole and not negative."""
        return max(0, int(now - self.fetched_at)), max(0, int(self.expires_at - now))

    def weight(self) -> int:
        """Return the bytes that this entry occupies in memory, roughly."""
        own = len(self.packed) + len(self.init_members) + len(self.packed_context) + _OVERHEAD
        return own + sum([each.weight() for each in self.details]) if self.details else own


def unpack(packed: bytes) -> Listening:
    """Return the typed data of an entry's `packed`.

    Raises:
        ValueError: these bytes are not what this version packs.
    """
    try:
        return _decode(compression.unpack(packed))
    except (compression.DamagedError, msgspec.DecodeError) as wrong:
        raise ValueError("not a packed listening") from wrong


def as_plain(listening: Listening) -> dict[str, Any]:
    """Return what `Entry.plain` does, of a listening that is not kept."""
    return _decode_plain(_encode(listening))


def make_entry(listening: Listening, *, level: ContextLevel, life: Life) -> Entry:
    """Return the entry, with all prepared that is worth preparing once: about a millisecond."""
    return Entry(
        packed=compression.pack(_encode(listening)),
        init_members=orjson.dumps(init_view(listening))[1:-1],
        packed_context=compression.pack(listening_context(listening, level).encode()),
        fetched_at=life.fetched_at,
        refresh_at=life.refresh_at,
        expires_at=life.expires_at,
        stale_until=life.stale_until,
        token_seen_at=life.token_seen_at,
        top_artists_count=len(listening.top_artists),
        account=_account(listening),
    )


def _account(listening: Listening) -> str:
    return listening.profile.id or listening.profile.account_id or ""
