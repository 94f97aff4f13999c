"""Searches: kept for all listeners, one call per query, each on the asker's token and budget."""

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from lyra.cache.keys import Key, KeyMaker
from lyra.catalogue.budgets import SearchBudgets, SearchRefusedError
from lyra.catalogue.queries import Query
from lyra.catalogue.search import CatalogueSearch
from lyra.settings import Settings
from lyra.spotify.client import SpotifyClient, SpotifyReader
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token
from tests.catalogue.conftest import Clock, FakeSearch, OpenSearches, token, track
from tests.support.virtual_time import now, virtual

TIDE = Query("track", 'track:"Tide" artist:"Velnora"')


async def test_a_query_is_sent_once_and_then_known_to_all(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with open_searches() as searches:
        first = await searches.search.search(token("a"), TIDE, searches.budget("a"))
        second = await searches.search.search(token("b"), TIDE, searches.budget("b"))

    assert [item.name for item in first] == ["Tide"]
    assert second == first
    assert spotify.asked == [TIDE.words]


async def test_case_and_spaces_make_no_other_query(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    async with open_searches() as searches:
        await searches.search.search(token(), Query("track", "Low  Tide"), searches.budget())
        await searches.search.search(token(), Query("track", "low tide"), searches.budget())

    assert len(spotify.asked) == 1


async def test_200_listeners_who_ask_at_once_cause_one_call(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with open_searches() as searches:
        answers = await asyncio.gather(
            *(
                searches.search.search(token(f"{each}"), TIDE, searches.budget(f"{each}"))
                for each in range(200)
            )
        )

    assert {items[0].name for items in answers} == {"Tide"}
    assert len(spotify.asked) == 1


@pytest.mark.parametrize(
    ("catalogue", "kept_s"), [([track("Tide", "Velnora")], 86_400), ([], 3600)]
)
async def test_finds_are_kept_a_day_and_nothing_for_an_hour(
    spotify: FakeSearch,
    open_searches: OpenSearches,
    clock: Clock,
    catalogue: list[dict[str, str]],
    kept_s: int,
) -> None:
    spotify.catalogue = [*catalogue]
    async with open_searches() as searches:
        await searches.search.search(token(), TIDE, searches.budget())
        clock.now += kept_s - 1
        await searches.search.search(token(), TIDE, searches.budget())
        assert len(spotify.asked) == 1
        clock.now += 2
        await searches.search.search(token(), TIDE, searches.budget())

    assert len(spotify.asked) == 2


async def test_who_leaves_does_not_end_the_call_of_another(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    spotify.gate.clear()
    async with open_searches() as searches:
        leaver = searches.start("a", TIDE)
        await spotify.wait_asked(1)
        stayer = searches.start("b", TIDE)
        await asyncio.sleep(0)
        leaver.cancel()
        await asyncio.wait([leaver])
        spotify.gate.set()

        assert [item.name for item in await stayer] == ["Tide"]
    assert not spotify.left.is_set()


async def test_the_call_ends_when_the_last_who_waits_has_left(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.gate.clear()
    async with open_searches() as searches:
        waiting = [searches.start(each, TIDE) for each in "ab"]
        await spotify.wait_asked(1)
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)
        assert searches.search.stats()["flights"] == 0
        async with asyncio.timeout(5):
            await spotify.left.wait()


async def test_a_refused_token_is_its_owners_alone(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    spotify.refused.add("token-of-listener-bad")
    spotify.gate.clear()
    async with open_searches() as searches:
        bad = searches.start("bad", TIDE)
        await spotify.wait_asked(1)
        good = searches.start("good", TIDE)
        await asyncio.sleep(0)
        spotify.gate.set()

        assert [item.name for item in await good] == ["Tide"]
        with pytest.raises(SpotifyFailure, match="does not accept"):
            await bad
    assert spotify.tokens == ["token-of-listener-bad", "token-of-listener-good"]


async def test_a_failure_is_not_kept(spotify: FakeSearch, open_searches: OpenSearches) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    spotify.faults = [404]
    async with open_searches() as searches:
        with pytest.raises(SpotifyFailure):
            await searches.start("a", TIDE)
        assert await searches.start("b", TIDE)


async def test_what_is_known_costs_no_budget(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    async with open_searches(searches_per_answer=1) as searches:
        budget = searches.budget()
        await searches.search.search(token(), TIDE, budget)
        await searches.search.search(token(), TIDE, budget)
        with pytest.raises(SearchRefusedError):
            await searches.search.search(token(), Query("track", "other"), budget)

        counts = searches.search.stats()

    assert budget.sent == len(spotify.asked) == 1
    assert [counts[f"{each}_total"] for each in ("hits", "sent", "refused")] == [1, 1, 1]


async def test_closing_ends_the_running_calls_and_refuses_who_waits(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.gate.clear()
    async with open_searches() as searches:
        waiting = searches.start("one", TIDE)
        await spotify.wait_asked(1)
        await searches.search.close()
        with pytest.raises(SearchRefusedError, match="process"):
            await waiting
        with pytest.raises(SearchRefusedError, match="process"):
            await searches.search.search(token(), TIDE, searches.budget())

        assert searches.search.stats()["flights"] == 0


async def test_no_more_calls_are_under_way_than_there_may_be(
    spotify: FakeSearch, open_searches: OpenSearches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lyra.catalogue.search.MAX_FLIGHTS", 2)
    spotify.gate.clear()
    async with open_searches() as searches:
        running = [searches.start(each, Query("track", each)) for each in "ab"]
        await spotify.wait_asked(2)
        budget = searches.budget("c")
        with pytest.raises(SearchRefusedError, match="process"):
            await searches.search.search(token("c"), Query("track", "c"), budget)
        joined = searches.start("c", Query("track", "a"))
        spotify.gate.set()
        await asyncio.gather(*running, joined)

    assert budget.sent == 0
    assert sorted(spotify.asked) == ["a", "b"]


async def test_each_who_waits_gets_a_failure_of_its_own(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.faults = [404]
    async with open_searches() as searches:
        answers = await asyncio.gather(
            *(searches.start(each, TIDE) for each in "ab"), return_exceptions=True
        )

    assert [type(each) for each in answers] == [SpotifyFailure, SpotifyFailure]
    assert answers[0] is not answers[1]


async def test_a_used_up_budget_is_its_answers_alone(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    """Whoever has joined a search that its own answer could not pay for, asks anew."""
    spotify.catalogue = [track("Tide", "Velnora")]
    async with open_searches(searches_per_answer=1) as searches:
        spent = searches.budget("poor")
        await searches.search.search(token("poor"), Query("track", "Salt"), spent)
        asking = searches.search.search(token("poor"), TIDE, spent)
        poor = asyncio.get_running_loop().create_task(asking)
        good = searches.start("good", TIDE)

        assert [item.name for item in await good] == ["Tide"]
        with pytest.raises(SearchRefusedError, match="this answer's"):
            await poor


async def test_a_search_runs_in_a_context_of_its_own(
    open_searches: OpenSearches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log of a call that several wait for names none of their requests."""
    request, seen = ContextVar("request", default="none"), []
    async with open_searches() as searches:
        read = SpotifyClient.reader

        def reader(client: SpotifyClient, whose: Token) -> SpotifyReader:
            seen.append(request.get())
            return read(client, whose)

        monkeypatch.setattr(SpotifyClient, "reader", reader)
        request.set("the first who asked")
        await searches.start("one", TIDE)

    assert seen == ["none"]


async def test_what_is_kept_weighs_as_much_as_its_texts(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track(f"{n} " + "\u5149" * 90, "Velnora") for n in range(10)]
    async with open_searches() as searches:
        await searches.search.search(token(), Query("track", "\u5149" * 90), searches.budget())
        weight = searches.search.stats()["bytes"]

    assert weight > 10 * (90 * 2 + 200)  # two bytes a character, and the objects


class Contradicting:
    """A Redis that grants no lease, and says how things stand: always in the same way."""

    grants_leases = True

    def __init__(self, standing: str) -> None:
        self.standing = standing
        self.moments: list[float] = []

    async def find(self, _: Key) -> None:
        self.moments.append(now())

    async def acquire_lease(self, _: Key, *, refresh: bool = False) -> None: ...

    async def wait(self, _: Key, until: float) -> str:
        return self.standing if now() < until else "unknown"

    async def generation(self, _: Key) -> None: ...

    async def keep(self, *_: object) -> None: ...


class Found:
    """A Spotify that finds nothing, at once."""

    def reader(self, _: Token) -> "Found":
        return self

    async def get(self, *_: object) -> tuple[()]:
        return ()


@pytest.mark.parametrize("standing", ["vacant", "arrived"])
@virtual
async def test_a_redis_that_contradicts_itself_is_asked_a_few_times_with_pauses(
    clock: Clock, standing: str
) -> None:
    shared, spotify = Contradicting(standing), Found()
    parts: Any = spotify, KeyMaker("x" * 32), SearchBudgets(Settings(), entries=1, wall_clock=clock)
    tier: Any = shared
    search = CatalogueSearch(*parts, clock=clock, shared=tier, shared_wait_s=10)
    budget = parts[2].open_answer(Key("one"))

    assert await search.search(token(), TIDE, budget) == ()
    assert len(shared.moments) <= 40
    # Only the first follow each other without a pause, and all end before the deadline.
    assert len(set(shared.moments)) >= len(shared.moments) - 2
    assert shared.moments[-1] - shared.moments[0] < 10


class Lingering(Found):
    """A Spotify that never answers, and whose calls do not end at once when they are cancelled."""

    async def get(self, *_: object) -> tuple[()]:
        try:
            await asyncio.Event().wait()
        finally:
            for _turn in range(5):
                await asyncio.sleep(0)
        return ()


async def test_closing_awaits_calls_that_all_have_left(clock: Clock) -> None:
    parts: Any = (
        Lingering(),
        KeyMaker("x" * 32),
        SearchBudgets(Settings(), entries=1, wall_clock=clock),
    )
    search = CatalogueSearch(*parts, clock=clock)
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await search.search(token(), TIDE, parts[2].open_answer(Key("one")))
    await search.close()

    assert asyncio.all_tasks() == before
