"""The embedded Python API: functions for a whole process, and the object behind them.

"Agent" is the published name of this API; it is not an LLM agent.

    from lyra.agent import initialize_user_session

    result = await initialize_user_session(token)

The functions share one `Lyra` (`facade`) on an event loop of its own (`background_loop`). A program
that wants it on its own event loop, or several side by side, opens a `Lyra` itself, whose methods
have the same names: `async with open_lyra(settings) as lyra`. The web service does so.

A function that takes a token returns a failure as {"success": False, "error": {...}, "message": ...}
instead of raising it. Only a wrong setting in the environment raises: SettingError.
"""

import asyncio
import concurrent.futures
from collections.abc import Mapping, Sequence
from typing import TypeVar

from lyra.agent.background_loop import Work, background_loop
from lyra.agent.facade import (
    FIND_TIMEOUT_S,
    Answer,
    CacheEntry,
    Lyra,
    failure_answer,
    open_lyra,
)
from lyra.errors import DrainingError, SpotifyTimeoutError
from lyra.settings import Settings

__all__ = [
    "Answer",
    "CacheEntry",
    "Lyra",
    "cache_stats",
    "clear_user_cache",
    "configure",
    "find_music",
    "get_cached_user_data",
    "get_comprehensive_user_data",
    "get_full_spotify_profile",
    "initialize_user_session",
    "open_lyra",
    "save_playlist",
]

T = TypeVar("T")

_SLACK_S = 5.0 + FIND_TIMEOUT_S  # what takes longer than its own deadlines is stuck
_ENDING = "This program is ending, so the call was given up."


async def initialize_user_session(token: str) -> Answer:
    """Load the listener, or find them in the cache.

    Returns {"success": True, "message", "summary", "profile", "genre_analysis", "sections",
    "cache"}, or a failure. `sections` says of each part of Spotify's data whether it could be read.
    """
    return await _submit(lambda lyra: lyra.initialize_user_session(token))


async def get_cached_user_data(token: str) -> Answer | None:
    """Return the data that is held, or None when nothing fresh is; never asks Spotify."""
    return await _submit(lambda lyra: lyra.get_cached_user_data(token))


async def get_comprehensive_user_data(token: str) -> Answer:
    """Return the data that is held, else fetch and keep it; or a failure."""
    return await _submit(lambda lyra: lyra.get_comprehensive_user_data(token))


async def get_full_spotify_profile(token: str) -> Answer:
    """Return data fetched now, of which nothing is kept; or a failure. Costs five calls."""
    return await _submit(lambda lyra: lyra.get_full_spotify_profile(token))


async def find_music(token: str, items: Sequence[Mapping[str, str]]) -> Answer:
    """Look 1 to 12 items up in Spotify's catalogue: {"artist", "title"?, "kind"?} each.

    Returns {"success": True, "items", "searches"}, or a failure. Each of `items` has `asked` and
    `found`; with `item` (uri, name, artists, album, year ...) and `known`, which says where this
    listener's data hold it and is None for music that is new; or with `reason` and `message`.
    `searches` is how many calls it took; what is known from earlier ones takes none.
    """
    return await _submit(lambda lyra: lyra.find_music(token, items))


async def save_playlist(token: str, name: str, uris: Sequence[str]) -> Answer:
    """Make a playlist of 1 to 100 tracks ("spotify:track:..."), each once, in this order.

    Returns {"success": True, "playlist": {"uri", "url", "name", "count"}}, or a failure. The same
    call within half an hour makes no second playlist: it returns the first one, or goes on with it
    where it stopped. The token needs the scope playlist-modify-private. The playlist is not shown on
    the listener's profile.
    """
    return await _submit(lambda lyra: lyra.save_playlist(token, name, uris))


async def clear_user_cache(token: str | None = None) -> Answer:
    """Forget this listener; without a token, everybody. A running fetch brings nothing back."""
    return await _submit(lambda lyra: lyra.clear_user_cache(token))


async def cache_stats() -> dict[str, int]:
    """Return the cache's counters (names in `_total`) and sizes."""
    return await _submit(lambda lyra: lyra.cache_stats())


def configure(settings: Settings) -> None:
    """Use these settings in place of the environment's, from the next call on.

    Entries under other settings are forgotten.

    Raises:
        TypeError: These are not `lyra.settings.Settings`.
    """
    if not isinstance(settings, Settings):
        raise TypeError(f"configure takes lyra.settings.Settings, not {type(settings).__name__}")
    background_loop().configure(settings)


def wait_for(work: Work[T]) -> T:
    """Do this work from a thread that may wait, and return what it brings.

    Raises:
        TimeoutError: It takes longer than any fetch may; it is cancelled.
    """
    future = background_loop().submit(work)
    try:
        return future.result(background_loop().settings().spotify_timeout_s + _SLACK_S)
    except BaseException:  # Ctrl-C too: the caller needs nothing any more
        future.cancel()
        raise


def wait_for_answer(work: Work[T]) -> T | Answer:
    """Do this work from a thread that may wait; return a failure if it was given up."""
    try:
        return wait_for(work)
    except TimeoutError:
        return failure_answer(SpotifyTimeoutError())
    except concurrent.futures.CancelledError:
        return failure_answer(DrainingError(_ENDING))


async def _submit(work: Work[T]) -> T:
    return await asyncio.wrap_future(background_loop().submit(work))
