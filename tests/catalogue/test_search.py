"""Searches: kept for all listeners, one call per query, each on the asker's token and budget."""

import asyncio

import pytest

from lyra.catalogue.budgets import SearchRefusedError
from lyra.catalogue.queries import Query
from lyra.spotify.failures import SpotifyFailure
from tests.catalogue.conftest import Clock, FakeSearch, OpenHouse, token, track

TIDE = Query("track", 'track:"Tide" artist:"Velnora"')


async def test_a_query_is_sent_once_and_then_known_to_all(
    spotify: FakeSearch, open_house: OpenHouse
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with open_house() as house:
        first = await house.search.search(token("a"), TIDE, house.budget("a"))
        second = await house.search.search(token("b"), TIDE, house.budget("b"))

    assert [item.name for item in first] == ["Tide"]
    assert second == first
    assert spotify.asked == [TIDE.words]


async def test_case_and_spaces_make_no_other_query(
    spotify: FakeSearch, open_house: OpenHouse
) -> None:
    async with open_house() as house:
        await house.search.search(token(), Query("track", "Low  Tide"), house.budget())
        await house.search.search(token(), Query("track", "low tide"), house.budget())

    assert len(spotify.asked) == 1


async def test_200_listeners_who_ask_at_once_cause_one_call(
    spotify: FakeSearch, open_house: OpenHouse
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with open_house() as house:
        answers = await asyncio.gather(
            *(
                house.search.search(token(f"{each}"), TIDE, house.budget(f"{each}"))
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
    open_house: OpenHouse,
    clock: Clock,
    catalogue: list[dict[str, str]],
    kept_s: int,
) -> None:
    spotify.catalogue = [*catalogue]
    async with open_house() as house:
        await house.search.search(token(), TIDE, house.budget())
        clock.now += kept_s - 1
        await house.search.search(token(), TIDE, house.budget())
        assert len(spotify.asked) == 1
        clock.now += 2
        await house.search.search(token(), TIDE, house.budget())

    assert len(spotify.asked) == 2


async def test_who_leaves_does_not_end_the_call_of_another(
    spotify: FakeSearch, open_house: OpenHouse
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    spotify.gate.clear()
    async with open_house() as house:
        leaver = house.start("a", TIDE)
        await spotify.wait_asked(1)
        stayer = house.start("b", TIDE)
        await asyncio.sleep(0)
        leaver.cancel()
        await asyncio.wait([leaver])
        spotify.gate.set()

        assert [item.name for item in await stayer] == ["Tide"]
    assert not spotify.left.is_set()


async def test_the_call_ends_when_the_last_who_waits_has_left(
    spotify: FakeSearch, open_house: OpenHouse
) -> None:
    spotify.gate.clear()
    async with open_house() as house:
        waiting = [house.start(each, TIDE) for each in "ab"]
        await spotify.wait_asked(1)
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)
        assert house.search.stats()["flights"] == 0
        async with asyncio.timeout(5):
            await spotify.left.wait()


async def test_a_refused_token_is_its_owners_alone(
    spotify: FakeSearch, open_house: OpenHouse
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    spotify.refused.add("token-of-listener-bad")
    spotify.gate.clear()
    async with open_house() as house:
        bad = house.start("bad", TIDE)
        await spotify.wait_asked(1)
        good = house.start("good", TIDE)
        await asyncio.sleep(0)
        spotify.gate.set()

        assert [item.name for item in await good] == ["Tide"]
        with pytest.raises(SpotifyFailure, match="does not accept"):
            await bad
    assert spotify.tokens == ["token-of-listener-bad", "token-of-listener-good"]


async def test_a_failure_is_told_to_all_who_wait_and_not_kept(
    spotify: FakeSearch, open_house: OpenHouse
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    spotify.faults = [404]
    async with open_house() as house:
        answers = await asyncio.gather(
            *(house.search.search(token(each), TIDE, house.budget(each)) for each in "ab"),
            return_exceptions=True,
        )
        assert [type(each) for each in answers] == [SpotifyFailure, SpotifyFailure]
        assert await house.search.search(token("c"), TIDE, house.budget("c"))


async def test_what_is_known_costs_no_budget(spotify: FakeSearch, open_house: OpenHouse) -> None:
    async with open_house(searches_per_answer=1) as house:
        budget = house.budget()
        await house.search.search(token(), TIDE, budget)
        await house.search.search(token(), TIDE, budget)
        with pytest.raises(SearchRefusedError):
            await house.search.search(token(), Query("track", "other"), budget)

    assert budget.sent == len(spotify.asked) == 1


async def test_closing_ends_the_running_calls(spotify: FakeSearch, open_house: OpenHouse) -> None:
    spotify.gate.clear()
    async with open_house() as house:
        waiting = house.start("one", TIDE)
        await spotify.wait_asked(1)
        await house.search.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert house.search.stats()["flights"] == 0
