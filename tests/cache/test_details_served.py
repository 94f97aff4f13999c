"""Details from the sandbox over sockets, through the real client."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from random import Random
from typing import NamedTuple

import pytest

from lyra.cache.entry import Entry
from lyra.cache.listeners import ListenerCache
from lyra.errors import SpotifyTokenRejectedError
from lyra.listening.details import (
    Detail,
    DetailRefusedError,
    PlaylistTracks,
    TopItems,
    TopSection,
    WantedDetail,
)
from lyra.metrics import Metrics
from lyra.sandbox.server import Sandbox
from lyra.sandbox.tokens import sandbox_token
from lyra.settings import Settings
from lyra.spotify.client import open_spotify
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token

REGIMES = ("restricted", "legacy", "mixed")


class Served(NamedTuple):
    """A cache over a client of the sandbox."""

    cache: ListenerCache
    metrics: Metrics
    sandbox: Sandbox

    async def entry(self, token: Token) -> Entry:
        return await (await self.cache.lookup(token)).entry()

    async def ask(self, token: Token, wanted: WantedDetail) -> Detail:
        return await self.cache.detail(token, await self.entry(token), wanted)


@pytest.fixture
async def served(sandbox: Sandbox) -> AsyncIterator[Served]:
    settings, metrics = Settings(spotify_api_url=sandbox.api_url), Metrics()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_spotify(settings, metrics, rng=Random(7)))
        cache = ListenerCache(
            settings, client, metrics, rng=Random(7), wall_clock=lambda: 1_795_000_000.0
        )
        stack.push_async_callback(cache.close)
        yield Served(cache, metrics, sandbox)


def token_of(persona: str = "typical", regime: str = "restricted", *faults: str) -> Token:
    return Token(sandbox_token(7, persona, regime, *faults))


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("section", ["top_artists", "top_tracks"])
async def test_the_ranges_differ_as_taste_drifts(
    served: Served, section: TopSection, regime: str
) -> None:
    token = token_of("typical", regime)
    short = await served.ask(token, TopItems(section, "short_term"))
    medium = await served.ask(token, TopItems(section, "medium_term"))
    long = await served.ask(token, TopItems(section, "long_term"))
    lists = [each.artists or each.tracks for each in (short, medium, long)]

    assert all(0 < len(each) <= 50 for each in lists)
    assert len({each[:10] for each in lists}) == 3
    assert [each[0].rank for each in lists] == [1, 1, 1]
    assert served.sandbox.stats.total == 7


@pytest.mark.parametrize("regime", REGIMES)
async def test_an_own_playlists_tracks_are_read_and_its_traps_passed_over(
    served: Served, regime: str
) -> None:
    token = token_of("typical", regime)
    listening = (await served.entry(token)).listening()
    own = [each for each in listening.playlists if each.owned and (each.total or 0) >= 10]
    detail = await served.ask(token, PlaylistTracks(own[0].uri or ""))

    assert 0 < len(detail.tracks) <= 50
    assert detail.total == own[0].total
    # Of the first rows one is empty, one an episode, two are local files.
    assert (detail.skipped, detail.episodes, detail.local_files) == (4, 1, 2)
    assert all(track.uri and track.uri.startswith("spotify:track:") for track in detail.tracks)


async def test_somebody_elses_playlist_is_refused_without_a_call(served: Served) -> None:
    token = token_of()
    listening = (await served.entry(token)).listening()
    theirs = [each for each in listening.playlists if not each.owned]
    for each in theirs:
        with pytest.raises(DetailRefusedError):
            await served.ask(token, PlaylistTracks(each.uri or ""))

    assert theirs
    assert served.sandbox.stats.total == 5


async def test_a_token_that_was_revoked_meanwhile_takes_its_data_along(served: Served) -> None:
    token = token_of("revoked_midway")
    with pytest.raises(SpotifyTokenRejectedError):
        await served.ask(token, TopItems("top_tracks", "short_term"))

    stats = served.cache.stats()
    assert (stats["entries"], stats["rejected"], stats["flights"]) == (0, 1, 0)
    assert served.sandbox.stats.total == 5 + 2  # /me was asked too


async def test_a_fault_of_spotifys_is_told_by_its_code(served: Served) -> None:
    token = token_of("typical", "restricted", "404-items")
    listening = (await served.entry(token)).listening()
    own = next(each for each in listening.playlists if each.owned)
    with pytest.raises(SpotifyFailure) as raised:
        await served.ask(token, PlaylistTracks(own.uri or ""))

    assert raised.value.code == "not_found"


async def test_no_id_is_a_label(served: Served) -> None:
    token = token_of()
    listening = (await served.entry(token)).listening()
    for own in [each for each in listening.playlists if each.owned][:2]:
        await served.ask(token, PlaylistTracks(own.uri or ""))
    text = served.metrics.render().decode()

    assert 'lyra_spotify_calls_total{outcome="ok",section="playlist_items"} 2.0' in text
    assert "spotify:" not in text
