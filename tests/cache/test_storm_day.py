"""A day of one listener, in virtual time."""

from dataclasses import dataclass, field
from random import Random

from lyra.cache.entry import Entry
from lyra.cache.listeners import ListenerCache
from lyra.cache.lookup import Lookup
from lyra.cache.memory_tier import BACKOFF_S
from lyra.errors import SpotifyTokenRejectedError, TryLaterError
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.token import TOKEN_LIFE_S, Token
from tests.support.scripted_upstream import Fetched, Forecast, Weather, parts
from tests.support.virtual_time import now, pass_time, virtual

HOUR, MINUTE = 3600, 60
OUTAGES = (  # hours since the start of the day
    (2.0, 2.05),
    (3.5, 4.1),
    (5.9, 6.5),
    (9.9, 10.1),
    (12.3, 12.8),
    (15.0, 18.0),
    (20.6, 21.1),
    (23.0, 23.3),
)
TTL_S, STALE_S = 25 * MINUTE, 10 * MINUTE


@dataclass
class Day:
    """A listener whose token lives an hour, and a Spotify that has outages."""

    rng: Random
    began: float = field(default_factory=now)
    token: Token = field(default_factory=lambda: Token("token-of-hour-00"))
    token_seen_at: float | None = None
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.weather = Weather(self._forecast, self._begins)
        self.settings = Settings(cache_ttl_s=TTL_S, cache_stale_s=STALE_S)
        self.cache = ListenerCache(
            self.settings,
            self.weather,
            Metrics(),
            rng=self.rng,
            clock=now,
            wall_clock=lambda: 1_795_000_000.0,
        )

    def outage(self, at: float) -> bool:
        """Whether Spotify is down at this time, or was less than the throttle before."""
        hours = (at - self.began) / HOUR
        return any(start <= hours <= end + BACKOFF_S / HOUR for start, end in OUTAGES)

    def _down(self) -> bool:
        hours = (now() - self.began) / HOUR
        return any(start <= hours < end for start, end in OUTAGES)

    def _forecast(self) -> Forecast:
        if self._down():
            return Forecast("down", seconds=self.rng.choice((0, 0.1, 10)))
        expired = self.token_seen_at is not None and now() >= self.token_seen_at + TOKEN_LIFE_S
        return Forecast("rejected" if expired else "ok", seconds=self.rng.uniform(0.1, 3))

    def _begins(self, fetch: Fetched) -> None:
        before = [each for each in self.weather.ledger if each.asked]
        assert not any(each.live for each in before), "two fetches at once"
        mine = [each for each in before if each.token == fetch.token]
        if mine and mine[-1].failed and parts_held(self):
            assert now() >= mine[-1].ended + BACKOFF_S, "a failure was not throttled"

    async def ask(self) -> None:
        """One message; a rejected token is changed for a new one, as a page does."""
        asked_at = now()
        try:
            visit = await self.cache.lookup(self.token)
            entry = await visit.entry()
        except SpotifyTokenRejectedError:
            self.told.append("rejected")
            self._log_in_again()
        except TryLaterError as failure:
            assert self.outage(now()), "an error while Spotify was well"
            self.told.append(failure.code)
        else:
            self._judge(visit, entry, asked_at)

    def _log_in_again(self) -> None:
        self.token = Token(f"token-of-hour-{(now() - self.began) / HOUR:05.2f}")
        self.token_seen_at = None

    def _judge(self, visit: Lookup, entry: Entry, asked_at: float) -> None:
        self.told.append(visit.state)
        (number,) = parts(entry)
        fetched = self.weather.ledger[number]
        assert fetched.token == self.token.reveal()
        if self.token_seen_at is None:
            self.token_seen_at = fetched.ended
        assert asked_at < self.token_seen_at + TOKEN_LIFE_S, "served past the token's life"
        if visit.state == "hit":
            assert asked_at < fetched.ended + TTL_S
        if visit.state == "stale":
            assert asked_at < fetched.ended + TTL_S + STALE_S
            assert self.outage(asked_at) or visit.reason == "slow", "stale while Spotify was well"


def parts_held(day: Day) -> bool:
    return day.cache.stats()["entries"] > 0


@virtual
async def test_a_day_of_messages_with_outages_keeps_every_promise() -> None:
    """Twenty tokens and more, eight outages, three messages in a row each time."""
    day = Day(Random(24))
    while now() < day.began + 24 * HOUR:
        for _ in range(3):
            await day.ask()
            await pass_time(9)
        await pass_time(7 * MINUTE - 3 * 9)
    await day.cache.close()
    states = {state: day.told.count(state) for state in set(day.told)}

    assert set(states) == {"hit", "miss", "stale", "rejected", "spotify_unavailable"}
    assert 3 * len(day.weather.ledger) < len(day.told)
    assert day.cache.stats()["flights"] == 0


@virtual
async def test_a_day_without_outages_fetches_only_what_the_ttl_needs() -> None:
    """No error and no stale data; each fetch serves the whole of four fifths of the TTL."""
    day = Day(Random(7))
    day.began -= 100 * HOUR  # the outages are over
    end = now() + 12 * HOUR
    while now() < end:
        await day.ask()
        await pass_time(7 * MINUTE)

    assert set(day.told) <= {"hit", "miss", "stale", "rejected"}
    accepted = [each for each in day.weather.ledger if each.complete]
    assert len(accepted) <= 12 * HOUR / (0.8 * 0.9 * TTL_S) + 12
