"""`find_music`: whether tracks, albums and artists exist at Spotify, and whether they are known."""

from collections.abc import Sequence
from typing import Any

from lyra.catalogue.finder import MAX_WANTED, Find, find_items
from lyra.catalogue.items import Wanted
from lyra.catalogue.views import find_view, read_wanted
from lyra.chat.tools.tool import KINDS, MAX_TITLE_NAME, Result, Tool, ToolContext
from lyra.errors import RequestError
from lyra.listening.sanitize import shorten


def _read(arguments: object) -> Sequence[Wanted]:
    if not isinstance(arguments, dict) or set(arguments) != {"items"}:
        message = "Give `items`, and nothing else."
        raise RequestError(message)
    return read_wanted(arguments["items"])


def _plain(wanted: Sequence[Wanted]) -> dict[str, Any]:
    return {"items": [_asked_view(each) for each in wanted]}


def _asked_view(wanted: Wanted) -> dict[str, str]:
    """Return what was asked for, its names no longer than those of the listener's data."""
    title = {"title": shorten(wanted.title)} if wanted.title else {}
    return {"artist": shorten(wanted.artist), **title, "kind": wanted.kind}


def _describe(wanted: Sequence[Wanted]) -> str:
    if len(wanted) == 1:
        return f"Looking up {shorten(wanted[0].name, MAX_TITLE_NAME)}"
    kinds = {each.kind for each in wanted}
    noun = KINDS[kinds.pop()] if len(kinds) == 1 else "items"
    return f"Looking up {len(wanted)} {noun}"


async def _run(context: ToolContext, wanted: Sequence[Wanted]) -> Result:
    finds = await find_items(
        context.search, context.token, wanted, context.budget, timeout_s=context.timeout_s
    )
    return {"items": [_view(context, find) for find in finds], **context.checked_view()}


def _view(context: ToolContext, find: Find) -> dict[str, Any]:
    view = {"asked": _asked_view(find.wanted), "found": find.item is not None}
    if find.item is not None:
        return {**view, "item": context.view(find.item), **context.known_view(find.item)}
    missing = find_view(find, None)
    context.note_missing(find.outcome, find.reason, missing["message"])
    return {**missing, **view}


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
                        "kind": {"type": "string", "enum": [*KINDS]},
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
