"""Spotify's Web API as Lyra uses it: five reads under one deadline, for one token at a time."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import UTC, datetime
from math import inf
from random import Random
from typing import Any, TypeVar

import aiohttp

from lyra import __version__
from lyra.circuit_breaker import Call, CircuitBreaker, CircuitOpenError
from lyra.loop_throttle import LoopThrottle
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.cooldown import OUR_APP, Cooldown
from lyra.spotify.endpoints import PATHS, Endpoint
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.prewarm import ConnectionPrewarmer
from lyra.spotify.resolver import Resolver
from lyra.spotify.retry import Retries, RetryBudget, fits
from lyra.spotify.token import Token
from lyra.spotify.transport import AttemptCounter, Transport
from lyra.tracing import Span, SpanKind, set_error, start_span

log = logging.getLogger(__name__)
T = TypeVar("T")

# Below the idle timeout that servers commonly have, or requests meet closing connections. What is
# kept warm may be older; aiohttp sends a GET again that meets one.
_KEEPALIVE_S = 15
_LARGE = 256 * 1024
_OUTAGES = frozenset({"unavailable", "timeout"})  # a pause that Spotify asks for is none


class SpotifyClient:
    """The one client of a process: what all listeners share, each with a part of its own."""

    def __init__(
        self,
        wire: Transport,
        pool: ConnectionPrewarmer,
        metrics: Metrics,
        *,
        timeout_s: float,
        rng: Random,
    ) -> None:
        self.wire = wire
        self.pool = pool
        clock = asyncio.get_running_loop().time
        self.gate = Cooldown(clock)
        self.budget = RetryBudget(clock)
        self.turns = LoopThrottle()
        self.breaker = CircuitBreaker("Spotify", clock)
        metrics.register_callback("lyra_spotify_breaker", self.breaker.stats)
        metrics.register_callback("lyra_spotify_gate", self._gate_stats)
        self.rng = rng
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._failing: set[Endpoint] = set()  # at most the five endpoints
        self._owners = hashlib.blake2b(digest_size=16, key=secrets.token_bytes(32))

    def reader(self, token: Token) -> "SpotifyReader":
        """Return a reader for this token; its time for everything runs from its first call."""
        return SpotifyReader(self, token, self._timeout_s)

    def owner(self, token: Token) -> str:
        """A name for whom this token's calls are made; it tells nothing of the token."""
        keyed = self._owners.copy()
        keyed.update(token.identity.encode())
        return keyed.hexdigest()

    def _gate_stats(self) -> dict[str, int]:
        return {"closed": len(self._pauses()), "tokens": len(self.gate)}

    def _pauses(self) -> list[float]:
        """The seconds left at each endpoint that the operator's own app is not to call."""
        checked = (self.gate.blocking(OUR_APP, each) for each in PATHS)
        return [left.retry_after_s or 0.0 for left in checked if left]

    def count(self, endpoint: Endpoint, outcome: str, sent: int, seconds: float) -> None:
        """Count `sent` calls, of which the last had this outcome, and their time together."""
        if sent > 1:
            self._metrics.spotify_calls.labels(endpoint, "resent").inc(sent - 1)
        if sent:
            self._metrics.spotify_calls.labels(endpoint, outcome).inc()
            self._metrics.spotify_seconds.labels(endpoint, outcome).observe(seconds)

    def span(self, endpoint: Endpoint) -> AbstractContextManager[Span]:
        """The trace of one call."""
        attributes = {"lyra.section": endpoint, "http.request.method": "GET"}
        tracer = self._metrics.tracer
        return start_span(tracer, f"GET {PATHS[endpoint]}", attributes, kind=SpanKind.CLIENT)

    def describe(self) -> dict[str, Any]:
        """Return how Spotify is doing: `ok`, `failing` or `paused`, with what and how long.

        Paused is what all log-ins are; a bearer token's pause is nobody else's.
        """
        told: dict[str, Any] = {"state": "ok"}
        if self._failing:
            told |= {"state": "failing", "failing": sorted(self._failing)}
        if retry_in_s := self.breaker.retry_in_s:
            told |= {"state": "open", "retry_in_s": round(retry_in_s)}
        if paused := self._pauses():
            told |= {"state": "paused", "paused_s": round(max(paused))}
        return told

    def succeeded(self, endpoint: Endpoint) -> None:
        """Take note that a read went well; log it if the one before did not."""
        self.budget.earn()
        if endpoint in self._failing:
            self._failing.discard(endpoint)
            log.warning("Spotify answers again: %s", endpoint)

    def failed(self, app: str, endpoint: Endpoint, failure: SpotifyFailure) -> None:
        """Take note that a read was given up; log it if the one before went well."""
        concerns_all = failure.kind in _OUTAGES or (
            failure.kind == "rate_limited" and app == OUR_APP
        )
        if concerns_all and endpoint not in self._failing:
            self._failing.add(endpoint)
            log.warning("Spotify fails: %s (%s)", endpoint, failure.code)


class SpotifyReader:
    """Reads one listener's endpoints, together within one deadline.

    `calls` is the number of requests made so far, retries included.
    """

    def __init__(self, client: SpotifyClient, token: Token, timeout_s: float) -> None:
        self.calls = 0
        self._client = client
        self._token = token
        self._owner = client.owner(token)
        self._app = OUR_APP if token.granted else self._owner
        self._timeout_s = timeout_s
        self._deadline = inf

    async def get(self, endpoint: Endpoint, parse: Callable[[bytes], T]) -> T:
        """Return what `parse` makes of the endpoint's body.

        `parse` raises SpotifyFailure for a body it cannot use: `truncated` is asked for once more.

        Raises:
            SpotifyFailure: after the last attempt that made sense.
        """
        if self._deadline == inf:
            self._deadline = asyncio.get_running_loop().time() + self._timeout_s
        retries = Retries(self._client.budget, self._client.rng, self._owner)
        while True:
            try:
                return await self._attempt(endpoint, parse)
            except SpotifyFailure as caught:
                failure = caught
            delay = retries.delay(failure, self._left_s)
            if delay is None:
                self._client.failed(self._app, endpoint, failure)
                # The frames below hold the body, which error trackers would copy.
                raise failure.with_traceback(None)
            await asyncio.sleep(delay)

    def _count_one(self) -> None:
        self.calls += 1

    @property
    def _left_s(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()

    async def _attempt(self, endpoint: Endpoint, parse: Callable[[bytes], T]) -> T:
        await self._pass_gate(endpoint)
        try:
            with (
                self._client.breaker.call(self._owner) as call,
                self._client.span(endpoint) as span,
            ):
                return await self._sent(endpoint, parse, call, span)
        except CircuitOpenError as open_circuit:
            failure = SpotifyFailure("circuit_open", retry_after_s=open_circuit.retry_after_s)
        raise failure

    async def _sent(
        self, endpoint: Endpoint, parse: Callable[[bytes], T], call: Call, span: Span
    ) -> T:
        tally, outcome = AttemptCounter(self._count_one), "abandoned"
        began = asyncio.get_running_loop().time()
        try:
            answer = await self._client.wire.get(
                endpoint, self._token, tally=tally, deadline=self._deadline
            )
            await self._client.turns.slice()
            body = self._client.wire.read(answer)
            if len(body) > _LARGE:
                await self._client.turns.yield_turn()  # it may have been made to take long
            value = parse(body)
            outcome = "ok"
        except SpotifyFailure as failure:
            outcome = failure.kind
            if outcome in _OUTAGES:
                call.record_failure()
            elif outcome == "rejected":
                call.record_answer()  # a probe with a bad token must not keep the others waiting
            else:
                call.record_success()  # what refuses a good token, or asks it to pause, works
            self._client.gate.start(self._app, endpoint, failure)
            set_error(span, failure.code)
            raise
        finally:
            took = asyncio.get_running_loop().time() - began
            self._client.count(endpoint, outcome, tally.sent, took)
        call.record_success()
        self._client.succeeded(endpoint)
        return value

    async def _pass_gate(self, endpoint: Endpoint) -> None:
        """Wait out a short pause; fail at once, without a call, before a long one."""
        while blocked := self._client.gate.blocking(self._app, endpoint):
            pause_s = blocked.retry_after_s or 0.0
            if not fits(pause_s, self._left_s):
                blocked.retryable = False  # what would be waited for is ruled out here
                raise blocked
            await asyncio.sleep(pause_s * self._client.rng.uniform(1.0, 1.1))


def _wall_clock() -> float:
    return datetime.now(UTC).timestamp()


@asynccontextmanager
async def open_spotify(
    settings: Settings,
    metrics: Metrics,
    *,
    rng: Random,
    clock: Callable[[], float] = _wall_clock,
) -> AsyncIterator[SpotifyClient]:
    """Give the client of one process and running loop; its connections close at the end.

    `clock` gives seconds since the epoch; only a Retry-After that is a date needs it.
    """
    async with aiohttp.ClientSession(
        # A fetch that was let in never queues for a connection.
        connector=aiohttp.TCPConnector(
            limit=len(PATHS) * settings.spotify_max_fetches,
            keepalive_timeout=_KEEPALIVE_S,
            resolver=Resolver(),
        ),
        # The default jar would send one listener's cookies with another's request.
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "User-Agent": f"lyra/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        },
        auto_decompress=False,  # by pieces it takes three times as long, and blocks the reading
        raise_for_status=False,
        trust_env=False,
    ) as session:
        wire = Transport(
            session,
            settings.spotify_api_url,
            timeout_s=settings.spotify_timeout_s,
            clock=clock,
        )
        pool = ConnectionPrewarmer("Spotify", session, settings.spotify_api_url, len(PATHS))
        yield SpotifyClient(wire, pool, metrics, timeout_s=settings.spotify_timeout_s, rng=rng)
