"""A search with words of one's own: what is sent of them, and how it went."""

import asyncio

import pytest

from lyra.catalogue.free_search import Listed, search_words
from tests.catalogue.conftest import FakeSearch, OpenSearches, Searches, token, track


async def search(searches: Searches, words: str, timeout_s: float = 8) -> Listed:
    budget = searches.budget()
    return await search_words(searches.search, token(), "track", words, budget, timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ("low tide", "low tide"),
        ('artist:"Velnora" year:1990-1999', 'artist:"Velnora" year:1990-1999'),
        (" low\n\ttide ", "low tide"),
        ("low\x00 \x7ft\u200bide\u202e", "low tide"),
        ("tide " * 100, ("tide " * 40).strip()),
        ("\u5149" * 300, "\u5149" * 200),
    ],
)
async def test_words_are_sent_on_one_line_visible_and_short(
    spotify: FakeSearch, open_searches: OpenSearches, words: str, sent: str
) -> None:
    async with open_searches() as searches:
        await search(searches, words)

    assert spotify.asked == [sent]


@pytest.mark.parametrize("words", ["", " \n ", "\x00\u200b"])
async def test_of_no_words_nothing_is_found_and_nothing_sent(
    spotify: FakeSearch, open_searches: OpenSearches, words: str
) -> None:
    async with open_searches() as searches:
        assert await search(searches, words) == Listed("found")

    assert not spotify.asked


async def test_items_come_in_the_order_of_the_search(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.catalogue = [track("Tide", "Velnora"), track("Low Tide", "Ostrin")]
    async with open_searches() as searches:
        listed = await search(searches, "tide")

    assert (listed.outcome, listed.reason) == ("found", None)
    assert [item.name for item in listed.items] == ["Tide", "Low Tide"]


async def test_a_failure_of_spotify_is_told_and_not_raised(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.faults = [404]
    async with open_searches() as searches:
        assert await search(searches, "tide") == Listed("failed", reason="not_found")


async def test_a_refused_token_is_told_and_not_raised(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.refused = {"token-of-listener-one"}
    async with open_searches() as searches:
        assert await search(searches, "tide") == Listed("failed", reason="token_rejected")


async def test_a_used_up_budget_is_told_and_not_raised(open_searches: OpenSearches) -> None:
    async with open_searches(searches_per_hour=1) as searches:
        await search(searches, "tide")
        assert await search(searches, "salt") == Listed("refused", reason="listener")


async def test_what_does_not_come_in_time_has_failed(
    spotify: FakeSearch, open_searches: OpenSearches
) -> None:
    spotify.gate.clear()
    async with open_searches() as searches:
        async with asyncio.timeout(5):
            listed = await search(searches, "tide", timeout_s=0.05)

        assert listed == Listed("failed", reason="timeout")
        assert searches.search.stats()["flights"] == 0
