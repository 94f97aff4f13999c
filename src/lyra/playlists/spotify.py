"""The calls to Spotify that saving a playlist takes; each is one step, none is repeated here.

https://developer.spotify.com/documentation/web-api/reference/create-playlist
"""

from typing import Any, TypeVar

import msgspec
import orjson
from msgspec.json import Decoder

from lyra.listening.decode import decode, decode_or_none
from lyra.spotify.client import SpotifyReader
from lyra.spotify.endpoints import playlist_id
from lyra.spotify.failures import SpotifyFailure

T = TypeVar("T")
_PAGE = 50
_LISTS_SEARCHED = 2 * _PAGE  # a new playlist comes first among the listener's


class _Created(msgspec.Struct):
    id: str


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    total: int


class _Listed(msgspec.Struct):
    id: str | None = None
    description: str | None = None


class _Item(msgspec.Struct):
    uri: str | None = None


class _Row(msgspec.Struct):
    """`item` since 2026, `track` before."""

    item: _Item | None = None
    track: _Item | None = None

    @property
    def uri(self) -> str | None:
        """The address of what is in this row."""
        held = self.item or self.track
        return held.uri if held else None


_created, _page = Decoder(_Created), Decoder(_Page)
_listed: Decoder[_Listed | None] = Decoder(_Listed | None)
_row: Decoder[_Row | None] = Decoder(_Row | None)


async def create_playlist(reader: SpotifyReader, name: str, description: str) -> str:
    """Make an empty playlist that the listener's profile does not show; return its id.

    Raises:
        SpotifyFailure: it may have been made all the same; see `may_be_done`.
    """
    body = {"name": name, "description": description, "public": False}
    created = await reader.write(
        "create_playlist", lambda text: _read(text, _created), orjson.dumps(body)
    )
    if playlist_id(f"spotify:playlist:{created.id}") is None:
        raise SpotifyFailure("unexpected_shape")
    return created.id


async def find_playlist(reader: SpotifyReader, marker: str) -> str | None:
    """Return the id of the listener's playlist whose description holds the marker, if there is one.

    Raises:
        SpotifyFailure: the playlists could not be read.
    """
    for offset in range(0, _LISTS_SEARCHED, _PAGE):
        params = {"limit": str(_PAGE), "offset": str(offset)}
        page = await reader.get("playlists", lambda text: _read(text, _page), params)
        for raw in page.items:
            listed = decode_or_none(raw, _listed)
            if listed is not None and listed.id and marker in (listed.description or ""):
                return listed.id
        if offset + _PAGE >= page.total:
            break
    return None


async def replace_tracks(reader: SpotifyReader, playlist: str, uris: tuple[str, ...]) -> None:
    """Make these tracks, 100 at most, all that the playlist holds. It may be repeated.

    Raises:
        SpotifyFailure: it failed.
    """
    await reader.write("replace_items", _anything, orjson.dumps({"uris": uris}), playlist=playlist)


async def add_tracks(reader: SpotifyReader, playlist: str, uris: list[str]) -> None:
    """Add these tracks, 100 at most, at the playlist's end.

    Raises:
        SpotifyFailure: some may have been added all the same; see `may_be_done`.
    """
    await reader.write("add_items", _anything, orjson.dumps({"uris": uris}), playlist=playlist)


async def count_rows(reader: SpotifyReader, playlist: str) -> int:
    """Return how many rows the playlist has.

    Raises:
        SpotifyFailure: it could not be read.
    """
    return (await _read_rows(reader, playlist, offset=0, limit=1)).total


async def read_uris(reader: SpotifyReader, playlist: str, *, offset: int, most: int) -> set[str]:
    """Return the addresses of what stands in the playlist from this row on, of `most` rows.

    Raises:
        SpotifyFailure: they could not be read.
    """
    uris: set[str] = set()
    for at in range(offset, offset + most, _PAGE):
        page = await _read_rows(reader, playlist, offset=at, limit=_PAGE)
        rows = [decode_or_none(raw, _row) for raw in page.items]
        uris |= {row.uri for row in rows if row is not None and row.uri}
        if at + _PAGE >= page.total:
            break
    return uris


async def _read_rows(reader: SpotifyReader, playlist: str, *, offset: int, limit: int) -> _Page:
    params = {"limit": str(limit), "offset": str(offset)}
    return await reader.get(
        "playlist_items", lambda text: _read(text, _page), params, playlist=playlist
    )


def _read(text: bytes, decoder: "Decoder[T]") -> T:
    try:
        return decode(text, decoder)
    except ValueError:
        pass
    raise SpotifyFailure("unexpected_shape")


def _anything(_: bytes) -> Any:
    """Take any body: a status of 200 or 201 says that it is done."""
