"""Find what somebody names: several items at once, each with how it went."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lyra.catalogue.budgets import AnswerBudget, Bound, SearchRefusedError
from lyra.catalogue.folding import fold_artist
from lyra.catalogue.items import Item, Kind, Wanted
from lyra.catalogue.matching import find_match
from lyra.catalogue.queries import Query, plan_queries, query_artist
from lyra.catalogue.search import CatalogueSearch
from lyra.spotify.failures import FailureCode, SpotifyFailure
from lyra.spotify.token import Token

MAX_WANTED = 12  # in one call
_SHARED = 3  # so many items of one artist are worth a search that all of them share

Outcome = Literal["found", "not_found", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Find:
    """What became of one wanted item.

    `reason`: of `refused` the bound that allows no search, of `failed` Spotify's failure.
    """

    wanted: Wanted
    outcome: Outcome
    item: Item | None = None
    reason: Bound | FailureCode | None = None


async def find_items(
    search: CatalogueSearch,
    token: Token,
    wanted: Sequence[Wanted],
    budget: AnswerBudget,
    *,
    timeout_s: float,
) -> list[Find]:
    """Return what became of each, in their order, after at most this time. Never raises SpotifyFailure."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    finder = _Finder(search, token, budget, deadline)
    once = list(dict.fromkeys(wanted[:MAX_WANTED]))
    finds = {each: finder.find_kept(each) for each in once}
    missing = [each for each in once if finds[each] is None]
    shared = _shared_artists(missing)
    async with asyncio.TaskGroup() as group:
        tasks = {
            each: group.create_task(
                finder.find(each, _plan(each, shared=_artist_of(each) in shared))
            )
            for each in missing
        }
    return [finds[each] or tasks[each].result() for each in wanted[:MAX_WANTED]]


class _Finder:
    """Finds for one token, on one budget, up to one deadline."""

    def __init__(
        self, search: CatalogueSearch, token: Token, budget: AnswerBudget, deadline: float
    ) -> None:
        self._search = search
        self._token = token
        self._budget = budget
        self._deadline = deadline

    def find_kept(self, wanted: Wanted) -> Find | None:
        """Return what earlier searches tell of it, for it alone or shared; None: not all."""
        return self._find_kept(wanted, _plan(wanted, shared=False)) or self._find_kept(
            wanted, _plan(wanted, shared=True)
        )

    def _find_kept(self, wanted: Wanted, queries: Sequence[Query]) -> Find | None:
        for query in queries:
            items = self._search.peek(query)
            if items is None:
                return None
            if item := find_match(wanted, items):
                return Find(wanted, "found", item)
        return Find(wanted, "not_found")

    async def find(self, wanted: Wanted, queries: Sequence[Query]) -> Find:
        """Find one by these searches, each made only if those before found nothing."""
        try:
            async with asyncio.timeout_at(self._deadline):
                item = await self._find(wanted, queries)
        except TimeoutError:
            return Find(wanted, "failed", reason="timeout")
        except SearchRefusedError as refusal:
            return Find(wanted, "refused", reason=refusal.bound)
        except SpotifyFailure as failure:
            return Find(wanted, "failed", reason=failure.code)
        return Find(wanted, "not_found" if item is None else "found", item)

    async def _find(self, wanted: Wanted, queries: Sequence[Query]) -> Item | None:
        for query in queries:
            items = await self._search.search(self._token, query, self._budget)
            if item := find_match(wanted, items):
                return item
        return None


def _plan(wanted: Wanted, *, shared: bool) -> tuple[Query, ...]:
    """Return the searches for one item; `shared`: others of the same artist are wanted too."""
    queries = plan_queries(wanted)
    # One flight for all of them: see CatalogueSearch.
    return (query_artist(wanted), *queries) if shared else queries


def _artist_of(wanted: Wanted) -> tuple[Kind, str]:
    return wanted.kind, fold_artist(wanted.artist)


def _shared_artists(wanted: Sequence[Wanted]) -> set[tuple[Kind, str]]:
    """Return the artists of whom several items are wanted."""
    counts = Counter(_artist_of(each) for each in wanted if each.kind != "artist")
    return {artist for artist, count in counts.items() if count >= _SHARED}
