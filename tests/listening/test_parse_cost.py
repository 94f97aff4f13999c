"""What Spotify's bodies cost: no objects for what is passed over, no work that grows past a bound."""

import asyncio
import tracemalloc
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from lyra.listening.parse import (
    Page,
    parse_artists,
    parse_playlists,
    parse_plays,
    parse_tracks,
    read_artists,
    read_playlists,
    read_plays,
    read_profile,
    read_tracks,
)
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.transport import BODY_LIMIT
from tests.support.steps import steps_of

READERS = [read_profile, read_artists, read_tracks, read_plays, read_playlists]
SIZES = [BODY_LIMIT, 384 * 1024]  # the second is the largest that is read in one go


def filled(begin: str, unit: str, end: str) -> Callable[[int], bytes]:
    """A body that is filled up with one text over and over."""
    return lambda size: (
        begin + unit * ((size - len(begin) - len(end)) // len(unit)) + end
    ).encode()


def item(unit: str, end: str = "") -> Callable[[int], bytes]:
    return filled('{"id":"x","items":[{"name":"a"', unit, end + "}]}")


MENDING = 1_500_000  # ten thousand broken characters, each a piece of text for a moment
HOSTILE = {
    "empty items": filled('{"items":[', "{},", "{}]}"),
    "items behind fifty": filled('{"items":[' + '{"name":"a"},' * 50, "[],", "1]}"),
    "numbers for items": filled('{"items":[{"name":"a"},', "1,", "1]}"),
    "a bad item last": filled('{"items":[', "{},", '{"name":1}]}'),
    "unknown members": item(',"":1'),
    "one member over and over": item(',"id":"ab"'),
    "albums over and over": item(',"album":{}'),
    "sizes over and over": item(',"items":{}'),
    "pictures": filled('{"id":"x","items":[{"name":"a","images":[', "{},", "{}]}]}"),
    "an album's pictures": filled('{"items":[{"name":"a","album":{"images":[', "{},", "{}]}}]}"),
    "genres": filled('{"items":[{"name":"a","genres":[', '"ab",', '"b"]}]}'),
    "artists": filled('{"items":[{"name":"a","artists":[', "{},", "{}]}]}"),
    "a play's artists": filled('{"items":[{"track":{"name":"a","artists":[', "{},", "{}]}}]}"),
    "popularity of lists": filled('{"items":[{"name":"a","popularity":[', "[],", "1]}]}"),
    "followers of objects": filled('{"id":"x","followers":[', "{},", "{}]}"),
    "a length of lists": filled('{"items":[{"name":"a","duration_ms":[', "[],", "1]}]}"),
    "a total of lists": filled('{"items":[{"name":"a","tracks":{"total":[', "[],", "1]}}]}"),
    "half pairs": filled('{"items":[{"name":"', "\\ud800", '"}]}'),
    "backslashes and half a pair": filled('{"items":[{"name":"\\ud800', "\\\\", '"}]}'),
}


def peak_of(work: Callable[[bytes], Page[Any]], body: bytes) -> int:
    """The most memory that was in use at once while this body was read and trimmed."""
    tracemalloc.start()
    try:
        work(body).parse_all()
    except SpotifyFailure:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("read", READERS)
def test_no_body_becomes_more_than_copies_of_itself(read: Any, kind: str, size: int) -> None:
    body = HOSTILE[kind](size)

    assert peak_of(read, body) <= 3.2 * len(body) + MENDING


@pytest.mark.parametrize("digits", ["9" * 5_000, "0." + "3" * 5_000, "1.7976931348623157e308" * 2])
def test_a_number_nobody_needs_is_not_read(digits: str) -> None:
    page = f'{{"items":[{{"name":"a","duration_ms":{digits},"images":[{{"width":{digits}}}]}}]}}'

    if digits.count("e") > 1:  # no number at all: the body is broken
        with pytest.raises(SpotifyFailure):
            parse_tracks(page.encode())
    else:
        assert parse_tracks(page.encode()).items[0].duration_ms is None


def test_a_width_that_is_no_number_costs_nothing_but_itself() -> None:
    images = [{"url": "https://img.example/1", "width": {"px": 300}}]
    page = orjson.dumps({"items": [{"name": "a", "images": images}]})

    assert parse_artists(page).items[0].image == "https://img.example/1"


def test_what_is_wrong_behind_fifty_items_costs_nothing() -> None:
    page = orjson.dumps({"items": [{"name": f"{at}"} for at in range(50)] + [{"name": 5}, 7]})

    assert (len(parse_playlists(page).items), parse_playlists(page).skipped) == (50, 0)


def test_what_is_wrong_behind_what_is_kept_of_an_items_lists_costs_nothing() -> None:
    artists = [{"name": f"{at}"} for at in range(20)] + [{"name": 5}]
    page = orjson.dumps({"items": [{"name": "a", "artists": artists}]})

    assert len(parse_tracks(page).items[0].artists) == 20


@pytest.mark.parametrize("parse", [parse_artists, parse_tracks, parse_plays, parse_playlists])
def test_a_large_page_is_read_as_a_small_one(parse: Any) -> None:
    rows = [
        {"name": f"{at}", "track": {"name": f"{at}"}, "id": f"{at}", "more": ["x" * 9_000]}
        for at in range(60)
    ]
    large = orjson.dumps({"items": rows})
    small = orjson.dumps({"items": [{**row, "more": None} for row in rows]})

    assert len(large) > SIZES[1] > len(small)
    assert parse(large) == parse(small)


def test_an_item_far_larger_than_any_is_left_out_of_a_large_page() -> None:
    rows = [{"name": "huge", "more": "x" * SIZES[1]}, {"name": "usual"}]
    parsed = parse_artists(orjson.dumps({"items": rows}))

    assert ([kept.name for kept in parsed.items], parsed.skipped) == (["usual"], 1)


def test_a_profile_far_larger_than_any_is_none() -> None:
    with pytest.raises(SpotifyFailure) as caught:
        read_profile(orjson.dumps({"id": "wenda", "more": "x" * 70_000}))
    assert caught.value.code == "unexpected_shape"


def test_half_pairs_are_mended_up_to_a_bound() -> None:
    half = '{"items":[{"name":"' + "\\ud800" * 9_999 + '"}]}'
    more = '{"items":[{"name":"' + "\\ud800" * 10_001 + '"}]}'

    assert parse_artists(half.encode()).items[0].name.startswith("\ufffd\ufffd")
    with pytest.raises(SpotifyFailure) as caught:
        parse_artists(more.encode())
    assert caught.value.code == "truncated"


def steps(page: bytes) -> int:
    async def work() -> None:
        for _ in read_tracks(page).trimmed:
            pass

    return asyncio.run(steps_of(work()))


@pytest.mark.parametrize("length", [1, 10, 100, 300, 900])
@pytest.mark.parametrize("unit", ["ن\u0315\u0300\u200d", "👩\u200d", "a\u0301\u0315", "\u200d"])
def test_the_names_of_one_track_cost_no_more_than_a_bound(unit: str, length: int) -> None:
    row = {
        "name": unit * 2_000,
        "artists": [{"name": (unit * length)[:length]} for _ in range(20)],
        "album": {"name": unit * 2_000},
    }

    assert steps(orjson.dumps({"items": [row]})) <= 350_000
