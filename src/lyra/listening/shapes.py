"""The part of Spotify's answers that Lyra reads, in the shapes of both API regimes.

Every field may be missing or null: Spotify's own description calls fields required that its
answers leave out. Fields typed Any are looked at, never trusted.
"""

from typing import Any

import msgspec


class Image(msgspec.Struct, gc=False):
    url: str | None = None
    height: float | None = None
    width: float | None = None


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
    images: list[Image | None] | None = None
    followers: Any = msgspec.UNSET


class Artist(Linked, kw_only=True, gc=False):
    name: str | None = None
    images: list[Image | None] | None = None
    genres: list[str | None] | None = None
    popularity: Any = msgspec.UNSET
    followers: Any = msgspec.UNSET


class Credit(msgspec.Struct, gc=False):
    id: str | None = None
    name: str | None = None


class Album(msgspec.Struct, gc=False):
    name: str | None = None
    images: list[Image | None] | None = None
    release_date: str | None = None


class Track(Linked, kw_only=True, gc=False):
    name: str | None = None
    type: str | None = None
    artists: list[Credit | None] | None = None
    album: Album | None = None
    duration_ms: Any = None
    explicit: bool | None = None
    popularity: Any = msgspec.UNSET


class Play(msgspec.Struct, gc=False):
    """`item` since 2026, `track` before."""

    item: Track | None = None
    track: Track | None = None
    played_at: str | None = None


class Size(msgspec.Struct, gc=False):
    total: Any = None


class Playlist(Linked, kw_only=True, gc=False):
    """`items` since 2026, `tracks` before; some answers carry both."""

    name: str | None = None
    description: str | None = None
    images: list[Image | None] | None = None
    owner: Owner | None = None
    collaborative: bool | None = None
    items: Size | msgspec.UnsetType | None = msgspec.UNSET
    tracks: Size | msgspec.UnsetType | None = msgspec.UNSET
