"""The catalogue's searches of several processes over one Redis, each with a gateway of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

from lyra.cache.keys import KeyMaker
from lyra.catalogue.budgets import SearchBudgets
from lyra.catalogue.search import CatalogueSearch, SearchesSpotify
from lyra.catalogue.shared_results import SharedResults
from lyra.metrics import Metrics
from lyra.redis.counters import SharedCounters
from lyra.redis.gateway import RedisGateway, open_redis
from lyra.redis.listener_store import SharedListeners
from lyra.redis.protocol import Timing
from lyra.settings import Settings
from tests.catalogue.conftest import Searches
from tests.redis.conftest import SECRET


class SearchProcess(Searches):
    """The searches of one process, and what it has to do with Redis."""

    def __init__(
        self,
        search: CatalogueSearch,
        budgets: SearchBudgets,
        gateway: RedisGateway,
        shared: SharedListeners,
    ) -> None:
        super().__init__(search, budgets)
        self.gateway = gateway
        self.shared = shared


@asynccontextmanager
async def search_processes(
    number: int,
    url: str,
    spotify: SearchesSpotify,
    settings: Settings,
    *,
    clock: Callable[[], float],
    timing: Timing,
    wait_s: float = 10,
) -> AsyncIterator[list[SearchProcess]]:
    """Give so many processes that search this Spotify; `wait_s`: for each other."""
    async with AsyncExitStack() as stack:
        members = []
        for _ in range(number):
            gateway = await stack.enter_async_context(
                open_redis(url, Metrics(), clock=clock, rng=Random(1), timing=timing)
            )
            budgets = SearchBudgets(
                settings, entries=100, wall_clock=clock, shared=SharedCounters(gateway)
            )
            shared = SharedListeners(gateway)
            search = CatalogueSearch(
                spotify,
                KeyMaker(SECRET),
                budgets,
                clock=clock,
                shared=SharedResults(shared, SECRET),
                shared_wait_s=wait_s,
            )
            stack.push_async_callback(search.close)
            members.append(SearchProcess(search, budgets, gateway, shared))
        yield members
