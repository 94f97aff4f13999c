"""What the page gets as JSON, each number and name of it counted anew."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.statements.genre_count import GenreCount, fold
from tests.support.statements.raw import LISTS, Item, RawListener, key
from tests.support.statements.shapes import CLOCK, Verdict

Told = tuple[str, Verdict, str]
Data = Mapping[str, Any]


def judge_page(raw: RawListener, data: Data) -> Iterator[Told]:
    """The kind, verdict and value of each statement in it."""
    yield from _sections(raw, data["sections"])
    yield from _items(raw, data)
    yield from _genres(raw, data["genre_analysis"])
    for hour, plays in enumerate(data["plays_by_hour"]):
        yield _is("plays of an hour", plays, raw.hours[hour])
    for question in data["suggestions"]:
        yield "suggestion", "true" if _answerable(raw, question) else "false", question


def _is(kind: str, told: Any, counted: Any) -> Told:
    return kind, "true" if told == counted else "false", f"{told!r} for {counted!r}"


def _sections(raw: RawListener, sections: Data) -> Iterator[Told]:
    for name in ("profile", *LISTS):
        told = sections[name]
        yield _is("status of a section", told["status"] == "ok", raw.read(name))
        if name == "profile" or not raw.read(name):
            continue
        yield _is("count of a section", told["count"], raw.kept(name))
        yield _is("rows left out", told.get("skipped", 0), raw.sent(name) - raw.kept(name))
        episodes = raw.episodes if name == "recently_played" else 0
        yield _is("episodes", told.get("episodes", 0), episodes)
        total = raw.total_playlists if name == "playlists" else None
        yield _is("total", told.get("total"), total)


def _items(raw: RawListener, data: Data) -> Iterator[Told]:
    lists = (("top_artists", raw.top_artists), ("top_tracks", raw.top_tracks))
    for name, counted in lists:
        yield _is(f"length of {name}", len(data[name]), len(counted))
        for told, item in zip(data[name], counted, strict=False):
            yield _is(f"rank in {name}", _named(told), (item.place, item.id, key(item.name)))
            if name == "top_tracks":
                yield _is("year of a track", told.get("released"), item.year)
    for told, item in zip(data["recently_played"], raw.plays, strict=False):
        yield _is("a play", _named(told["track"])[1:], (item.id, key(item.name)))
    for told, item in zip(data["playlists"], raw.playlists, strict=False):
        yield _is("length of a playlist", told.get("total"), item.total)
        yield _is("owner of a playlist", told.get("owned"), _owned(raw, item))


def _named(told: Data) -> tuple[int, str | None, str]:
    return told.get("rank", 0), told.get("id"), key(told["name"])


def _owned(raw: RawListener, item: Item) -> bool | None:
    return item.owner == raw.listener if item.owner and raw.listener else None


def _genres(raw: RawListener, told: Data) -> Iterator[Told]:
    count = GenreCount(raw)
    yield _is("artists with genres", told["artists_known"], len(count.genres_of))
    yield _is("artists asked for", told["artists_considered"], count.considered)
    yield _is("thin genres", told["thin"], count.thin)
    right = abs(told["coverage"] - count.coverage) < 1e-4
    yield "coverage", "true" if right else "false", f"{told['coverage']} for {count.coverage}"
    for genre in told["genres"]:
        share = count.shares.get(fold(genre["name"]), -1)
        right = abs(genre["share"] - share) < 1e-4
        yield "share of a genre", "true" if right else "false", f"{genre} for {share}"


def _answerable(raw: RawListener, question: str) -> bool:
    """Whether the data hold what an offered question asks for."""
    if match := re.fullmatch(r"What do (.+) have in common\?", question, re.DOTALL):
        first = next(iter(raw.top_artists))
        return key(match[1]).startswith(key(first.name)[:50]) and len(raw.top_artists) > 1
    if match := re.fullmatch(r"Where in my listening does (.+) show\?", question):
        return fold(match[1]) in GenreCount(raw).shares
    if match := re.fullmatch(
        r"Which of my top tracks are on editions from the (\d{4})s\?", question
    ):
        return raw.decades[int(match[1])] > 0
    if match := re.fullmatch(rf"What did I play {CLOCK}\?", question):
        return raw.hours[int(match["start"])] > 0 and bool(match["utc"]) == (raw.zone is None)
    if question == "Which of my playlists fits a quiet evening?":
        return bool(raw.playlists)
    return question in {
        "What can you tell about my taste?",
        "Which parts of my listening can you see?",
        "What should I listen to next?",
    }
