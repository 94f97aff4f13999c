"""Search the catalogue with words of one's own, Spotify's field filters included."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from lyra.catalogue.budgets import AnswerBudget, Bound, SearchRefusedError
from lyra.catalogue.items import Item, Kind
from lyra.catalogue.queries import MAX_QUERY, Query
from lyra.catalogue.search import CatalogueSearch
from lyra.listening.sanitize import clean
from lyra.spotify.failures import FailureCode, SpotifyFailure
from lyra.spotify.token import Token


@dataclass(frozen=True, slots=True)
class Listed:
    """What a search shows, best first; `reason` says what refused or failed it.

    As in `Find`: of `refused` the bound that allows no search, of `failed` Spotify's failure.
    """

    outcome: Literal["found", "refused", "failed"]
    items: tuple[Item, ...] = ()
    reason: Bound | FailureCode | None = None


async def search_words(
    search: CatalogueSearch,
    token: Token,
    kind: Kind,
    words: str,
    budget: AnswerBudget,
    *,
    timeout_s: float,
) -> Listed:
    """Return what Spotify shows for these words after at most this time. Never raises SpotifyFailure.

    Words are sent on one line, without what cannot be seen, in at most 200 code points; Spotify's
    field filters go as they are. Of words of which nothing is left there is nothing to find.
    """
    # Cut behind `clean`, whose ellipsis would be searched for too.
    query = Query(kind, clean(words, 3 * MAX_QUERY)[:MAX_QUERY].rstrip())
    if not query.words:
        return Listed("found")
    try:
        async with asyncio.timeout(timeout_s):
            return Listed("found", await search.search(token, query, budget))
    except TimeoutError:
        return Listed("failed", reason="timeout")
    except SearchRefusedError as refusal:
        return Listed("refused", reason=refusal.bound)
    except SpotifyFailure as failure:
        return Listed("failed", reason=failure.code)
