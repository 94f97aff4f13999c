"""What the sandbox model says of the results of its tools: of what they hold, and of no more."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lyra.responder.listener import Listener
from lyra.responder.wording import bullets, count as counted, enumerate_, is_are, title
from lyra.sandbox.model_conversation import Called
from lyra.sandbox.model_listener import names_of, read_listener
from lyra.sandbox.model_music import NOUNS_OF, family_named

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
    left_out = _left_out(finds)
    if not shown:
        return f"I have found nothing that is new to you. {left_out}".strip()
    which = "These are" if len(shown) > 1 else "This is"
    told = all("known" in find for find in new)
    where = ", and in none of your lists" if told else "; whether you know them I was not told"
    parts = [
        f"{which} in Spotify's catalogue{where}:",
        bullets(_line(each, listener) for each in shown),
    ]
    if wanted and len(shown) < wanted:
        songs = counted(len(shown), _noun(finds))
        parts.append(f"You asked for {wanted}; more than {songs} I cannot stand for.")
    return "\n\n".join(filter(None, (*parts, left_out)))


def tell_named(finds: Sequence[Find]) -> str:
    """Return whether what was asked for exists, and whether the listener knows it."""
    return "\n".join(map(_tell_named, finds))


def tell_listing(listing: Mapping[str, Any], wanted: int | None) -> str:
    """Return the rows of a ranking, or of a playlist."""
    section, rows = listing.get("section"), listing["rows"]
    if section == "top_artists":
        names = [each.name for each in read_listener({"top_artists": rows}).artists]
    else:
        names = [title(each) for each in read_listener({"top_tracks": rows}).tracks]
    shown = names[: wanted or _LISTED]
    if section not in _SECTIONS:
        return _tell_playlist(shown, len(names))
    time = _RANGES.get(str(listing.get("range")), "that time")
    what = f"your top {_SECTIONS[section]} of {time}"
    if not names:
        return f"Spotify does not tell {what}."
    ranked = "\n".join(f"{place}. {name}" for place, name in enumerate(shown, 1))
    return f"These are {what}, as Spotify ranks them:\n\n{ranked}"


def _tell_named(find: Find) -> str:
    item = item_in(find)
    if item is None and find.get("reason") in (None, "not_found"):
        return "Spotify's catalogue shows nothing of that title by that artist."
    if item is None:
        return "I could not look that up just now, so I cannot say."
    album, year = item.get("album"), item.get("year")
    on = f", on {album}" if isinstance(album, str) and album else ""
    of = f" ({year})" if isinstance(year, int) else ""
    where = "among your music already" if find.get("known") else "in none of your lists"
    return f"Yes: {_named(item)}{on}{of}.{f' It is {where}.' if 'known' in find else ''}"


def _tell_playlist(shown: Sequence[str], whole: int) -> str:
    if not shown:
        return "I find no tracks on that playlist."
    first = "" if len(shown) == whole else f", the first {len(shown)} of them"
    held = counted(whole, "track")
    return f"That playlist holds {held} that I can read{first}:\n\n{bullets(shown)}"


def _rows(called: Called, key: str) -> list[Mapping[str, Any]]:
    rows = called.result.get(key) if isinstance(called.result, Mapping) else None
    return [each for each in rows if isinstance(each, Mapping)] if isinstance(rows, list) else []


def item_in(find: Find) -> Mapping[str, Any] | None:
    """Return what was found; None where nothing was."""
    item = find.get("item") if find.get("found") else None
    return item if isinstance(item, Mapping) and isinstance(item.get("name"), str) else None


def _is_new(find: Find) -> bool:
    return item_in(find) is not None and not find.get("known")


def _uri(find: Find) -> object:
    return (item_in(find) or {}).get("uri")


def _noun(finds: Sequence[Find]) -> str:
    """Return what was looked up, in the singular."""
    kinds = {(find.get("asked") or {}).get("kind") for find in finds}
    return NOUNS_OF.get(str(kinds.pop()), "song") if len(kinds) == 1 else "song"


def _named(item: Mapping[str, Any]) -> str:
    names = names_of(item.get("artists"))
    by = f" \u2013 {enumerate_(names)}" if names != [item["name"]] else ""  # an artist is by nobody
    return f"**{item['name']}**{by}"


def _line(find: Find, listener: Listener) -> str:
    item = item_in(find) or {}
    return f"{_named(item)}: {_reason(names_of(item.get('artists')), listener)}"


def _reason(artists: Sequence[str], listener: Listener) -> str:
    """Return why it may suit, from the listener's data as far as they go.

    It names nobody: the songs of the list are what is recommended, and nothing that is known.
    """
    own = next((each for each in listener.artists if each.name in artists), None)
    if own is not None:
        return f"by your number {own.rank} artist"
    family = next(filter(None, map(family_named, artists)), None)
    if family is None:
        return "well known"
    kin = next((each for each in listener.artists if family_named(each.name) == family), None)
    return f"{family}, like your number {kin.rank} artist" if kin else f"{family}, well known"


def _left_out(finds: Sequence[Find]) -> str:
    """Return a sentence on what was not found, could not be looked up, or is known already."""
    parts = list(_reasons(finds))
    whole = counted(len(finds), _noun(finds))
    return f"Of the {whole} that I looked up, {enumerate_(parts)}." if parts else ""


def _reasons(finds: Sequence[Find]) -> Iterator[str]:
    lost = [find.get("reason") or "not_found" for find in finds if item_in(find) is None]
    missing = lost.count("not_found")
    known = sum(item_in(find) is not None and bool(find.get("known")) for find in finds)
    if missing:
        yield f"{missing} {is_are(missing)} not in Spotify's catalogue"
    if other := len(lost) - missing:
        yield f"{other} could not be looked up"
    if known:
        yield f"{known} {is_are(known)} among your music already"
