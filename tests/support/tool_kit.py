"""A toolbox for tests that need none: its Spotify is never asked."""

from random import Random
from typing import Any

from lyra.cache.keys import KeyMaker
from lyra.cache.listeners import ListenerCache
from lyra.catalogue.budgets import SearchBudgets
from lyra.catalogue.search import CatalogueSearch
from lyra.chat.tools.toolbox import Toolbox
from lyra.clocks import wall_clock
from lyra.metrics import Metrics
from lyra.playlists.proposals import Proposals
from lyra.settings import Settings
from lyra.spotify.token import Token


class NoSpotify:
    """Reads nothing for anybody."""

    def reader(self, _: Token) -> Any:
        raise AssertionError


def make_toolbox(settings: Settings) -> Toolbox:
    """A toolbox whose calls would fail; with `tools="off"` in the settings none are offered."""
    nowhere: Any = NoSpotify()
    budgets = SearchBudgets(settings, entries=1, wall_clock=lambda: 0.0)
    search = CatalogueSearch(nowhere, KeyMaker(), budgets, clock=lambda: 0.0)
    listeners = ListenerCache(settings, nowhere, Metrics(), rng=Random(7), wall_clock=wall_clock)
    proposals = Proposals(settings, listeners.keys, None, wall_clock=wall_clock)
    return Toolbox(settings, search, budgets, listeners, proposals)
