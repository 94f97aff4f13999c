"""The facts about what was asked: genres, decades, hours, playlists, what was not read."""

import re

from tests.support.statements.genre_count import GenreCount, fold
from tests.support.statements.raw import RawListener, cut, key
from tests.support.statements.shapes import (
    AMONG,
    CLOCK,
    FACTS,
    SUMMARY,
    Verdict,
    agrees,
    denominator,
    ended,
    enumerated,
    judge,
    number,
    percent_fits,
    shape,
    verdict,
)


def judge_fact(raw: RawListener, text: str) -> tuple[str, Verdict]:
    """The kind and verdict of one fact, about an item or about what was asked."""
    return judge(raw, text, FACTS)


@shape(
    "share of a genre",
    r"(?P<genre>.+) is (?P<share>(?:less than |more than )?\d+%) of the listening whose genre is known"
    r" \((?P<known>\d+) of (?P<all>\d+) top artists?, (?P<part>[^)]+%) of the listening by weight\)\.",
    FACTS,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    count = GenreCount(raw)
    share = count.shares.get(fold(told["genre"]), -1)
    return verdict((percent_fits(told["share"], share), "false"), *_coverage(count, told))


def _coverage(count: GenreCount, told: re.Match[str]) -> list[tuple[bool, Verdict]]:
    known, considered = int(told["known"]), int(told["all"])
    return [
        ((known, considered) == (len(count.genres_of), count.considered), "false"),
        (percent_fits(told["part"], count.coverage), "false"),
        (not count.thin, "misleading"),
    ]


@shape("few known genres", r"Genres are known for only (\d+) of (\d+) top (artists?)\.", FACTS)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    count = GenreCount(raw)
    right = (int(told[1]), int(told[2])) == (len(count.genres_of), count.considered)
    return verdict((right, "false"), (count.thin, "false"), agrees(int(told[2]), told[3], "artist"))


@shape(
    "artists under a genre",
    r"Spotify files (?P<n>\d+) of your (?P<of>\d+) top artists? under (?P<genre>.+?), (?P<names>.+)\.",
    FACTS,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    # A name may hold commas, and so may none of the sandbox's genres.
    filed = GenreCount(raw).under(told["genre"])
    names = enumerated([cut(each.name, 80) for each in filed[:3]])
    among = "among them " if len(filed) > 3 else ""
    return verdict(
        ((int(told["n"]), int(told["of"])) == (len(filed), raw.sent("top_artists")), "false"),
        (key(told["names"]) == key(among + names), "false"),
    )


@shape(
    "tracks of a decade",
    r"(?P<n>\d+) of (?P<of>\d+) top tracks? with a known year (?P<verb>is|are) on editions"
    r" from the (?P<decade>\d{4})s\.",
    FACTS,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    count = int(told["n"])
    return verdict(
        (count == raw.decades[int(told["decade"])], "false"),
        (int(told["of"]) == raw.decades.total(), "false"),
        agrees(count, told["verb"], "is"),
    )


@shape("plays of some hours", rf"(?P<n>\d+) of your {AMONG} ended {CLOCK}\.", FACTS)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    return verdict(ended(raw, told, int(told["n"])), denominator(raw, told))


@shape(
    "hour of the one play",
    rf"Your (?:last play|1 music play among the last \d+) ended {CLOCK}\.",
    FACTS,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    return verdict((len(raw.plays) == 1, "false"), ended(raw, told, 1))


@shape(
    "episodes",
    r"(?P<n>\d+) of your last (?P<of>\d+) plays (?P<verb>was an episode|were episodes)\.",
    FACTS,
)
@shape(
    "episodes",
    r"Of the last (?P<of>\d+) plays, (?P<n>\d+) (?P<verb>was an episode|were episodes)\.",
    SUMMARY,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    count = int(told["n"])
    right = (count, int(told["of"])) == (raw.episodes, raw.sent("recently_played"))
    return verdict((right, "false"), agrees(count, told["verb"], "was an episode"))


@shape(
    "playlists read",
    r"(?P<n>\d+) of your (?P<of>[\d,]+) playlists? (?P<verb>was|were) read\.",
    FACTS,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    right = (int(told["n"]), number(told["of"])) == (len(raw.playlists), raw.total_playlists)
    return verdict((right, "false"), agrees(int(told["n"]), told["verb"], "was"))


@shape("playlists read", r"(?P<n>\d+) (?P<noun>playlists?) (?:was|were) read\.", FACTS)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    count = int(told["n"])
    return verdict(
        (count == len(raw.playlists), "false"),
        (raw.total_playlists in (None, count), "misleading"),
        agrees(count, told["noun"], "playlist"),
    )


@shape("a section not read", r"Not read from Spotify: (.+)\.", FACTS)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    return verdict((not raw.read(told[1].replace(" ", "_")), "false"))
