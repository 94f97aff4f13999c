"""How near the genre analysis comes to what the sandbox's listeners really played."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import mean
from typing import NamedTuple

from lyra.listening.genres import analyse_genres, normalise
from lyra.listening.parse import parse_artists, parse_plays, parse_tracks
from lyra.sandbox.catalogue import artist
from lyra.sandbox.listeners import TIME_RANGES, build_listener
from lyra.sandbox.pages import Endpoint, render
from lyra.sandbox.plays import DAY_MS, SANDBOX_NOW, play_log

_SINCE = int(SANDBOX_NOW.timestamp()) * 1000 - TIME_RANGES["medium_term"] * DAY_MS


class Accuracy(NamedTuple):
    """Total variation distance, and the part of the listeners whose first genre is right."""

    mean: float
    worst: float
    first_right: float


def measure_genres(persona: str, seeds: Iterable[int]) -> Accuracy:
    """Return how far the told shares of these listeners are from those of their plays.

    Those are left out for whom no genre is told.
    """
    all_pairs = [(_told(seed, persona), _played(seed, persona)) for seed in seeds]
    pairs = [(told, played) for told, played in all_pairs if told]
    distances = [_distance(told, played) for told, played in pairs]
    first = [
        max(told, key=told.__getitem__) == max(played, key=played.__getitem__)
        for told, played in pairs
    ]
    return Accuracy(mean(distances), max(distances), mean(first))


def _played(seed: int, persona: str) -> Mapping[str, float]:
    """The genres of the plays of half a year, where they are known: the main artist's, in parts."""
    parts: defaultdict[str, float] = defaultdict(float)
    for at, (index, _) in play_log(seed, persona):
        genres = {normalise(genre) for genre in artist(index).genres} if at > _SINCE else ()
        for genre in genres:
            parts[genre] += 1 / len(genres)
    total = sum(parts.values())
    return {genre: part / total for genre, part in parts.items()}


def _told(seed: int, persona: str) -> Mapping[str, float]:
    listener = build_listener(seed, persona)

    def body(endpoint: Endpoint) -> bytes:
        return render(endpoint, {"limit": "50"}, listener, "legacy")

    analysis = analyse_genres(
        parse_artists(body("artists")).items,
        parse_tracks(body("tracks")).items,
        parse_plays(body("recent")).items,
    )
    return {normalise(genre.name): genre.share for genre in analysis.genres}


def _distance(told: Mapping[str, float], played: Mapping[str, float]) -> float:
    """Half the sum of the differences; all genres that are not told are one."""
    apart = [abs(share - played.get(genre, 0)) for genre, share in told.items()]
    rest = sum(share for genre, share in played.items() if genre not in told)
    return (sum(apart) + abs(1 - sum(told.values()) - rest)) / 2
