"""What one listener's play log amounts to: ranked artists and tracks, recent plays, playlists."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeVar

from lyra.sandbox.catalogue import TrackKey, artist
from lyra.sandbox.names import DESCRIPTIONS, FIRST_NAMES, ODD_ARTISTS, PLAYLISTS
from lyra.sandbox.plays import DAY_MS, SANDBOX_NOW, Play, library, play_log
from lyra.sandbox.rng import Rng, spotify_id

K = TypeVar("K", bound=Hashable)

# Days that each of Spotify's ranges looks back.
TIME_RANGES = {"short_term": 28, "medium_term": 180, "long_term": 365}

RECENT_PLAYS = 50
HUGE_LIBRARY = 1_200
LISTENERS_KEPT = 512

# Shorter lists of playlists would be nothing but oddities.
ODDITIES_FROM = 12

Owner = Literal["listener", "friend", "spotify", "closed"]


@dataclass(frozen=True, slots=True)
class Playlist:
    """`closed` is the owner whose account is gone; a `total` of None is sent as null.

    With an `artist` it holds all that the listener knows of this artist. `unlisted` was made with
    `public: false`, which reads back as true. `revision` is how often its rows were changed.
    """

    id: str
    name: str
    description: str | None
    owner: Owner
    total: int | None
    public: bool | None
    collaborative: bool = False
    pictured: bool = True
    artist: int | None = None
    unlisted: bool = False
    revision: int = 0

    @property
    def on_profile(self) -> bool:
        """Whether the profile of its owner shows it."""
        return bool(self.public) and not self.unlisted


@dataclass(frozen=True, slots=True)
class Listener:
    """Ranked lists are most played first, by time range; `recent` is newest first.

    `library` is every track that the listener knows, best loved first.
    A None among the playlists is sent as null, as Spotify does for some of its own lists.
    """

    seed: int
    persona: str
    display_name: str | None
    artists: dict[str, tuple[int, ...]]
    tracks: dict[str, tuple[TrackKey, ...]]
    recent: tuple[Play, ...]
    playlists: tuple[Playlist | None, ...]
    library: tuple[TrackKey, ...]

    @property
    def id(self) -> str:
        """The same for every token of this seed and persona, whatever its faults."""
        return account_of(self.seed, self.persona)


def account_of(seed: int, persona: str) -> str:
    """The user id of this listener at Spotify."""
    return f"{persona}{seed}"


class Listeners:
    """Builds listeners on demand and keeps the most recently asked for; at most 512."""

    def __init__(self, now: datetime = SANDBOX_NOW) -> None:
        self._now = now
        self._kept: OrderedDict[tuple[int, str], Listener] = OrderedDict()
        self._building = asyncio.Lock()

    async def get(self, seed: int, persona: str) -> Listener:
        """The listener; the first time costs about 15 ms in a thread, 40 ms for `heavy`."""
        key = (seed, persona)
        if key not in self._kept:
            # One builder at a time: the work is bound by the interpreter lock anyway.
            async with self._building:
                if key not in self._kept:
                    await self._build(key)
        self._kept.move_to_end(key)
        return self._kept[key]

    async def _build(self, key: tuple[int, str]) -> None:
        self._kept[key] = await asyncio.to_thread(build_listener, *key, self._now)
        if len(self._kept) > LISTENERS_KEPT:
            self._kept.popitem(last=False)


def build_listener(seed: int, persona: str, now: datetime = SANDBOX_NOW) -> Listener:
    """The listener whose every list follows from the play log of this seed and persona."""
    log = play_log(seed, persona, now)
    rng = Rng("listener", seed, persona)
    name = f"{rng.pick(FIRST_NAMES)} {rng.pick('ABDEFHKLMNRSTV')}."
    ranges = {name: _since(log, now, days) for name, days in TIME_RANGES.items()}
    artists = {name: _ranked(key[0] for key in keys) for name, keys in ranges.items()}
    known = library(seed, persona)
    return Listener(
        seed=seed,
        persona=persona,
        display_name=None if seed % 11 == 0 else name,
        artists=artists,
        tracks={name: _ranked(keys) for name, keys in ranges.items()},
        # What is played in a private session is ranked in the end, but never listed as recent.
        recent=() if persona == "private_session" else log[:RECENT_PLAYS],
        playlists=_playlists(seed, persona, artists["long_term"], known),
        library=known,
    )


def _since(log: tuple[Play, ...], now: datetime, days: int) -> list[TrackKey]:
    start = int(now.timestamp()) * 1000 - days * DAY_MS
    return [key for at, key in log if at > start]


def _ranked(keys: Iterable[K]) -> tuple[K, ...]:
    """Most played first, the most recent play first among equals; one play is no affinity."""
    # Counter keeps the order of the log, and sorting is stable: newest first among equals.
    counts = Counter(keys)
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return tuple(key for key, count in ranked if count > 1)


def _playlists(
    seed: int, persona: str, favourites: tuple[int, ...], known: tuple[TrackKey, ...]
) -> tuple[Playlist | None, ...]:
    rng = Rng("playlists", seed, persona)
    wanted = {"empty": 0, "new": 1, "one_artist": 2, "heavy": 60 + rng.below(40)}
    # One is listed twice, which makes them 1,200.
    wanted["huge_library"] = HUGE_LIBRARY - 1
    count = wanted.get(persona, 14 + rng.below(24))
    lists = [_playlist(rng, seed, persona, place) for place in range(count)]
    tracks = Counter(key[0] for key in known)
    for place, index in zip(range(0, count, 4), favourites, strict=False):
        name = f"Mostly {artist(index).name}"
        lists[place] = replace(
            lists[place], name=name, owner="listener", total=tracks[index], artist=index
        )
    return _with_oddities(lists)


def _playlist(rng: Rng, seed: int, persona: str, place: int) -> Playlist:
    owner: Owner = "listener" if rng.percent(60) else rng.pick(("friend", "friend", "spotify"))
    return Playlist(
        id=spotify_id("playlist", seed, persona, place),
        name=rng.pick(PLAYLISTS) + ("" if place < len(PLAYLISTS) else f" {place}"),
        description=rng.pick(DESCRIPTIONS),
        owner=owner,
        total=1 + 3000 * rng.below(100) ** 4 // 10**8,
        public=rng.pick((True, True, False, None)),
        collaborative=rng.percent(5),
    )


def _with_oddities(lists: list[Playlist]) -> tuple[Playlist | None, ...]:
    """The lists, with what Spotify has been seen to send worked in; short ones stay plain."""
    if len(lists) < ODDITIES_FROM:
        return tuple(lists)
    anchor = '<a href="spotify:playlist:x">more</a> &lt;script&gt;alert(1)&lt;/script&gt;'
    odd: list[Playlist | None] = list(lists)
    odd[2] = None
    odd[3] = replace(lists[3], pictured=False, owner="listener")
    odd[5] = replace(lists[5], total=None)
    odd[6] = replace(lists[6], owner="friend", total=0, description=None)
    odd[7] = replace(lists[7], owner="closed", name="From a closed account")
    odd[9] = replace(lists[9], name=ODD_ARTISTS[11], description=anchor)
    odd[10] = replace(lists[10], name="\u202eReversed\u0000 list", description="\u2067a\nb")
    odd[11] = replace(lists[11], name="")
    odd.append(lists[1])  # a playlist listed twice
    return tuple(odd)
