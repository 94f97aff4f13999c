"""The part of Spotify's answers that Lyra reads, in the shapes of both API regimes.

Every field may be missing or null: Spotify's own description calls fields required that its
answers leave out.

To skip JSON costs a millisecond a megabyte, to decode it to objects or floats a hundred times as
much. So only the beginning of a list is decoded, and numbers and fields of any type stay the text
they came as (Raw) until they are used.
"""

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

Some = msgspec.Raw | msgspec.UnsetType


def first(count: int, kind: Any) -> type[msgspec.Struct]:
    """Return the shape of a list whose first `count` elements are decoded and the others skipped."""
    fields = [(f"at_{place}", kind | msgspec.UnsetType, msgspec.UNSET) for place in range(count)]
    return msgspec.defstruct("First", fields, array_like=True, gc=False)


class Image(msgspec.Struct, gc=False):
    url: str | None = None
    width: Some = msgspec.UNSET


class Credit(msgspec.Struct, gc=False):
    id: str | None = None
    name: str | None = None


if TYPE_CHECKING:

    class Images(msgspec.Struct): ...

    class Credits(msgspec.Struct): ...

    class Genres(msgspec.Struct): ...
else:
    Images = first(8, Image | None)
    Credits = first(20, Credit | None)
    Genres = first(20, str | None)


def elements(decoded: msgspec.Struct | None) -> list[Any]:
    """Return the elements that are neither null nor empty of a list in a shape of `first`."""
    return list(filter(None, astuple(decoded))) if decoded else []  # UNSET counts as empty


class Links(msgspec.Struct, gc=False):
    spotify: str | None = None


class Linked(msgspec.Struct, kw_only=True, gc=False):
    """What all of Spotify's objects share."""

    id: str | None = None
    uri: str | None = None
    external_urls: Links | None = None


class Owner(msgspec.Struct, gc=False):
    id: str | None = None
    display_name: str | None = None


class User(Linked, kw_only=True, gc=False):
    display_name: str | None = None
    account_id: str | None = None
    images: Images | None = None
    followers: Some = msgspec.UNSET


class Artist(Linked, kw_only=True, gc=False):
    name: str | None = None
    images: Images | None = None
    genres: Genres | None = None
    popularity: Some = msgspec.UNSET
    followers: Some = msgspec.UNSET


class Album(msgspec.Struct, gc=False):
    name: str | None = None
    images: Images | None = None
    release_date: str | None = None


class Track(Linked, kw_only=True, gc=False):
    name: str | None = None
    type: str | None = None
    artists: Credits | None = None
    album: Album | None = None
    duration_ms: Some = msgspec.UNSET
    explicit: bool | None = None
    popularity: Some = msgspec.UNSET


class Play(msgspec.Struct, gc=False):
    """`item` since 2026, `track` before."""

    item: Track | None = None
    track: Track | None = None
    played_at: str | None = None


class PlaylistRow(msgspec.Struct, gc=False):
    """`item` since 2026, `track` before."""

    item: Track | None = None
    track: Track | None = None
    is_local: bool | None = None


class Size(msgspec.Struct, gc=False):
    total: Some = msgspec.UNSET


class Playlist(Linked, kw_only=True, gc=False):
    """`items` since 2026, `tracks` before; some answers carry both."""

    name: str | None = None
    description: str | None = None
    images: Images | None = None
    owner: Owner | None = None
    collaborative: bool | None = None
    items: Size | msgspec.UnsetType | None = msgspec.UNSET
    tracks: Size | msgspec.UnsetType | None = msgspec.UNSET
