"""Any body of any endpoint is a value or a SpotifyFailure."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from lyra.listening.models import SECTIONS, SectionName
from lyra.listening.parse import (
    Parsed,
    parse_artists,
    parse_playlists,
    parse_plays,
    parse_profile,
    parse_tracks,
)
from lyra.sandbox.pages import render
from lyra.spotify.failures import SpotifyFailure
from tests.support.spotify_answers import (
    ENDPOINT_OF,
    bodies,
    listener,
    mutated,
    rubbish,
    sandbox_bodies,
)

PARSERS: dict[SectionName, Callable[[bytes], Parsed[Any]]] = {
    "profile": parse_profile,
    "top_artists": parse_artists,
    "top_tracks": parse_tracks,
    "recently_played": parse_plays,
    "playlists": parse_playlists,
}
LISTS = SECTIONS[1:]


def parsed(section: SectionName, body: bytes) -> Parsed[Any] | None:
    """What the parser makes of the body; None for a failure that it names."""
    try:
        return PARSERS[section](body)
    except SpotifyFailure:
        return None


@pytest.mark.parametrize("section", SECTIONS)
@given(data=st.data())
def test_any_body_is_a_value_or_a_failure(section: SectionName, data: st.DataObject) -> None:
    found = parsed(section, data.draw(bodies(section)))

    assert found is None or len(found.items) <= 50


@pytest.mark.parametrize("section", SECTIONS)
@given(data=st.data())
def test_an_answer_of_the_sandbox_is_read_whole(section: SectionName, data: st.DataObject) -> None:
    body = data.draw(sandbox_bodies(section))
    tree = orjson.loads(body)
    rows = tree.get("items", [tree])
    # Without a name there is nothing to show; an episode is no music; nulls are Spotify's own.
    told = [row for row in rows if row and named(row)]

    found = parsed(section, body)

    assert found is not None
    names = {each.get("id") or place for place, each in enumerate(told)}
    assert len(found.items) == (len(names) if section == "playlists" else len(told))


def named(row: dict[str, Any]) -> bool:
    track = row.get("track", row)
    visible = track.get("name", "me").strip()
    return bool(visible) and track.get("type") != "episode"


@pytest.mark.parametrize("section", LISTS)
@given(data=st.data())
def test_one_bad_item_costs_that_item_alone(section: SectionName, data: st.DataObject) -> None:
    body = render(ENDPOINT_OF[section], {"limit": "4"}, listener("heavy"), "legacy")
    page = orjson.loads(body)
    whole = parsed(section, body)
    place = data.draw(st.integers(0, 3))
    page["items"][place] = data.draw(mutated(page["items"][place]) | rubbish)

    found = parsed(section, orjson.dumps(page))

    assert whole is not None
    assert found is not None
    lost = set(map(repr, whole.items)) - set(map(repr, found.items))
    assert len(lost) <= 1


@pytest.mark.parametrize("section", SECTIONS)
@given(data=st.data())
def test_a_truncated_body_is_never_taken_for_a_whole_one(
    section: SectionName, data: st.DataObject
) -> None:
    body = data.draw(sandbox_bodies(section))
    end = data.draw(st.integers(0, len(body) - 1))

    assert parsed(section, body[:end]) is None


@pytest.mark.parametrize("section", SECTIONS)
@given(
    key=st.sampled_from(("id", "items", "images", "unknown")),
    depth=st.integers(2_000, 100_000),
    opened=st.sampled_from((b"[", b'{"items":')),
)
def test_a_body_nested_without_measure_is_a_value_or_a_failure(
    section: SectionName, key: str, depth: int, opened: bytes
) -> None:
    closed = b"]" if opened == b"[" else b"}"
    nested = opened * depth + b"0" + closed * depth

    assert parsed(section, b'{"%b":%b}' % (key.encode(), nested)) is None
