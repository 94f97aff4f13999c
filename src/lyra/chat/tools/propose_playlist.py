"""`propose_playlist`: show the listener a playlist that they may save. Nothing is saved by it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec

from lyra.catalogue.items import Item
from lyra.chat.tools.own_details import find_playlist, read_detail
from lyra.chat.tools.requested_length import read_requested_length
from lyra.chat.tools.tool import MAX_TITLE_NAME, Result, Tool, ToolContext, ToolError, read_input
from lyra.errors import LyraError, RequestError
from lyra.listening.details import PlaylistTracks
from lyra.listening.models import Track
from lyra.listening.sanitize import clean, shorten
from lyra.playlists.proposal import MAX_NAME, MAX_TRACKS, ProposedTrack, is_track
from lyra.playlists.proposals import Draft
from lyra.playlists.selection import Selection, Wish, select

_MAX_TITLE, _MAX_DESCRIPTION, _MAX_URI = 200, 200, 300
_MAX_ARTISTS = 3
_UNCHECKED = "Whether these are new to you could not be checked: none of your lists could be read."
_NEW_ONLY = "Only a new playlist can be proposed here: the listener's own are not in the data."
_NEXT = "The listener sees this list below your answer and decides. Nothing is saved yet."

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"\S")]


class _Request(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    uris: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=_MAX_URI)]],
        msgspec.Meta(min_length=1, max_length=MAX_TRACKS),
    ]
    name: _Name | None = None
    playlist: _Name | None = None
    description: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_TRACKS)] | None = None
    minutes: Annotated[int, msgspec.Meta(ge=1, le=600)] | None = None
    only_new: bool = False


def _read(arguments: object) -> _Request:
    request = read_input(arguments, _Request)
    if request.name is None and request.playlist is None:
        raise RequestError("Give the `name` of a new playlist, or the `playlist` to add to.")
    return request


def _plain(request: _Request) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(request)
    return {name: _clean(value) for name, value in plain.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, list):
        return [clean(each) for each in value]
    return clean(value, _MAX_DESCRIPTION) if isinstance(value, str) else value


def _describe(request: _Request) -> str:
    if request.playlist is not None:
        return f"Putting together more for {clean(request.playlist, MAX_TITLE_NAME)}"
    return f"Putting together {clean(request.name or '', MAX_TITLE_NAME)}"


async def _run(context: ToolContext, request: _Request) -> Result:
    extended = None
    held: list[ProposedTrack] = []
    if request.playlist is not None:
        if not context.tells_known:
            raise ToolError(_NEW_ONLY)
        is_uri = request.playlist.startswith("spotify:")
        named = {"uri" if is_uri else "name": request.playlist}
        extended = find_playlist(context.listening, **named)
        detail = await read_detail(context, PlaylistTracks(str(extended.uri)))
        held = [_proposed(context, track) for track in detail.tracks]
    asked = read_requested_length(context.question)
    # Where none of the listener's lists could be read, nothing can be said to be new.
    only_new = request.only_new and bool(context.known.lists)
    wish = Wish(asked.songs or request.count, asked.minutes or request.minutes, only_new)
    tracks, unusable = _look_up(context, request.uris)
    selection = select(tracks, wish, held)
    if request.only_new and not only_new:
        selection.notes.append(_UNCHECKED)
    left_out = [*unusable, *({"uri": uri, "reason": why} for uri, why in selection.left_out)]
    if not context.tells_known:
        left_out = [each for each in left_out if each["reason"] != "known"]
    if not selection.tracks:
        raise ToolError(_say_nothing_left(left_out))
    name = extended.name if extended else clean(request.name or "", MAX_NAME)
    draft = Draft(
        name=name,
        tracks=tuple(selection.tracks),
        description="" if extended else clean(request.description, _MAX_DESCRIPTION),
        extends=str(extended.uri) if extended else "",
        notes=tuple(selection.notes),
    )
    proposal_id = await _keep(context, draft)
    return _result(proposal_id, draft, selection, left_out)


async def _keep(context: ToolContext, draft: Draft) -> str:
    try:
        return await context.propose(draft)
    except LyraError as failure:
        message = str(failure)
    raise ToolError(message)


def _result(
    proposal_id: str, draft: Draft, selection: Selection, left_out: list[dict[str, str]]
) -> Result:
    proposed: dict[str, Any] = {
        "id": proposal_id,
        "name": draft.name,
        "count": len(draft.tracks),
        "minutes": selection.minutes,
    }
    return {
        "proposed": {name: value for name, value in proposed.items() if value is not None},
        "left_out": left_out,
        "notes": selection.notes,
        "saved": False,
        "next": _NEXT,
    }


def _look_up(
    context: ToolContext, uris: Iterable[str]
) -> tuple[list[ProposedTrack], list[dict[str, str]]]:
    """Return the tracks at these addresses, and those that are none or were shown by nothing."""
    listed = {track.uri: track for track in _listed(context)}
    tracks: list[ProposedTrack] = []
    unusable: list[dict[str, str]] = []
    for uri in uris:
        shown = context.found.get(uri) or listed.get(uri)
        if not is_track(uri):
            unusable.append({"uri": clean(uri), "reason": "not_a_track"})
        elif shown is None:
            unusable.append({"uri": uri, "reason": "unknown"})
        else:
            tracks.append(_proposed(context, shown))
    return tracks, unusable


def _listed(context: ToolContext) -> Iterator[Track]:
    """Yield the tracks of the listener's data, those that were read for this answer too."""
    yield from context.listening.top_tracks
    yield from (play.track for play in context.listening.recently_played)
    yield from (row for row in context.rows if isinstance(row, Track))


def _proposed(context: ToolContext, shown: Item | Track) -> ProposedTrack:
    if isinstance(shown, Item):
        item = shown
    else:
        item = Item("track", shown.uri or "", shown.name, shown.artists, shown.album)
    return ProposedTrack(
        uri=item.uri,
        name=shorten(item.name, _MAX_TITLE),
        artists=tuple([shorten(name) for name in item.artists[:_MAX_ARTISTS]]),
        album=shorten(item.album) if item.album else None,
        year=shown.year if isinstance(shown, Item) else shown.released,
        image=shown.image,
        duration_ms=shown.duration_ms,
        new=bool(context.known.lists) and context.known.find(item) is None,
    )


def _say_nothing_left(left_out: list[dict[str, str]]) -> str:
    """Return why there is no proposal: a sentence with the reasons and how often each was met."""
    reasons = Counter(each["reason"] for each in left_out)
    counted = ", ".join(f"{reason} {number}" for reason, number in reasons.items())
    why = f" ({counted})" if counted else ""
    return (
        f"None of these can be proposed{why}. Propose tracks by the `uri` that a tool has "
        "given in this answer."
    )


PROPOSE_PLAYLIST = Tool(
    name="propose_playlist",
    description=(
        "Show the listener a playlist to save, when they ask for one. It saves nothing: they look at "
        "it, change it, and save it themselves. Tracks are those whose `uri` a tool has given in "
        "this answer; find enough of them first, a song is about 3.5 minutes. A second call in the "
        "same answer replaces the first."
    ),
    schema={
        "type": "object",
        "properties": {
            "name": {
                "type": "string",
                "description": "of a new playlist, in the listener's language",
            },
            "uris": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_TRACKS,
                "items": {"type": "string"},
                "description": "of tracks, the best first",
            },
            "description": {"type": "string"},
            "count": {"type": "integer", "description": "how many songs were asked for"},
            "minutes": {"type": "integer", "description": "how long it was asked to be"},
            "only_new": {
                "type": "boolean",
                "description": "true if music that is new to the listener was asked for",
            },
            "playlist": {
                "type": "string",
                "description": "name or uri of one of their own playlists to add to, instead of `name`",
            },
        },
        "required": ["uris"],
        "additionalProperties": False,
    },
    title="Putting together a playlist",
    read=_read,
    plain=_plain,
    describe=_describe,
    run=_run,
)
