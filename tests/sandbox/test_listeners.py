"""The data of invented listeners: deterministic, and of one piece."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from lyra.sandbox import PERSONAS
from lyra.sandbox.catalogue import ARTISTS, ODD_INDEXES, artist
from lyra.sandbox.listeners import LISTENERS_KEPT, Listeners, build_listener
from lyra.sandbox.names import ODD_ARTISTS
from lyra.sandbox.plays import DAY_MS, HABITS, SANDBOX_NOW, play_log
from lyra.sandbox.rng import Rng, spotify_id
from lyra.sandbox.tokens import REFUSED_PERSONAS

# Changes only when the invented data changes on purpose; the same on every platform.
GOLDEN = "de6dc07106e59cb2"

_DIGEST = """
from hashlib import sha256
from lyra.sandbox.listeners import build_listener
from lyra.sandbox.playlist_contents import contents_page
from lyra.sandbox.pages import ENDPOINTS, render
from lyra.sandbox.plays import HABITS
digest = sha256()
for persona in HABITS:
    for regime in ("restricted", "legacy", "mixed"):
        listener = build_listener(7, persona)
        for endpoint in ENDPOINTS:
            digest.update(render(endpoint, {}, listener, regime))
        for each in listener.playlists[:5]:
            if each:
                page = contents_page(each.id, "items", {}, listener, regime)
                digest.update(page.body)
print(digest.hexdigest()[:16])
"""


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_every_process_invents_the_same_bytes(hash_seed: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter, our own text
        [sys.executable, "-c", _DIGEST],
        env={"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == GOLDEN


@pytest.mark.parametrize("persona", ["typical", "heavy", "one_artist"])
def test_the_top_artist_is_the_most_played_of_the_last_180_days(persona: str) -> None:
    start = int(SANDBOX_NOW.timestamp()) * 1000 - 180 * DAY_MS
    counts = Counter(key[0] for at, key in play_log(3, persona) if at > start)

    ranked = build_listener(3, persona).artists["medium_term"]

    assert counts[ranked[0]] == max(counts.values())
    assert [counts[each] for each in ranked] == sorted(
        (count for count in counts.values() if count > 1), reverse=True
    )


def test_the_recent_plays_are_the_newest_fifty_of_the_log() -> None:
    log = play_log(3, "typical")

    assert build_listener(3, "typical").recent == log[:50]
    assert all(newer[0] > older[0] for newer, older in pairwise(log))


def test_no_play_lies_after_now_or_more_than_a_year_before() -> None:
    now = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)

    log = play_log(5, "typical", now)

    assert log[0][0] <= now.timestamp() * 1000
    assert log[-1][0] >= (now - timedelta(days=366)).timestamp() * 1000


def test_the_three_time_ranges_differ() -> None:
    artists = build_listener(7, "typical").artists

    assert len({ranked[:20] for ranked in artists.values()}) == 3


def test_seeds_and_personas_make_different_listeners() -> None:
    logs = {play_log(seed, persona)[:5] for seed in (1, 2) for persona in ("typical", "heavy")}

    assert len(logs) == 4


def test_a_new_listener_has_recent_plays_and_short_top_lists() -> None:
    listener = build_listener(7, "new")

    assert listener.recent
    assert len(listener.artists["medium_term"]) < 20
    assert len(listener.playlists) == 1


def test_an_empty_listener_has_nothing() -> None:
    listener = build_listener(7, "empty")

    assert not listener.recent
    assert not listener.playlists
    assert not listener.tracks["long_term"]


def test_a_listener_of_one_artist_has_one_top_artist() -> None:
    assert len(build_listener(7, "one_artist").artists["long_term"]) == 1


def test_a_listener_of_odd_names_hears_nothing_else() -> None:
    ranked = build_listener(7, "odd").artists["long_term"]

    assert {artist(each).name for each in ranked} <= set(ODD_ARTISTS)
    assert len(ranked) > 10


def test_the_typical_listener_of_seed_7_meets_an_odd_name_but_not_at_the_top() -> None:
    ranked = build_listener(7, "typical").artists["medium_term"]

    assert set(ranked[:50]) & set(ODD_INDEXES)
    assert not set(ranked[:3]) & set(ODD_INDEXES)


def test_about_one_artist_in_five_has_no_genres() -> None:
    without = sum(not artist(index).genres for index in range(ARTISTS))

    assert 0.20 < without / ARTISTS < 0.24


async def test_a_listener_is_built_once() -> None:
    listeners = Listeners()

    first = await listeners.get(1, "new")

    assert await listeners.get(1, "new") is first


async def test_old_listeners_are_forgotten() -> None:
    listeners = Listeners()
    first = await listeners.get(0, "empty")

    for seed in range(1, LISTENERS_KEPT + 1):
        await listeners.get(seed, "empty")

    assert await listeners.get(0, "empty") is not first


def test_random_numbers_stay_below_their_bound_and_spread() -> None:
    rng = Rng("test")

    counts = Counter(rng.below(6) for _ in range(6_000))

    assert set(counts) == set(range(6))
    assert all(850 < count < 1_150 for count in counts.values())


def test_weighted_draws_follow_the_weights() -> None:
    rng = Rng("test")

    counts = Counter(rng.weighted((1, 1, 4)) for _ in range(4_000))

    assert counts[1] == 0
    assert 2.5 < counts[2] / counts[0] < 3.5


def test_ids_look_like_spotifys() -> None:
    assert len(spotify_id("track", 1)) == 22
    assert spotify_id("track", 1).isalnum()
    assert spotify_id("track", 1) != spotify_id("track", 2)


def test_every_persona_that_is_let_in_has_habits() -> None:
    assert set(PERSONAS) - set(REFUSED_PERSONAS) == set(HABITS)
