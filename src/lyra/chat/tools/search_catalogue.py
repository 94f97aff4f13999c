"""`search_catalogue`: what Spotify's catalogue shows for words, or for a field of its own."""

from typing import Annotated, Any

import msgspec

from lyra.catalogue.free_search import search_words
from lyra.catalogue.items import Kind
from lyra.catalogue.queries import MAX_QUERY
from lyra.catalogue.results import MAX_ITEMS
from lyra.catalogue.views import say_reason
from lyra.chat.tools.tool import (
    KINDS,
    MAX_TITLE_NAME,
    Result,
    Tool,
    ToolContext,
    ToolError,
    read_input,
)
from lyra.errors import RequestError
from lyra.listening.sanitize import clean, shorten


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    query: Annotated[str, msgspec.Meta(pattern=r"\S", max_length=MAX_QUERY)]
    kind: Kind = "track"
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_ITEMS)] = MAX_ITEMS


def _read(arguments: object) -> _Request:
    request = read_input(arguments, _Request)
    query = clean(request.query, MAX_QUERY)
    if not query:
        raise RequestError("The query has no words that can be seen.")
    return msgspec.structs.replace(request, query=query)


def _plain(request: _Request) -> dict[str, Any]:
    return {"query": request.query, "kind": request.kind, "limit": request.limit}


def _describe(request: _Request) -> str:
    return f"Searching {KINDS[request.kind]}: {shorten(request.query, MAX_TITLE_NAME)}"


async def _run(context: ToolContext, request: _Request) -> Result:
    listed = await search_words(
        context.search,
        context.token,
        request.kind,
        request.query,
        context.budget,
        timeout_s=context.timeout_s,
    )
    if listed.reason is not None:
        message = say_reason(listed.reason)
        context.note_missing(listed.outcome, listed.reason, message)
        raise ToolError(message)
    items = [
        {**context.view(item), **context.known_view(item)} for item in listed.items[: request.limit]
    ]
    return {"items": items, **context.checked_view()}


SEARCH_CATALOGUE = Tool(
    name="search_catalogue",
    description=(
        "Search Spotify's catalogue, when you have no exact title in mind. Words find titles, "
        'albums and artists; filters narrow it: artist:"…", album:"…", track:"…", genre:"…", '
        "year:1990-1999. Results are the most fitting, not the best; `known` as in find_music."
    ),
    schema={
        "type": "object",
        "properties": {
            "query": {"type": "string", "maxLength": MAX_QUERY},
            "kind": {"type": "string", "enum": [*KINDS]},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_ITEMS},
        },
        "required": ["query", "kind"],
        "additionalProperties": False,
    },
    title="Searching Spotify",
    read=_read,
    plain=_plain,
    describe=_describe,
    run=_run,
)
