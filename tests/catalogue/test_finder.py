"""Several wanted items at once, each with how it went."""

import asyncio

import pytest

from lyra.catalogue.finder import MAX_WANTED, Find, find_items
from lyra.catalogue.items import Wanted
from tests.catalogue.conftest import FakeSearch, OpenSearches, Searches, token, track


async def find(
    searches: Searches, *wanted: Wanted, listener: str = "one", timeout_s: float = 8
) -> list[Find]:
    budget = searches.budget(listener)
    return await find_items(searches.search, token(listener), wanted, budget, timeout_s=timeout_s)


def song(title: str, artist: str = "Velnora") -> Wanted:
    return Wanted("track", artist, title)


async def test_each_item_is_found_or_not_in_the_order_asked(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track("Tide", "Velnora"), track("Salt", "Marlow")]
    async with open_searches() as searches:
        finds = await find(searches, song("Salt", "Marlow"), song("Nothing"), song("Tide"))

    assert [find.outcome for find in finds] == ["found", "not_found", "found"]
    assert [find.item and find.item.name for find in finds] == ["Salt", None, "Tide"]


async def test_plain_words_are_tried_once_when_filters_find_nothing(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    async with open_searches() as searches:
        await find(searches, song("Tide"))

    assert spotify.asked == ['track:"Tide" artist:"Velnora"', "Tide Velnora"]


async def test_plain_words_find_what_filters_miss(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with open_searches() as searches:
        (found,) = await find(searches, Wanted("track", "velnora", "Tide (Remastered)"))

    assert found.item is not None
    assert len(spotify.asked) == 2


async def test_a_cover_is_not_the_song(spotify: FakeSearch, open_searches: OpenSearches) -> None:
    spotify.catalogue = [track("Tide (Karaoke Version)", "Velnora"), track("Tide", "Sing Stars")]
    async with open_searches() as searches:
        (found,) = await find(searches, song("Tide"))

    assert found.outcome == "not_found"


async def test_null_among_the_results_is_passed_over(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [None, track("Tide", "Velnora")]
    async with open_searches() as searches:
        (found,) = await find(searches, song("Tide"))

    assert found.outcome == "found"


async def test_songs_of_one_artist_share_a_search(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    titles = ["Tide", "Salt", "Glass", "Low Water"]
    spotify.catalogue = [track(title, "Velnora") for title in titles]
    async with open_searches() as searches:
        finds = await find(searches, *map(song, titles))

    assert [find.outcome for find in finds] == ["found"] * 4
    assert spotify.asked == ['artist:"Velnora"']


async def test_what_the_shared_search_does_not_show_is_looked_for(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    titles = [f"Hit {number}" for number in range(10)]
    spotify.catalogue = [track(title, "Velnora") for title in [*titles, "Rarity"]]
    async with open_searches() as searches:
        finds = await find(searches, song("Hit 1"), song("Hit 2"), song("Rarity"))

    assert [find.outcome for find in finds] == ["found"] * 3
    assert spotify.asked == ['artist:"Velnora"', 'track:"Rarity" artist:"Velnora"']


async def test_ten_songs_of_three_artists_take_three_searches(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    wanted = [song(f"Song {n}", f"Artist {n % 3}") for n in range(10)]
    spotify.catalogue = [track(each.title, each.artist) for each in wanted]
    async with open_searches() as searches:
        finds = await find(searches, *wanted)

    assert [find.item and find.item.name for find in finds] == [each.title for each in wanted]
    assert sorted(spotify.asked) == [f'artist:"Artist {n}"' for n in range(3)]


async def test_what_shared_searches_miss_is_looked_for_within_the_budget(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    """Three pages of ten hits each; behind them two songs that only searches of their own show."""
    hits = [track(f"Hit {n}", f"Artist {n % 3}") for n in range(30)]
    spotify.catalogue = [*hits, track("Rarity", "Artist 0"), track("Outtake", "Artist 1")]
    wanted = [song(f"Hit {n}", f"Artist {n % 3}") for n in range(8)]
    wanted += [song("Rarity", "Artist 0"), song("Outtake", "Artist 1"), song("Hit 8", "Artist 2")]
    async with open_searches(searches_per_answer=4) as searches:
        finds = await find(searches, *wanted)

    outcomes = [find.outcome for find in finds]
    assert outcomes[:8] == ["found"] * 8
    assert sorted(outcomes[8:10]) == ["found", "refused"]
    assert len(spotify.asked) == 4


async def test_two_songs_of_an_artist_are_searches_of_their_own(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track("Tide", "Velnora"), track("Salt", "Velnora")]
    async with open_searches() as searches:
        await find(searches, song("Tide"), song("Salt"))

    assert sorted(spotify.asked) == [
        'track:"Salt" artist:"Velnora"',
        'track:"Tide" artist:"Velnora"',
    ]


async def test_what_each_search_of_its_own_has_found_is_not_searched_for_again(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    titles = ["Tide", "Salt", "Glass"]
    spotify.catalogue = [track(title, "Velnora") for title in titles]
    async with open_searches() as searches:
        for title in titles:
            await find(searches, song(title))
        finds = await find(searches, *map(song, titles))

    assert [find.outcome for find in finds] == ["found"] * 3
    assert len(spotify.asked) == 3


async def test_what_a_shared_search_has_shown_is_known_of_a_single_song_too(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    titles = ["Tide", "Salt", "Glass"]
    spotify.catalogue = [track(title, "Velnora") for title in titles]
    async with open_searches() as searches:
        await find(searches, *map(song, titles))
        (found,) = await find(searches, song("Salt"))

    assert found.outcome == "found"
    assert len(spotify.asked) == 1


async def test_the_same_item_twice_is_looked_for_once(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with open_searches() as searches:
        first, second = await find(searches, song("Tide"), song("Tide"))

    assert first == second
    assert len(spotify.asked) == 1


async def test_another_listener_finds_the_same_without_a_call(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    async with open_searches() as searches:
        await find(searches, song("Tide"), listener="one")
        (found,) = await find(searches, song("Tide"), listener="two")

    assert found.outcome == "found"
    assert len(spotify.asked) == 1


async def test_200_listeners_who_want_the_same_ten_cause_ten_searches(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    wanted = [song(f"Song {number}", f"Artist {number}") for number in range(10)]
    spotify.catalogue = [track(each.title, each.artist) for each in wanted]
    async with open_searches() as searches:
        rounds = await asyncio.gather(
            *(find(searches, *wanted, listener=f"{each}") for each in range(200))
        )

    assert all(each.outcome == "found" for finds in rounds for each in finds)
    assert len(spotify.asked) == 10


async def test_what_a_budget_refuses_is_said_and_the_rest_is_found(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track(f"Song {number}", f"Artist {number}") for number in range(3)]
    async with open_searches(searches_per_answer=2) as searches:
        finds = await find(searches, *(song(f"Song {each}", f"Artist {each}") for each in range(3)))

    assert sorted(find.outcome for find in finds) == ["found", "found", "refused"]
    assert [find.reason for find in finds if find.outcome == "refused"] == ["answer"]
    assert len(spotify.asked) == 2


async def test_a_fault_of_spotify_is_its_items_alone(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track("Tide", "Velnora")]
    spotify.faults = [404]
    async with open_searches() as searches:
        (failed,) = await find(searches, song("Tide"))
        (found,) = await find(searches, song("Tide"))

    assert (failed.outcome, failed.reason) == ("failed", "not_found")
    assert found.outcome == "found"


async def test_what_does_not_come_in_time_has_failed_and_is_ended(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.gate.clear()
    async with open_searches() as searches:
        async with asyncio.timeout(5):  # half of what Spotify's client would wait
            (late,) = await find(searches, song("Tide"), timeout_s=0.05)

        assert (late.outcome, late.reason) == ("failed", "timeout")
        assert searches.search.stats()["flights"] == 0


async def test_a_leaver_ends_all_searches_of_its_own(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.gate.clear()
    async with open_searches() as searches:
        asking = asyncio.get_running_loop().create_task(
            find(searches, *(song(f"Song {each}", f"Artist {each}") for each in range(5)))
        )
        await spotify.wait_asked(5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

        assert searches.search.stats()["flights"] == 0


async def test_of_too_many_items_the_first_are_looked_for(open_searches: OpenSearches) -> None:
    async with open_searches(searches_per_answer=100) as searches:
        finds = await find(searches, *(song(f"Song {n}", f"Artist {n}") for n in range(20)))

    assert len(finds) == MAX_WANTED
