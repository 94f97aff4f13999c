"""What the storm may never see, told from Spotify's ledger and the cache's open promises."""

import asyncio
from dataclasses import dataclass

from lyra.cache.entry import Entry
from lyra.cache.expiry import PARTIAL_TTL_S, has_gap
from lyra.cache.listeners import ListenerCache
from lyra.cache.lookup import Lookup
from lyra.cache.memory_tier import BACKOFF_S, REJECTED_TTL_S
from lyra.errors import (
    LyraError,
    OverloadedError,
    SpotifyForbiddenError,
    SpotifyTokenRejectedError,
    TryLaterError,
)
from lyra.settings import Settings
from lyra.spotify.token import TOKEN_LIFE_S, Token
from tests.cache.conftest import ANNA, BORIS
from tests.support.scripted_upstream import Fetched, Weather, parts
from tests.support.virtual_time import now


@dataclass
class Question:
    """What one caller could know when they asked."""

    token: Token
    asked_at: float
    floor: int  # no fetch that began before this number may answer
    old: Entry | None


class Judge:
    """Sees every question, answer, clear and fetch; anything wrong is an AssertionError."""

    def __init__(self, cache: ListenerCache, settings: Settings, weather: Weather) -> None:
        self.cache, self.settings, self.weather = cache, settings, weather
        self.floors = {ANNA.reveal(): 0, BORIS.reveal(): 0}
        self.evicts = settings.cache_max_entries < len(self.floors)
        self.answers = 0
        weather.begins = self.begins

    async def question(self, token: Token) -> Question:
        old = await self.cache.peek(token)
        return Question(token, now(), self.floors[token.reveal()], old)

    async def clear(self, token: Token | None) -> None:
        """Clear; who asks afterwards sees nothing of what was fetched before."""
        floor = len(self.weather.ledger)
        await self.cache.clear(token)
        for each in self.floors if token is None else [token.reveal()]:
            self.floors[each] = floor

    def begins(self, fetch: Fetched) -> None:
        """One live fetch that newcomers may join, and none in vain."""
        since = self.floors[fetch.token]
        if fetch.number < since:
            return  # a clear has fenced it before it asked for anything
        before = self.weather.of(Token(fetch.token), since)
        assert not any(each.live for each in before), "two fetches at once"
        if before and before[-1].refused:
            assert now() >= before[-1].ended + REJECTED_TTL_S, "a rejected token was asked again"
        if before and not self.evicts:
            self._throttled(before)

    def _throttled(self, before: list[Fetched]) -> None:
        last = before[-1]
        held = self.held(Token(last.token))
        if held is None:
            return
        in_vain = last.failed or (last.partial and last.number not in parts(held))
        in_vain = in_vain or (last.forbidden and now() < held.expires_at)
        assert not in_vain or now() >= last.ended + BACKOFF_S, "a failure was not throttled"

    def held(self, token: Token) -> Entry | None:
        """What is held now; memory answers without yielding, so this needs no loop."""
        asking = self.cache.peek(token)
        try:
            asking.send(None)
        except StopIteration as answered:
            entry: Entry | None = answered.value
            return entry
        raise AssertionError("a look-up in memory gave way to the loop")

    def failure(self, question: Question, failure: LyraError) -> None:
        """Only upstream's own errors, each only to those who waited for it."""
        seen = self.weather.of(question.token, question.floor)
        while_waiting = [each for each in seen if each.ended >= question.asked_at]
        match failure:
            case OverloadedError():
                self.full()
                assert question.old is None, "an error although old data was at hand"
                assert question.old is None, "an error although old data was at hand"
            case SpotifyTokenRejectedError():
                since = question.asked_at - REJECTED_TTL_S
                assert any(each.refused and each.ended > since for each in seen)
            case SpotifyForbiddenError():
                assert any(each.forbidden for each in while_waiting)
            case TryLaterError():
                assert any(each.failed for each in while_waiting), "a failure was kept"
                assert question.old is None, "an error although old data was at hand"
            case _:
                raise failure

    def full(self) -> None:
        """Nobody is told that the table of fetches is full while it is not."""
        assert self.cache.stats()["flights"] >= self.settings.spotify_max_fetches

    def answer(self, question: Question, visit: Lookup, entry: Entry) -> None:
        """Nobody else's, nothing from before a clear or a rejection, nothing past its time."""
        self.answers += 1
        made_of = [self.weather.ledger[number] for number in parts(entry)]
        assert {each.token for each in made_of} == {question.token.reveal()}
        assert all(each.number >= question.floor for each in made_of), "it came back"
        for each in self._ended(question):
            if each.refused and each.ended < question.asked_at:
                assert all(part.number > each.number for part in made_of), "rejected data"
        if question.old is not None:
            waited = now() - question.asked_at
            assert waited <= self.settings.cache_refresh_wait_s + 1e-6, "old data, and no patience"
        match visit.state:
            case "hit":
                self._fresh(question, entry, made_of)
            case "stale":
                self._stale(question, visit, entry, made_of)
            case _:
                self._fetched(question, entry, made_of)
        if visit.state in ("hit", "stale"):
            assert question.asked_at < entry.stale_until, "dead data"
            self._within_the_tokens_life(question)

    def _fresh(self, question: Question, entry: Entry, made_of: list[Fetched]) -> None:
        ttl = self.settings.cache_ttl_s
        assert question.asked_at < entry.expires_at
        assert all(question.asked_at < part.ended + ttl for part in made_of), "past its TTL"
        if has_gap(entry.listening()):
            told = max(each.ended for each in self._ended(question))
            assert question.asked_at < told + PARTIAL_TTL_S, "a gap was kept too long"

    def _stale(
        self, question: Question, visit: Lookup, entry: Entry, made_of: list[Fetched]
    ) -> None:
        at_most = self.settings.cache_ttl_s + self.settings.cache_stale_s
        assert entry.expires_at <= question.asked_at, "old data instead of fresh"
        assert all(question.asked_at < part.ended + at_most for part in made_of)
        if visit.reason == "slow":
            assert now() >= question.asked_at + self.settings.cache_refresh_wait_s - 1e-6
            return
        if visit.reason == OverloadedError.code:
            return  # looked at when the visit began
        if visit.reason == "overloaded":
            assert self.cache.stats()["flights"] >= self.settings.spotify_max_fetches
            return
        since = question.asked_at - BACKOFF_S
        recent = [each for each in self._ended(question) if each.ended > since]
        assert any(each.failed or each.partial for each in recent), "stale for no failure"

    def _fetched(self, question: Question, entry: Entry, made_of: list[Fetched]) -> None:
        since = question.asked_at
        assert any(each.ended >= since for each in self._ended(question)), "nobody fetched it"
        # What was read after the question is fresh, also where the token's hour ends.
        if any(part.ended < since for part in made_of):
            assert since < entry.expires_at, "expired data that does not say so"

    def _ended(self, question: Question) -> list[Fetched]:
        seen = self.weather.of(question.token, question.floor)
        return [each for each in seen if not each.live]

    def _within_the_tokens_life(self, question: Question) -> None:
        """The hour counts from a proof that the token lives; proofs within it prolong nothing."""
        begun: list[float] = []  # where an hour may have begun
        sure: list[float] = []  # and where it has: a complete answer of one hour alone is kept
        for each in self.weather.of(question.token, question.floor):
            if (
                each.ended > question.asked_at
                or not each.proves
                or _within_an_hour(each.ended, sure)
            ):
                continue
            if each.complete and not _within_an_hour(each.began, begun):
                sure.append(each.ended)
            begun.append(each.ended)
        assert self.evicts or any(question.asked_at < at + TOKEN_LIFE_S for at in begun), (
            "past the token's life"
        )

    def end(self, visits: int) -> None:
        """Nothing is left over and every visit was counted once."""
        stats = self.cache.stats()
        assert (stats["locks"], stats["flights"]) == (0, 0)
        assert not any(each.live for each in self.weather.ledger)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert stats["entries"] <= self.settings.cache_max_entries
        assert stats["faults_total"] == 0
        counted = ("hits_total", "joined_total", "misses_total", "negative_total")
        assert sum(stats[name] for name in counted) <= visits
        assert sum(stats[name] for name in (*counted, "stale_total")) >= visits


def _within_an_hour(moment: float, begun: list[float]) -> bool:
    return any(moment < at + TOKEN_LIFE_S for at in begun)
