"""What is asked for and what was found, as plain data for programs."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from lyra.catalogue.budgets import Bound
from lyra.catalogue.finder import MAX_WANTED, Find
from lyra.catalogue.items import Item, Kind, Wanted
from lyra.catalogue.known import Place
from lyra.errors import RequestError
from lyra.listening.sanitize import clean
from lyra.spotify.failures import MEANINGS, FailureCode

_NAME_CAP = 300
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=_NAME_CAP, pattern=r"\S")]
_REFUSALS: Mapping[str, str] = {
    "answer": "No search of Spotify's catalogue is left for this answer.",
    "listener": "No search of Spotify's catalogue is left for this listener in this hour.",
    "app": "No search of Spotify's catalogue is left for today.",
    "process": "Too many searches are under way. Try again in a moment.",
}
_NOT_FOUND = "Spotify's catalogue shows no such item."


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    artist: _Name
    title: _Name | None = None
    kind: Kind | None = None


_Request = Annotated[list[_Asked], msgspec.Meta(min_length=1, max_length=MAX_WANTED)]


def read_wanted(items: object) -> list[Wanted]:
    """Return the wanted items of a request: 1 to 12 objects of `artist`, `title?` and `kind?`.

    Without a kind, a title is a track's, and no title means the artist. Names are those that can
    be seen, on one line: a run of spaces would cost the square of its length wherever it is matched.

    Raises:
        RequestError: it is something else; says what and where.
    """
    try:
        asked = msgspec.convert(items, _Request)
    except msgspec.ValidationError as wrong:
        message = f"The items are not as expected: {wrong}."
    else:
        return [_to_wanted(each, place) for place, each in enumerate(asked)]
    raise RequestError(message)


def _to_wanted(asked: _Asked, place: int) -> Wanted:
    artist, title = clean(asked.artist, _NAME_CAP), clean(asked.title or "", _NAME_CAP)
    kind = asked.kind or ("artist" if asked.title is None else "track")
    missing = "an artist" if not artist else "a title" if kind != "artist" and not title else None
    if missing:
        raise RequestError(
            f"The items are not as expected: {missing} is missing - at `$[{place}]`."
        )
    return Wanted(kind, artist, "" if kind == "artist" else title)


def find_view(find: Find, place: Place | None) -> dict[str, Any]:
    """Return what became of one wanted item; `place`: where the listener's data hold it."""
    wanted = find.wanted
    asked = {"artist": wanted.artist, "title": wanted.title or None, "kind": wanted.kind}
    view: dict[str, Any] = {"asked": asked, "found": find.item is not None}
    if find.item is None:
        return {**view, "reason": find.reason or "not_found", "message": _message(find)}
    return {**view, "item": item_view(find.item), "known": place_view(place)}


def item_view(item: Item) -> dict[str, Any]:
    """Return an item without what Spotify tells nothing of."""
    fields = {
        "uri": item.uri,
        "url": item.url,
        "name": item.name,
        "artists": [*item.artists],
        "album": item.album,
        "year": item.year,
        "duration_ms": item.duration_ms,
        "image": item.image,
    }
    return {name: value for name, value in fields.items() if value is not None}


def place_view(place: Place | None) -> dict[str, Any] | None:
    """Return where an item is known from; None: it is not."""
    if place is None:
        return None
    view: dict[str, Any] = {"section": place.section}
    return view if place.rank is None else {**view, "rank": place.rank}


def _message(find: Find) -> str:
    return _NOT_FOUND if find.reason is None else say_reason(find.reason)


def say_reason(reason: Bound | FailureCode) -> str:
    """Return the sentence about a search that was refused, or failed."""
    if reason in _REFUSALS:
        return _REFUSALS[reason]
    return MEANINGS[reason].sentence  # type: ignore[index]  # the bounds are all refusals
