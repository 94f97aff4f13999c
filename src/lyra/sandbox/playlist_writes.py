"""What changes playlists: one is made, its rows are replaced, or some are added.

The messages of the 400 answers are assumed, but for those of JSON that is none and of a missing name.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import orjson

from lyra.sandbox import spotify_shapes as shapes
from lyra.sandbox.accounts import MODIFY_PRIVATE, MODIFY_PUBLIC
from lyra.sandbox.listeners import Listener, Playlist
from lyra.sandbox.pages import BadQueryError, page
from lyra.sandbox.playlist_contents import restricts
from lyra.sandbox.spotify_errors import FORBIDDEN, NO_SCOPE, NOT_FOUND, Reply
from lyra.sandbox.written_playlists import Edit, FullError, WrittenPlaylists

MAX_URIS = 100
_LIMIT = 100  # of the page of rows in a playlist's own object
_URI = re.compile(r"spotify:(?:track|episode):[0-9A-Za-z]{22}", re.ASCII)
_OK, _CREATED = 200, 201


@dataclass(frozen=True, slots=True)
class Write:
    """A request to write; `path` are the variable parts of its path.

    It takes effect `late_s` seconds later; `half` of the tracks are written where it says so.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    listener: Listener
    regime: str
    scopes: Collection[str]
    late_s: int = 0
    half: bool = False


def create_playlist(write: Write, written: WrittenPlaylists) -> Reply:
    """Make a playlist, and answer with it.

    Raises:
        BadQueryError: The body is not one that makes a playlist, or there are too many.
    """
    owner = write.path.get("user")
    if owner is not None and (restricts(write.regime) or owner != write.listener.id):
        return FORBIDDEN
    asked = _new_playlist(_json_object(write.body))
    if not _may_write(asked, write.scopes):
        return NO_SCOPE
    made = _keep(lambda: written.create(write.listener, asked, write.late_s))
    return Reply(_CREATED, orjson.dumps(_whole(made, write.listener, write.regime)))


def edit_playlist(write: Write, written: WrittenPlaylists, *, replaces: bool) -> Reply:
    """Replace the rows of a playlist or add some, and answer with the name of its new state.

    Raises:
        BadQueryError: There are no uris, too many, or some of something else.
    """
    if write.path["name"] == "tracks" and restricts(write.regime):
        return FORBIDDEN
    identifier = write.path["id"]
    found = written.find(write.listener, identifier)
    if found is None:
        return FORBIDDEN if written.made_by_another(identifier) else NOT_FOUND
    item, rows = found
    if item.owner != "listener":
        return NOT_FOUND if item.owner == "spotify" else FORBIDDEN
    if not _may_write(item, write.scopes):
        return NO_SCOPE
    edit = _edit(write, len(rows), replaces=replaces)
    edited = _keep(lambda: written.edit(write.listener, item, edit, write.late_s))
    status = _OK if replaces else _CREATED
    return Reply(status, orjson.dumps({"snapshot_id": shapes.snapshot_id(edited)}))


def _keep(change: Callable[[], Playlist]) -> Playlist:
    try:
        return change()
    except FullError as full:
        raise BadQueryError(str(full)) from None


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise BadQueryError("Error parsing JSON.")
    return found


def _new_playlist(body: Mapping[str, Any]) -> Playlist:
    name, description = body.get("name"), body.get("description")
    if not isinstance(name, str) or not name.strip():
        raise BadQueryError("Missing required field: name")
    if not isinstance(description, str | None):
        raise BadQueryError("Invalid description")
    public = _flag(body, "public", default=True)
    collaborative = _flag(body, "collaborative", default=False)
    if public and collaborative:
        raise BadQueryError("Collaborative playlists can only be private")
    return Playlist(
        id="",
        name=name,
        description=_escaped(description),
        owner="listener",
        total=0,
        public=True,
        collaborative=collaborative,
        unlisted=not public,
    )


def _flag(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = body.get(name)
    if not isinstance(value, bool | None):
        raise BadQueryError(f"Invalid {name}")
    return default if value is None else value


def _escaped(text: str | None) -> str | None:
    return None if text is None else escape(text).replace("/", "&#x2F;")


def _may_write(item: Playlist, scopes: Collection[str]) -> bool:
    return (MODIFY_PUBLIC if item.on_profile else MODIFY_PRIVATE) in scopes


def _edit(write: Write, rows: int, *, replaces: bool) -> Edit:
    """What the query asks for, else the body: Spotify ignores the body where the query has uris."""
    body: Mapping[str, Any]
    if "uris" in write.query:
        body = {"uris": write.query["uris"].split(",")}
    else:
        body = _json_object(write.body)
    uris = _uris(body.get("uris"), least=0 if replaces else 1)
    position = None if replaces else _position(body, write.query, rows)
    return Edit(uris[: len(uris) // 2] if write.half else uris, position, replaces)


def _uris(found: object, *, least: int) -> tuple[str, ...]:
    if not isinstance(found, list) or len(found) < least:
        raise BadQueryError("No uris provided")
    if len(found) > MAX_URIS:
        raise BadQueryError(f"You can add a maximum of {MAX_URIS} tracks per request.")
    for uri in found:
        if not isinstance(uri, str) or not _URI.fullmatch(uri):
            raise BadQueryError(f"Invalid track uri: {uri}")
    return tuple(found)


def _position(body: Mapping[str, Any], query: Mapping[str, str], rows: int) -> int | None:
    value = body.get("position", query.get("position"))
    if value is None:
        return None
    text = str(value)
    if not (
        text.isdecimal() and text.isascii() and len(text) <= len(str(rows)) and int(text) <= rows
    ):
        raise BadQueryError("Index out of bounds.")
    return int(text)


def _whole(item: Playlist, listener: Listener, regime: str) -> shapes.Json:
    """A playlist's own object, which holds the first page of its rows."""
    shape = shapes.playlist(item, listener, regime) or {}
    name = "tracks" if shapes.counts_in_tracks(item, regime) else "items"
    rows = page(f"/playlists/{item.id}/{name}", range(_LIMIT), 0, [])
    return {**shape, "followers": {"href": None, "total": 0}, name: rows}
