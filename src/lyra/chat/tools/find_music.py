"""`find_music`: whether tracks, albums and artists exist at Spotify, and whether they are known."""

from collections.abc import Sequence
from typing import Any

from lyra.catalogue.finder import MAX_WANTED, Find, find_items
from lyra.catalogue.items import Kind, Wanted
from lyra.catalogue.views import find_view, read_wanted
from lyra.chat.tools.tool import Result, Tool, ToolContext
from lyra.errors import RequestError
from lyra.listening.sanitize import clean

NOUNS: dict[Kind, str] = {"track": "songs", "album": "albums", "artist": "artists"}


def _read(arguments: object) -> Sequence[Wanted]:
    if not isinstance(arguments, dict) or set(arguments) != {"items"}:
        message = "Give `items`, and nothing else."
        raise RequestError(message)
    return read_wanted(arguments["items"])


def _plain(wanted: Sequence[Wanted]) -> dict[str, Any]:
    return {"items": [asked_view(each) for each in wanted]}


def asked_view(wanted: Wanted) -> dict[str, str]:
    """Return what was asked for, on one line and without what cannot be seen."""
    title = {"title": clean(wanted.title)} if wanted.title else {}
    return {"artist": clean(wanted.artist), **title, "kind": wanted.kind}


def _describe(wanted: Sequence[Wanted]) -> str:
    if len(wanted) == 1:
        return f"Looking up {clean(wanted[0].name, 60)}"
    kinds = {each.kind for each in wanted}
    noun = NOUNS[kinds.pop()] if len(kinds) == 1 else "items"
    return f"Looking up {len(wanted)} {noun}"


async def _run(context: ToolContext, wanted: Sequence[Wanted]) -> Result:
    finds = await find_items(
        context.search, context.token, wanted, context.budget, timeout_s=context.timeout_s
    )
    return {"items": [_view(context, find) for find in finds], **context.checked_view()}


def _view(context: ToolContext, find: Find) -> dict[str, Any]:
    view = {**find_view(find, None), "asked": asked_view(find.wanted)}
    if find.item is None:
        context.note_missing(find.outcome, find.reason, view["message"])
        return view
    del view["known"]
    return {**view, "item": context.view(find.item), **context.known_view(find.item)}


FIND_MUSIC = Tool(
    name="find_music",
    description=(
        "Look up tracks, albums or artists that you have in mind: whether Spotify has each, its "
        "exact name, album and year, and where the listener's data hold it (`known`: null means "
        "that they do not). Ask for all that you need in one call."
    ),
    schema={
        "type": "object",
        "properties": {
            "items": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_WANTED,
                "items": {
                    "type": "object",
                    "properties": {
                        "artist": {"type": "string"},
                        "title": {
                            "type": "string",
                            "description": "of the track or album; leave it out for an artist",
                        },
                        "kind": {"type": "string", "enum": ["track", "album", "artist"]},
                    },
                    "required": ["artist"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["items"],
        "additionalProperties": False,
    },
    title="Looking up music",
    read=_read,
    plain=_plain,
    describe=_describe,
    run=_run,
)
