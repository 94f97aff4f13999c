"""Beyond the five endpoints: the contents of a playlist."""

from collections.abc import Mapping

import orjson

from lyra.sandbox import spotify_rows as rows, spotify_shapes as shapes
from lyra.sandbox.listeners import Listener, Playlist
from lyra.sandbox.pages import page, window_of
from lyra.sandbox.spotify_errors import FORBIDDEN, NOT_FOUND, Reply


def contents_page(
    identifier: str, name: str, query: Mapping[str, str], listener: Listener, regime: str
) -> Reply:
    """What `GET /playlists/{identifier}/{name}` answers; `name` is `items` or, once, `tracks`.

    Raises:
        BadQueryError: A limit or offset is out of bounds.
    """
    restricted = regime not in ("legacy", "mixed")
    found = next((each for each in listener.playlists if each and each.id == identifier), None)
    if restricted and name == "tracks":
        return FORBIDDEN
    if found is None or found.owner == "spotify":
        return NOT_FOUND
    if restricted and found.owner != "listener" and not found.collaborative:
        return FORBIDDEN
    return Reply(200, orjson.dumps(_contents(found, name, query, listener, regime)))


def _contents(
    item: Playlist, name: str, query: Mapping[str, str], listener: Listener, regime: str
) -> shapes.Json:
    keys = rows.contents(item, listener)
    places = window_of(query)
    shown = range(places.start, min(places.stop, len(keys)))
    items = [rows.content_row(place, keys, item, listener, regime) for place in shown]
    return page(f"/playlists/{item.id}/{name}", places, len(keys), items)
