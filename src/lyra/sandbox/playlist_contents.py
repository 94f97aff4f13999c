"""Beyond the five endpoints: the contents of a playlist, those that clients have written among them."""

from collections.abc import Mapping, Sequence

import orjson

from lyra.sandbox import spotify_rows, spotify_shapes as shapes
from lyra.sandbox.listeners import Listener, Playlist
from lyra.sandbox.pages import page, window_of
from lyra.sandbox.spotify_errors import FORBIDDEN, NOT_FOUND, Reply
from lyra.sandbox.written_playlists import Added, Row, WrittenPlaylists, find_invented


def contents_page(
    identifier: str,
    name: str,
    query: Mapping[str, str],
    listener: Listener,
    regime: str,
    *,
    written: WrittenPlaylists | None = None,
) -> Reply:
    """What `GET /playlists/{identifier}/{name}` answers; `name` is `items` or, once, `tracks`.

    Raises:
        BadQueryError: A limit or offset is out of bounds.
    """
    restricted = restricts(regime)
    if restricted and name == "tracks":
        return FORBIDDEN
    found = (written.find if written else find_invented)(listener, identifier)
    if found is None:
        anothers = written is not None and written.made_by_another(identifier)
        return FORBIDDEN if anothers else NOT_FOUND
    item, rows = found
    if item.owner == "spotify":
        return NOT_FOUND
    if restricted and item.owner != "listener" and not item.collaborative:
        return FORBIDDEN
    places = window_of(query)
    items = _items(places, item, rows, listener, regime)
    path = f"/playlists/{item.id}/{name}"
    return Reply(200, orjson.dumps(page(path, places, len(rows), items)))


def restricts(regime: str) -> bool:
    """Whether the paths of before 2026 and the contents of others' playlists are closed."""
    return regime not in ("legacy", "mixed")


def _items(
    places: range, item: Playlist, rows: Sequence[Row], listener: Listener, regime: str
) -> list[shapes.Json]:
    invented = next((each for each in listener.playlists if each and each.id == item.id), None)
    keys = spotify_rows.contents(invented, listener) if invented else ()
    return [
        spotify_rows.written_row(row.uri, row.at_ms, place, listener, regime)
        if isinstance(row, Added)
        else spotify_rows.content_row(row, keys, item, listener, regime)
        for place, row in zip(places, rows[places.start : places.stop], strict=False)
    ]
