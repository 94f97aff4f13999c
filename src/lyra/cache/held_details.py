"""The details of a listener as they are kept with the entry: packed, few, each with an end of its own."""

from collections.abc import Sequence

import msgspec

from lyra import compression
from lyra.listening.details import Detail
from lyra.spotify.failures import FailureCode, SpotifyFailure

MAX_DETAILS = 14  # of one listener: both top lists over two more ranges, and ten playlists
_OVERHEAD = 250  # bytes of the object, of its name, and of its places
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Detail).decode


class HeldDetail(msgspec.Struct, frozen=True, gc=False):
    """One detail until `expires_at`, by the cache's clock; or, with `failure`, why there is none.

    A failure stands in its place for the back-off alone, in this process alone.
    """

    name: str
    packed: bytes
    expires_at: float
    failure: FailureCode | None = None

    def detail(self) -> Detail:
        """Return the typed detail, decoded anew.

        Raises:
            SpotifyFailure: Spotify did not give it a moment ago.
        """
        if self.failure is not None:
            raise SpotifyFailure(self.failure)
        return _decode(compression.unpack(self.packed))

    def weight(self) -> int:
        """Return the bytes that it occupies in memory, roughly."""
        return len(self.packed) + _OVERHEAD


def pack_detail(detail: Detail) -> bytes:
    """Return the detail as it is kept."""
    return compression.pack(_encode(detail))


def live_details(details: Sequence[HeldDetail], now: float) -> tuple[HeldDetail, ...]:
    """Return those that have not expired."""
    return tuple([each for each in details if now < each.expires_at])


def add_detail(
    details: Sequence[HeldDetail], added: HeldDetail, now: float
) -> tuple[HeldDetail, ...]:
    """Return the details that live, with this one in place of an older one of its name."""
    others = [each for each in live_details(details, now) if each.name != added.name]
    return (*others[-(MAX_DETAILS - 1) :], added)
