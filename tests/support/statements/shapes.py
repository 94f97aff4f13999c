"""Every kind of sentence that Lyra tells from the data, and what makes it true.

A check gets the raw listener and the match, and says `true`, `false`, `misleading` (true in its
words, and yet a wrong picture) or `unclear`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from tests.support.statements.raw import Item, RawListener, key, same

Verdict = Literal["true", "false", "misleading", "unclear"]
Check = Callable[[RawListener, re.Match[str]], Verdict]


class Shape(NamedTuple):
    """One kind of sentence."""

    kind: str
    pattern: re.Pattern[str]
    check: Check


FACTS: list[Shape] = []
SUMMARY: list[Shape] = []
_TIMES = r"(once|twice|\d+ times)"
_TITLE = r"“(?P<title>.+)”(?: by (?P<by>.+?))?(?P<one> \(one of \d+ of this title\))?"
CLOCK = r"between (?P<start>\d\d):00 and (?P<end>\d\d):00(?P<utc> UTC)?"
_BRACKET = r"(?: \((?P<left>\d+ (?:were episodes|was an episode|could not be read)[^)]*)\))?"


def shape(kind: str, pattern: str, *registries: list[Shape]) -> Callable[[Check], Check]:
    """Register the check of a kind of sentence."""

    def keep(check: Check) -> Check:
        for registry in registries:
            registry.append(Shape(kind, re.compile(pattern, re.DOTALL), check))
        return check

    return keep


def verdict(*conditions: tuple[bool, Verdict]) -> Verdict:
    """The first verdict whose condition fails, else true."""
    return next((wrong for holds, wrong in conditions if not holds), "true")


def times(text: str) -> int:
    """How often."""
    return {"once": 1, "twice": 2}.get(text) or int(text.split(maxsplit=1)[0])


def number(text: str) -> int:
    """The number, with or without commas."""
    return int(text.replace(",", ""))


def agrees(count: int, words: str, singular: str) -> tuple[bool, Verdict]:
    """Whether verb or noun fit the number."""
    return (words == singular) is (count == 1), "unclear"


def left_out(raw: RawListener, told: str | None) -> tuple[bool, Verdict]:
    """Whether a sentence about the last plays says what else is among them."""
    parts = []
    if raw.episodes:
        parts.append("1 was an episode" if raw.episodes == 1 else f"{raw.episodes} were episodes")
    if unread := raw.unreadable("recently_played"):
        parts.append(f"{unread} could not be read")
    return (told or "") == ", ".join(parts), "misleading"


def percent_fits(text: str, part: float) -> bool:
    """Whether a part is told as the whole percent that it is."""
    if text.startswith("less"):
        return 0 < part < 0.00501
    if text.startswith("more"):
        return 0.9949 < part < 1
    return abs(int(text.rstrip("%")) - 100 * part) <= 0.51


# ---- facts about an artist, a track, a playlist


@shape("rank of an artist", r"(?P<name>.+) is number (\d+) of your (\d+) top artists\.", FACTS)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    rank, sent = int(told[2]), int(told[3])
    at = [each for each in raw.top_artists if each.place == rank and same(told["name"], each.name)]
    return verdict(
        (sent == raw.sent("top_artists"), "false"), (bool(at), "false"), (sent > 1, "unclear")
    )


@shape("only artist", r"(?P<name>.+) is your only top artist\.", FACTS)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    named = any(same(told["name"], each.name) for each in raw.top_artists)
    return verdict((raw.sent("top_artists") == 1 and named, "false"))


def _titled(items: Iterable[Item], told: re.Match[str]) -> list[Item]:
    """The items of this title, and by this artist where one is named."""
    by = told["by"]
    return [
        each
        for each in items
        if same(told["title"], each.name)
        and (by is None or (each.artists and same(by, each.artists[0][1])))
    ]


def _distinct(raw: RawListener, told: re.Match[str]) -> tuple[bool, Verdict]:
    """Whether no two tracks could be meant, or the sentence says so."""
    meant = {each.identity for each in _titled([*raw.top_tracks, *raw.plays], told)}
    return len(meant) == 1 or told["one"] is not None, "unclear"


@shape(
    "rank of a track", rf"{_TITLE} is number (?P<rank>\d+) of your (?P<of>\d+) top tracks\.", FACTS
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    at = [each for each in _titled(raw.top_tracks, told) if each.place == int(told["rank"])]
    sent = int(told["of"])
    return verdict(
        (sent == raw.sent("top_tracks"), "false"),
        (bool(at), "false"),
        (sent > 1, "unclear"),
        _distinct(raw, told),
    )


@shape("only track", rf"{_TITLE} is your only top track\.", FACTS)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    return verdict((raw.sent("top_tracks") == 1 and bool(_titled(raw.top_tracks, told)), "false"))


@shape(
    "plays of a track",
    rf"{_TITLE} is among your last (?P<of>\d+) plays (?P<times>{_TIMES}){_BRACKET}\.",
    FACTS,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    counts = {raw.repeats[each.identity] for each in _titled(raw.plays, told)}
    sent = int(told["of"])
    return verdict(
        (sent == raw.sent("recently_played"), "misleading"),
        (times(told["times"]) in counts, "false"),
        (sent > 1, "unclear"),
        left_out(raw, told["left"]),
        _distinct(raw, told),
    )


@shape("the only play", rf"{_TITLE} is your last play\.", FACTS)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    return verdict((raw.sent("recently_played") == 1 and bool(_titled(raw.plays, told)), "false"))


@shape(
    "plays of an artist",
    r"(?P<n>\d+) of your last (?P<of>\d+) plays (?P<verb>is|are) by (?P<name>.+?)"
    rf"(?: \(number (?P<rank>\d+) of your top artists\))?{_BRACKET}\.",
    FACTS,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    meant = _called(raw, told)
    count, sent = int(told["n"]), int(told["of"])
    return verdict(
        (sent == raw.sent("recently_played"), "misleading"),
        (bool(meant) and all(raw.plays_by(each) == count for each in meant), "false"),
        left_out(raw, told["left"]),
        agrees(count, told["verb"], "is"),
        (sent > 1, "unclear"),
        _one_of_the_name(raw, told),
    )


def _called(raw: RawListener, told: re.Match[str]) -> list[Item]:
    rank = told["rank"]
    return [
        each
        for each in raw.top_artists
        if same(told["name"], each.name) and (rank is None or each.place == int(rank))
    ]


def _one_of_the_name(raw: RawListener, told: re.Match[str]) -> tuple[bool, Verdict]:
    """Whether the name is one artist's alone, or the sentence says which is meant."""
    ids = raw.ids_of.get(key(told["name"]).casefold(), set())
    spelt = {each.name for each in raw.top_artists if same(told["name"], each.name)}
    return len(ids) <= 1 or len(spelt) > len(ids) or told["rank"] is not None, "unclear"


@shape(
    "the only play of an artist",
    r"Your last play is by (?P<name>.+?)(?: \(number (?P<rank>\d+) of your top artists\))?\.",
    FACTS,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    right = any(raw.plays_by(each) for each in _called(raw, told))
    return verdict((raw.sent("recently_played") == 1 and right, "false"))


@shape(
    "genres under a name",
    r"Spotify files (?!\d+ of your )(?P<name>.+?)(?: \(number (?P<rank>\d+) of your top artists\))?"
    r" under (?P<genres>.+)\.",
    FACTS,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    filed = [", ".join(each.genres[:3]) for each in _called(raw, told)]
    return verdict((any(key(told["genres"]) == key(each) for each in filed), "false"))


@shape(
    "length of a playlist",
    r"“(?P<name>.+)” is a playlist of (?P<n>[\d,]+) (?P<noun>tracks?)\.",
    FACTS,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    lengths = {each.total for each in raw.playlists if same(told["name"], each.name)}
    count = number(told["n"])
    return verdict((count in lengths, "false"), agrees(count, told["noun"], "track"))


def ended(raw: RawListener, told: re.Match[str], count: int) -> tuple[bool, Verdict]:
    """Whether so many plays ended between these full hours, and only UTC is named."""
    start, end = int(told["start"]), int(told["end"])
    hours = [(start + step) % 24 for step in range((end - start) % 24 or 24)]
    named = bool(told["utc"]) == (raw.zone is None)
    return named and count == sum(raw.hours[hour] for hour in hours), "false"


def tight(raw: RawListener, told: re.Match[str]) -> tuple[bool, Verdict]:
    """Whether a span that Lyra chose begins and ends with hours in which something was played."""
    start, end = int(told["start"]), int(told["end"])
    return bool(raw.hours[start] and raw.hours[(end - 1) % 24]), "misleading"


def busiest(raw: RawListener, count: int) -> tuple[bool, Verdict]:
    """Whether no other four hours have more plays."""
    windows = [sum(raw.hours[(at + step) % 24] for step in range(4)) for at in range(24)]
    return count == max(windows), "misleading"


AMONG = r"(?:last (?P<of>\d+) plays|(?P<music>\d+) music plays? among the last (?P<among>\d+))"


def denominator(raw: RawListener, told: re.Match[str]) -> tuple[bool, Verdict]:
    """Whether the plays are those that were sent, or else said to be music alone."""
    if told["of"]:
        return int(told["of"]) == raw.sent("recently_played") == len(raw.plays), "misleading"
    right = (len(raw.plays), raw.sent("recently_played"))
    return (int(told["music"]), int(told["among"])) == right, "false"


def enumerated(names: Sequence[str]) -> str:
    """The names as a list: "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def judge(raw: RawListener, text: str, registry: Iterable[Shape]) -> tuple[str, Verdict]:
    """The kind and verdict of one sentence; one of no known shape is false."""
    for each in registry:
        if match := each.pattern.fullmatch(text):
            return each.kind, each.check(raw, match)
    return "unknown sentence", "false"
