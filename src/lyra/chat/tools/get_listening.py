"""`get_listening`: the listener's top lists over other times, and the tracks of an own playlist."""

from itertools import accumulate
from typing import Annotated, Any, Literal

import msgspec
import orjson

from lyra.chat.tools.own_details import find_playlist, read_detail
from lyra.chat.tools.tool import MAX_RESULT_BYTES, Result, Tool, ToolContext, read_input
from lyra.errors import RequestError
from lyra.listening.details import Detail, PlaylistTracks, TimeRange, TopItems
from lyra.listening.models import Artist, Track
from lyra.listening.sanitize import clean

_GENRES = 3
_MAX_NAME = 300
_ROWS_BYTES = MAX_RESULT_BYTES - 2_000  # which leaves room for what the rows are
_RANGES: dict[TimeRange, str] = {
    "short_term": "the last four weeks",
    "medium_term": "about six months",
    "long_term": "about a year",
}
_SECTIONS = {"top_artists": "top artists", "top_tracks": "top tracks"}


class _Request(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    section: Literal["top_artists", "top_tracks", "playlist"]
    range: TimeRange | None = None
    uri: Annotated[str, msgspec.Meta(max_length=_MAX_NAME)] | None = None
    name: Annotated[str, msgspec.Meta(max_length=_MAX_NAME)] | None = None


def _read(arguments: object) -> _Request:
    request = read_input(arguments, _Request)
    named = request.uri is not None or request.name is not None
    if named != (request.section == "playlist"):
        raise RequestError(
            "Give `name` or `uri` of a playlist for the section `playlist`, and only for it."
        )
    return request


def _plain(request: _Request) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(request)
    return {name: clean(value, _MAX_NAME) for name, value in plain.items()}


def _describe(request: _Request) -> str:
    if request.section == "playlist":
        return f"Reading your playlist {clean(request.name or '')}".rstrip()
    return f"Reading your {_SECTIONS[request.section]} of {_RANGES[request.range or 'medium_term']}"


async def _run(context: ToolContext, request: _Request) -> Result:
    if request.section == "playlist":
        playlist = find_playlist(context.listening, name=request.name, uri=request.uri)
        wanted: PlaylistTracks | TopItems = PlaylistTracks(str(playlist.uri))
        about = {"section": "playlist", "name": playlist.name, "uri": playlist.uri}
    else:
        wanted = TopItems(request.section, request.range or "medium_term")
        about = {"section": wanted.section, "range": wanted.time_range}
    detail = await read_detail(context, wanted)
    rows = _rows(detail)
    fitting = _fitting(rows)
    left = {"rows_left_out": len(rows) - len(fitting)} if len(fitting) < len(rows) else {}
    return {**about, "rows": fitting, **left, **_left_out(detail)}


def _rows(detail: Detail) -> list[dict[str, Any]]:
    return [*map(_artist_row, detail.artists), *map(_track_row, detail.tracks)]


def _fitting(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first rows, as many as a result may hold: fifty long names can be too much."""
    sizes = accumulate(len(orjson.dumps(row)) + 1 for row in rows)
    return [row for row, size in zip(rows, sizes, strict=True) if size <= _ROWS_BYTES]


def _artist_row(artist: Artist) -> dict[str, Any]:
    genres = {"genres": [*artist.genres[:_GENRES]]} if artist.genres else {}
    return {"rank": artist.rank, "name": artist.name, **genres}


def _track_row(track: Track) -> dict[str, Any]:
    row = {
        "uri": track.uri,
        "rank": track.rank or None,
        "name": track.name,
        "artists": [*track.artists],
        "album": track.album,
        "year": track.released,
    }
    return {name: value for name, value in row.items() if value is not None}


def _left_out(detail: Detail) -> dict[str, Any]:
    """Return how many there are in all, and which rows are left out, where that is known."""
    counts = {
        "total": detail.total,
        "episodes_left_out": detail.episodes or None,
        "local_files_left_out": detail.local_files or None,
    }
    return {name: count for name, count in counts.items() if count is not None}


GET_LISTENING = Tool(
    name="get_listening",
    description=(
        "Read more of the listener's own data: top artists or tracks over another time range "
        "(the data you have are medium_term, about six months), or the tracks of one of their own "
        "playlists, by its name or uri. At most 50 rows."
    ),
    schema={
        "type": "object",
        "properties": {
            "section": {"type": "string", "enum": ["top_artists", "top_tracks", "playlist"]},
            "range": {"type": "string", "enum": [*_RANGES]},
            "name": {"type": "string", "description": "of a playlist, as in the data"},
            "uri": {"type": "string", "description": "of a playlist, in place of its name"},
        },
        "required": ["section"],
        "additionalProperties": False,
    },
    title="Reading more of your listening",
    read=_read,
    plain=_plain,
    describe=_describe,
    run=_run,
)
