"""What is kept of a listener: bytes ready to be sent, and the rest packed.

Trees of dicts cost 2 MB a listener and garbage-collector pauses of tenths of a second; this is
about 30 kB and invisible to the collector.
"""

from typing import Any, Literal, NamedTuple

import msgspec
import orjson

from lyra.listening.context import listening_context
from lyra.listening.models import Listening
from lyra.listening.views import init_view

try:
    from isal import isal_zlib as zlib  # the same format, in a third of the time
except ImportError:  # there are no wheels of it for this platform
    import zlib  # type: ignore[no-redef]

ContextLevel = Literal["full", "minimal", "none"]

# A real listener shrinks from 68 to 18 kB at the quickest level, in 0.1 ms.
_QUICKLY = 1
_UNREADABLE: tuple[type[Exception], ...] = (zlib.error, msgspec.DecodeError)  # type: ignore[assignment]  # isal's stub
_OVERHEAD = 400  # bytes of the objects themselves and of their places in the tables
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Listening).decode
_plain = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Life(NamedTuple):
    """The moments of an entry's life in order, and when its token was first accepted."""

    fetched_at: float
    refresh_at: float
    expires_at: float
    stale_until: float
    token_seen_at: float


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One listener, immutable. Times are of the cache's monotonic clock, in seconds.

    `init_members` are the members of the answer to `POST /lyra/init` that are the same for every
    caller, as JSON without the braces. `packed_context` is what the model is told, byte-stable.
    `account` is Spotify's id of the listener, empty when the profile is missing.
    Fresh until `expires_at`; from then to `dies_at` it may stand in when Spotify cannot be asked.
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

    def listening(self) -> Listening:
        """The typed data, decoded anew: about 150 microseconds."""
        return unpack(self.packed)

    def plain(self) -> dict[str, Any]:
        """The same as dicts and lists of the caller's own: about 200 microseconds."""
        return _plain(zlib.decompress(self.packed))

    @property
    def context(self) -> str:
        """What the model is told, as text: about 20 microseconds."""
        return zlib.decompress(self.packed_context).decode()

    def life(self) -> Life:
        """The moments of its life."""
        return Life(
            self.fetched_at, self.refresh_at, self.expires_at, self.stale_until, self.token_seen_at
        )

    def ages(self, now: float) -> tuple[int, int]:
        """Seconds since it was fetched and seconds until it expires, whole and not negative."""
        return max(0, int(now - self.fetched_at)), max(0, int(self.expires_at - now))

    def weight(self) -> int:
        """Bytes that this entry occupies in memory, roughly."""
        return len(self.packed) + len(self.init_members) + len(self.packed_context) + _OVERHEAD


def unpack(packed: bytes) -> Listening:
    """The typed data of an entry's `packed`.

    Raises:
        ValueError: these bytes are not what this version packs.
    """
    try:
        return _unpack(zlib.decompress(packed))
    except _UNREADABLE as wrong:
        raise ValueError("not a packed listening") from wrong


def as_plain(listening: Listening) -> dict[str, Any]:
    """What `Entry.plain` gives, of a listening that is not kept."""
    return _plain(_pack(listening))


def make_entry(listening: Listening, *, level: ContextLevel, life: Life) -> Entry:
    """Everything that is worth preparing once: about a millisecond."""
    return Entry(
        packed=_packed(_pack(listening)),
        init_members=orjson.dumps(init_view(listening))[1:-1],
        packed_context=_packed(listening_context(listening, level).encode()),
        fetched_at=life.fetched_at,
        refresh_at=life.refresh_at,
        expires_at=life.expires_at,
        stale_until=life.stale_until,
        token_seen_at=life.token_seen_at,
        top_artists_count=len(listening.top_artists),
        account=_account(listening),
    )


def _packed(data: bytes) -> bytes:
    """The data, compressed, in a place of its own size.

    The one it was made in was as large as the data: cut off in it, the rest is a gap in the heap.
    """
    return bytes(memoryview(zlib.compress(data, _QUICKLY)))


def _account(listening: Listening) -> str:
    return listening.profile.id or listening.profile.account_id or ""
