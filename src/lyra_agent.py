"""The functions of `lyra.agent`, for code without an event loop: scripts, WSGI, notebooks.

    import lyra_agent

    result = lyra_agent.initialize_user_session(token)

Each call blocks until its answer is there, in any thread, also beside a running loop: the work is
done on an event loop in the background (see `lyra.agent.background_loop`), which ends with the
interpreter. Both modules share one cache.

`USER_CACHE` is a view of that cache. `CACHE_DURATION` is a `timedelta`: data fetched after
`lyra_agent.CACHE_DURATION = timedelta(minutes=5)` is fresh for five minutes.
"""

import re
import sys
from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from datetime import timedelta
from types import ModuleType

from lyra.agent import Answer, CacheEntry, configure, wait_for, wait_for_answer

__all__ = [
    "CACHE_DURATION",
    "USER_CACHE",
    "cache_stats",
    "clear_user_cache",
    "configure",
    "find_music",
    "get_cached_user_data",
    "get_comprehensive_user_data",
    "get_full_spotify_profile",
    "get_user_cache_key",
    "initialize_user_session",
    "save_playlist",
]

_LONGEST = timedelta(days=1)
_KEY = re.compile(r"[0-9a-f]{40}", re.ASCII)

CACHE_DURATION: timedelta  # kept by the module's class below


def initialize_user_session(token: str) -> Answer:
    """Load the listener, or find them in the cache.

    Returns {"success": True, "message", "summary", "profile", "genre_analysis", "sections",
    "cache"}, or a failure. `sections` says of each part of Spotify's data whether it could be read.
    """
    return wait_for_answer(lambda lyra: lyra.initialize_user_session(token))


def get_cached_user_data(token: str) -> Answer | None:
    """Return the data that is held, or None when nothing fresh is; never asks Spotify."""
    return wait_for_answer(lambda lyra: lyra.get_cached_user_data(token))


def get_comprehensive_user_data(token: str) -> Answer:
    """Return the data that is held, else fetch and keep it; or a failure."""
    return wait_for_answer(lambda lyra: lyra.get_comprehensive_user_data(token))


def get_full_spotify_profile(token: str) -> Answer:
    """Return data fetched now, of which nothing is kept; or a failure. Costs five calls."""
    return wait_for_answer(lambda lyra: lyra.get_full_spotify_profile(token))


def find_music(token: str, items: Sequence[Mapping[str, str]]) -> Answer:
    """Look 1 to 12 items up in Spotify's catalogue: {"artist", "title"?, "kind"?} each.

    Returns {"success": True, "items", "searches"}, or a failure. Each of `items` has `asked` and
    `found`; with `item` (uri, name, artists, album, year ...) and `known`, which says where this
    listener's data hold it and is None for music that is new; or with `reason` and `message`.
    `searches` is how many calls it took; what is known from earlier ones takes none.
    """
    return wait_for_answer(lambda lyra: lyra.find_music(token, items))


def save_playlist(token: str, name: str, uris: Sequence[str]) -> Answer:
    """Make a playlist of 1 to 100 tracks ("spotify:track:..."), each once, in this order.

    Returns {"success": True, "playlist": {"uri", "url", "name", "count"}}, or a failure. The same
    call within half an hour makes no second playlist: it returns the first one, or goes on with it
    where it stopped. The token needs the scope playlist-modify-private. The playlist is not shown on
    the listener's profile.
    """
    return wait_for_answer(lambda lyra: lyra.save_playlist(token, name, uris))


def clear_user_cache(token: str | None = None) -> Answer:
    """Forget this listener; without a token, everybody. A running fetch brings nothing back."""
    return wait_for_answer(lambda lyra: lyra.clear_user_cache(token))


def cache_stats() -> dict[str, int]:
    """Return the cache's counters (names in `_total`) and sizes."""
    return wait_for(lambda lyra: lyra.cache_stats())


def get_user_cache_key(token: str) -> str:
    """Return the key hash under which this token's listener is kept.

    Raises:
        ValueError: It is not a token.
    """
    return wait_for(lambda lyra: lyra.key_of(token))


class UserCache(Mapping[str, CacheEntry]):
    """The fresh entries of the cache, by key hash; read-only.

    Each access reads the cache anew and decodes the entry. `items` and `values` are snapshots.
    """

    def __len__(self) -> int:
        return len(self._keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def __contains__(self, key: object) -> bool:
        return key in self._keys()

    def __getitem__(self, key: str) -> CacheEntry:
        # A token that is passed by mistake must not get into a log or an exception.
        well_formed = _KEY.fullmatch(str(key))
        entry = wait_for(lambda lyra: lyra.cached_entry(key)) if well_formed else None
        if entry is None:
            raise KeyError("nothing fresh is held under this key hash")
        return entry

    def items(self) -> ItemsView[str, CacheEntry]:
        # An entry that expires in between is left out.
        return {key: entry for key in self if (entry := self.get(key))}.items()

    def values(self) -> ValuesView[CacheEntry]:
        return dict(self.items()).values()

    def _keys(self) -> list[str]:
        return wait_for(lambda lyra: lyra.cached_keys())


USER_CACHE = UserCache()


class _Module(ModuleType):
    """A module in which assigning `CACHE_DURATION` has an effect."""

    @property
    def CACHE_DURATION(self) -> timedelta:  # noqa: N802 - a constant's name, as its users know it
        return timedelta(seconds=wait_for(lambda lyra: lyra.cache_duration_s()))

    @CACHE_DURATION.setter
    def CACHE_DURATION(self, duration: timedelta) -> None:  # noqa: N802
        if not isinstance(duration, timedelta):
            raise TypeError(f"CACHE_DURATION is a timedelta, not {type(duration).__name__}")
        if not timedelta() < duration <= _LONGEST:
            raise ValueError("CACHE_DURATION is more than nothing and at most a day")
        wait_for(lambda lyra: lyra.keep_for(duration.total_seconds()))

    @CACHE_DURATION.deleter
    def CACHE_DURATION(self) -> None:  # noqa: N802
        # Undoing a patched attribute deletes it: back to what the settings say.
        wait_for(lambda lyra: lyra.keep_for(None))


sys.modules[__name__].__class__ = _Module
