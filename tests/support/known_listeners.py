"""Listeners as the responder knows them, small enough to see all of an answer."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lyra.responder.listener import (
    Artist,
    Credit,
    Genre,
    Listener,
    Play,
    Playlist,
    Section,
    Track,
    Voice,
)

VOICE = Voice("I am nobody.", "Without a language model", "It stays here.")


def artist(name: str, rank: int | None = 1, genres: tuple[str, ...] = ()) -> Artist:
    return Artist(name, name.casefold(), genres=genres, rank=rank)


def track(name: str, by: str, rank: int | None = None, **about: Any) -> Track:
    known = Track(name, f"{name} {by}", credits=(Credit(by, by.casefold()),), rank=rank)
    return replace(known, **about)


def play(heard: Track, ended: str = "2026-11-20T21:10:00") -> Play:
    moment = datetime.fromisoformat(ended).replace(tzinfo=UTC)
    return Play(heard, moment.hour, moment)


LIGHTS = track("Harbour Lights", "Velmora Dusk", 1, year=1994, album="Salt Rooms", duration_s=185)
TRAM = track("Late Tram", "Ostrin", 2, year=2019)
HUM = track("Hum", "Low Lamps", 3, year=1987)

LISTENER = Listener(
    name="Wenda",
    artists=(
        artist("Velmora Dusk", 1, ("shoegaze", "dream pop")),
        artist("Ostrin", 2, ("dream pop",)),
        artist("Low Lamps", 3),
        artist("Songs", 4),
    ),
    tracks=(LIGHTS, TRAM, HUM),
    plays=(play(LIGHTS), play(LIGHTS, "2026-11-20T20:40:00"), play(TRAM, "2026-11-19T08:00:00")),
    playlists=(
        Playlist("Quiet desk", 38, owned=True),
        Playlist("Rain", 1, owned=False),
        Playlist("On Repeat"),
    ),
    playlists_total=3,
    genres=(Genre("dream pop", 0.75), Genre("shoegaze", 0.25)),
    genres_known_for="known for 2 of 4 artists",
    read_at=datetime(2026, 11, 20, 23, tzinfo=UTC),
)
EMPTY = Listener(read_at=LISTENER.read_at)
ONE = Listener(
    artists=LISTENER.artists[:1],
    tracks=(LIGHTS,),
    plays=LISTENER.plays[:1],
    playlists=LISTENER.playlists[:1],
    genres=LISTENER.genres[:1],
    read_at=LISTENER.read_at,
)


def without(section: Section, sentence: str) -> Listener:
    """The listener of whom this section was not read."""
    empty: dict[str, Any] = {section: ()}
    return replace(LISTENER, **empty, gaps={section: sentence})
