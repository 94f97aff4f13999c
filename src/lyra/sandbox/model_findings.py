"""What the sandbox model says of the results of its tools: of what they hold, and of no more."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lyra.responder.listener import Listener
from lyra.responder.wording import begin, bullets, count as counted, enumerate_, is_are, title
from lyra.sandbox.model_conversation import Called
from lyra.sandbox.model_listener import names_of, read_listener
from lyra.sandbox.model_music import kin

_LISTED = 10
_RANGES = {
    "short_term": "the last four weeks",
    "medium_term": "about the last six months",
    "long_term": "about the last year",
}
_SECTIONS = {"top_artists": "artists", "top_tracks": "tracks"}

Find = Mapping[str, Any]


def finds_in(calls: Sequence[Called]) -> list[Find]:
    """Return what became of all items that were looked up."""
    return [find for each in calls if each.name == "find_music" for find in _rows(each, "items")]


def listings_in(calls: Sequence[Called]) -> list[Mapping[str, Any]]:
    """Return what was read of the listening: mappings with `rows`."""
    results = [each.result for each in calls if each.name == "get_listening"]
    return [each for each in results if isinstance(each, Mapping) and "rows" in each]


def tell_new(finds: Sequence[Find], listener: Listener, wanted: int | None) -> str:
    """Return the songs that exist and are new, and what became of the others."""
    new = list({_uri(find): find for find in finds if _is_new(find)}.values())
    shown = new[: wanted or len(new)]
    left_out = _left_out(finds, len(new))
    if not shown:
        return f"I have found nothing that is new to you. {left_out}".strip()
    lines = bullets(_line(find, listener) for find in shown)
    few = (
        f"You asked for {wanted}; more than {counted(len(shown), 'song')} I cannot stand for."
        if wanted and len(shown) < wanted
        else ""
    )
    ends = " ".join(filter(None, (few, left_out)))
    opening = "This is in Spotify's catalogue, and in none of your lists:"
    if len(shown) > 1:
        opening = "These are in Spotify's catalogue, and in none of your lists:"
    return "\n\n".join(filter(None, (opening, lines, ends)))


def tell_named(finds: Sequence[Find]) -> str:
    """Return whether what was asked for exists, and whether the listener knows it."""
    told = []
    for find in finds:
        item = _item(find)
        if item is None:
            sure = find.get("reason") in (None, "not_found")
            told.append(
                "Spotify's catalogue shows nothing of that title by that artist."
                if sure
                else "I could not look that up just now, so I cannot say."
            )
            continue
        album, year = item.get("album"), item.get("year")
        on = f", on {album}" if isinstance(album, str) and album else ""
        of = f" ({year})" if isinstance(year, int) else ""
        known = (
            "It is among your music already."
            if find.get("known")
            else "It is in none of your lists."
        )
        told.append(f"Yes: {_named(item)}{on}{of}. {known}")
    return "\n".join(told)


def tell_listing(listing: Mapping[str, Any], wanted: int | None) -> str:
    """Return the rows of a ranking, or of a playlist."""
    section, rows = listing.get("section"), listing["rows"]
    if section == "top_artists":
        names = [each.name for each in read_listener({"top_artists": rows}).artists]
    else:
        names = [title(each) for each in read_listener({"top_tracks": rows}).tracks]
    shown = names[: wanted or _LISTED]
    if section in _SECTIONS:
        what = f"your top {_SECTIONS[section]} of {_RANGES.get(str(listing.get('range')), 'that time')}"
        if not names:
            return f"Spotify does not tell {what}."
        ranked = "\n".join(f"{place}. {name}" for place, name in enumerate(shown, 1))
        return f"These are {what}, as Spotify ranks them:\n\n{ranked}"
    if not names:
        return "I find no tracks on that playlist."
    return (
        f"It holds {counted(len(names), 'track')} that I can read, among them:\n\n{bullets(shown)}"
    )


def _rows(called: Called, key: str) -> list[Mapping[str, Any]]:
    rows = called.result.get(key) if isinstance(called.result, Mapping) else None
    return [each for each in rows if isinstance(each, Mapping)] if isinstance(rows, list) else []


def _item(find: Find) -> Mapping[str, Any] | None:
    item = find.get("item") if find.get("found") else None
    return item if isinstance(item, Mapping) and isinstance(item.get("name"), str) else None


def _is_new(find: Find) -> bool:
    return _item(find) is not None and not find.get("known")


def _uri(find: Find) -> object:
    return (_item(find) or {}).get("uri")


def _named(item: Mapping[str, Any]) -> str:
    return f"**{item['name']}** \u2013 {enumerate_(names_of(item.get('artists')))}"


def _line(find: Find, listener: Listener) -> str:
    item = _item(find) or {}
    return f"{_named(item)}: {_reason(names_of(item.get('artists')), listener)}"


def _reason(artists: Sequence[str], listener: Listener) -> str:
    """Return why it may suit, from the listener's data as far as they go."""
    for name in artists:
        own = next((each for each in listener.artists if each.name == name), None)
        if own is not None:
            return f"by your number {own.rank}, yet in none of your lists"
        if found := kin(name, listener):
            family, one, rank = found
            return f"{family}, as is {one}, your number {rank}"
    return "well known, and in none of your lists"


def _left_out(finds: Sequence[Find], new: int) -> str:
    """Return a sentence on what was not found, could not be looked up, or is known already."""
    parts = list(_reasons(finds))
    if not parts:
        return ""
    whole = f"Of the {counted(len(finds), 'song')} that I looked up, "
    return begin(f"{whole}{enumerate_(parts)}.") if new or parts else ""


def _reasons(finds: Sequence[Find]) -> Iterator[str]:
    lost = [find.get("reason") or "not_found" for find in finds if _item(find) is None]
    missing = lost.count("not_found")
    known = sum(_item(find) is not None and bool(find.get("known")) for find in finds)
    if missing:
        yield f"{missing} {is_are(missing)} not in Spotify's catalogue"
    if other := len(lost) - missing:
        yield f"{other} could not be looked up"
    if known:
        yield f"{known} {is_are(known)} among your music already"
