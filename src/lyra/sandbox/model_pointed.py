"""Answers to questions that name something: two artists, a genre, a decade, an hour.

They are the questions that a listener's data suggest, so that a demo answers what it offers. All of
it is counted from the data; where they hold nothing of what is asked, there is no answer here.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Data = Mapping[str, Any]

_DECADE = re.compile(r"\b(1[89]\d0|20\d0)s\b")
_HOUR = re.compile(r"\b([01]\d|2[0-3]):00\b")
_BETWEEN = re.compile(r"\bbetween ([01]\d|2[0-3]):00 and ([01]\d|2[0-3]):00\b")
_MOST = 5
_AROUND = 1  # hours before and after


def pointed(question: str, data: Data) -> str | None:
    """A few lines of Markdown about what the question names; None where it names nothing known."""
    asked = question.casefold()
    if "in common" in asked:
        return _in_common(asked, data)
    if found := _DECADE.search(question):
        return _of_decade(int(found[1]), data)
    if found := _BETWEEN.search(question):
        return _between(int(found[1]), int(found[2]), data)
    if found := _HOUR.search(question):
        return _around(int(found[1]), data)
    return _of_genre(asked, data) if re.search(r"\bwhere\b", asked) else None


def _in_common(asked: str, data: Data) -> str | None:
    ranks = {_name(each): place for place, each in enumerate(_items(data, "top_artists"), 1)}
    both = [name for name in ranks if name and name.casefold() in asked][:2]
    if len(both) < len(("one", "other")):
        return None
    told = [f"- **{name}**: number {ranks[name]} of your {len(ranks)} top artists" for name in both]
    for place, name in enumerate(both):
        tracks = [_name(each) for each in _items(data, "top_tracks") if name in _artists(each)]
        told[place] += f", with {len(tracks)} of your top tracks" if tracks else ""
        told[place] += f": {tracks[0]}" if tracks else ""
    plays = sum(any(name in _artists(each) for name in both) for each in _plays(data))
    return "\n".join(
        [
            f"You play both **{both[0]}** and **{both[1]}** a lot; that they have in common.\n",
            *told,
            f"\nOf your last {len(_plays(data))} plays, {plays} are theirs.",
        ]
    )


def _of_decade(first: int, data: Data) -> str | None:
    dated = [each for each in _items(data, "top_tracks") if _year(each)]
    found = [each for each in dated if first <= _year(each) < first + 10]
    if not found:
        return None
    lines = [f"- **{_name(each)}** by {', '.join(_artists(each))}, {_year(each)}" for each in found]
    more = f"\n\nand {len(found) - _MOST} more." if len(found) > _MOST else ""
    begin = f"{len(found)} of the {len(dated)} top tracks whose year I know are from the {first}s:"
    return f"{begin}\n\n" + "\n".join(lines[:_MOST]) + more


def _around(hour: int, data: Data) -> str | None:
    near = {(hour + step) % 24 for step in range(-_AROUND, _AROUND + 1)}
    return _in_hours(near, f"around {hour:02}:00", data)


def _between(first: int, end: int, data: Data) -> str | None:
    hours = {(first + step) % 24 for step in range((end - first) % 24)}
    return _in_hours(hours, f"between {first:02}:00 and {end:02}:00", data)


def _in_hours(hours: set[int], when: str, data: Data) -> str | None:
    found = [each for each in _plays(data) if each.get("hour_utc") in hours]
    if not found:
        return None
    counts = Counter((_name(each), ", ".join(_artists(each))) for each in found)
    rows = [f"| {name} | {by} | {count} |" for (name, by), count in counts.most_common(_MOST)]
    begin = f"{len(found)} of your last {len(_plays(data))} plays ended {when} UTC."
    return f"{begin}\n\n| Track | Artist | Plays |\n|---|---|---|\n" + "\n".join(rows)


def _of_genre(asked: str, data: Data) -> str | None:
    ranked = [each for each in _items(data, "genres") if "share" in each]
    for place, genre in enumerate(ranked, 1):
        if re.search(rf"\b{re.escape(_name(genre).casefold())}\b", asked):
            others = [f"{_name(each)} ({each['share']:.0%})" for each in ranked if each != genre]
            return (
                f"**{_name(genre)}** is {genre['share']:.0%} of your listening by weight, number "
                f"{place} of {len(ranked)} genres.\n\n> Beside it you play {', '.join(others[:3])}."
            )
    return None


def _items(data: Data, section: str) -> list[Mapping[str, Any]]:
    """The section's items as objects, those that are only names too."""
    found = data.get(section)
    if not isinstance(found, Sequence) or isinstance(found, str):
        return []
    return [each if isinstance(each, Mapping) else {"name": str(each)} for each in found]


def _plays(data: Data) -> list[Mapping[str, Any]]:
    return _items(data, "recent_plays")


def _name(item: Mapping[str, Any]) -> str:
    return str(item.get("name") or item.get("track") or "")


def _artists(item: Mapping[str, Any]) -> list[str]:
    found = item.get("artists")
    return [str(each) for each in found] if isinstance(found, list) else []


def _year(item: Mapping[str, Any]) -> int:
    year = item.get("year")
    return year if isinstance(year, int) else 0
