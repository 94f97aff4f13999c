"""Spotify's Web API as Lyra uses it: calls under one deadline, for one token at a time."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from math import inf
from random import Random
from typing import Any, Protocol, TypeVar

import aiohttp

from lyra import __version__
from lyra.circuit_breaker import Call, CircuitBreaker, CircuitOpenError
from lyra.clocks import wall_clock
from lyra.loop_throttle import LoopThrottle
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.cooldown import OUR_APP, Cooldown
from lyra.spotify.endpoints import (
    CALLS_PER_FETCH,
    PATHS,
    SAVES_AT_ONCE,
    SEARCHES_AT_ONCE,
    Endpoint,
    WriteEndpoint,
    method_of,
    path_of,
)
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.prewarm import ConnectionPrewarmer
from lyra.spotify.resolver import Resolver
from lyra.spotify.retry import Retries, RetryBudget, fits
from lyra.spotify.token import Token
from lyra.spotify.transport import AttemptCounter, RawResponse, Transport
from lyra.tracing import Span, SpanKind, set_error, start_span

log = logging.getLogger(__name__)
T = TypeVar("T")

# Below the idle timeout that servers commonly have, or requests meet closing connections. What is
# prewarmed may be older; aiohttp sends a GET again that meets one.
_KEEPALIVE_S = 15
_LARGE = 256 * 1024
_OUTAGES = frozenset({"unavailable", "timeout"})  # a pause that Spotify asks for is not one


class _Ask(Protocol):
    """Sends one request, with all that its attempts have in common."""

    async def __call__(self, *, tally: AttemptCounter, deadline: float) -> RawResponse: ...


class SpotifyClient:
    """The one client of a process; its limits are shared by all listeners, with a share for each."""

    def __init__(
        self,
        transport: Transport,
        prewarmer: ConnectionPrewarmer,
        metrics: Metrics,
        *,
        timeout_s: float,
        rng: Random,
    ) -> None:
        self.transport = transport
        self.prewarmer = prewarmer
        clock = asyncio.get_running_loop().time
        self.cooldown = Cooldown(clock)
        self.budget = RetryBudget(clock)
        self.throttle = LoopThrottle()
        self.breaker = CircuitBreaker("Spotify", clock)
        metrics.register_callback("lyra_spotify_breaker", self.breaker.stats)
        metrics.register_callback("lyra_spotify_cooldown", self._cooldown_stats)
        self.rng = rng
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._failing: set[Endpoint] = set()  # at most all endpoints
        self._owners = hashlib.blake2b(digest_size=16, key=secrets.token_bytes(32))

    def reader(self, token: Token) -> "SpotifyReader":
        """Return a reader for this token; its time for everything runs from its first call."""
        return SpotifyReader(self, token, self._timeout_s)

    def owner(self, token: Token) -> str:
        """Return a name for the owner of this token's calls, a hash that does not reveal the token."""
        keyed = self._owners.copy()
        keyed.update(token.identity.encode())
        return keyed.hexdigest()

    def _cooldown_stats(self) -> dict[str, int]:
        return {"closed": len(self._pauses()), "tokens": len(self.cooldown)}

    def _pauses(self) -> list[float]:
        """Return the seconds left of each pause of the operator's own app."""
        checked = (self.cooldown.blocking(OUR_APP, each) for each in PATHS)
        return [pause.retry_after_s or 0.0 for pause in checked if pause]

    def count(self, endpoint: Endpoint, outcome: str, sent: int, seconds: float) -> None:
        """Count `sent` calls, of which the last had this outcome, and their time together."""
        if sent > 1:
            self._metrics.spotify_calls.labels(endpoint, "resent").inc(sent - 1)
        if sent:
            self._metrics.spotify_calls.labels(endpoint, outcome).inc()
            self._metrics.spotify_seconds.labels(endpoint, outcome).observe(seconds)

    def span(self, endpoint: Endpoint) -> AbstractContextManager[Span]:
        """Give the span of one call."""
        method = method_of(endpoint)
        attributes = {"lyra.section": endpoint, "http.request.method": method}
        tracer = self._metrics.tracer
        return start_span(tracer, f"{method} {path_of(endpoint)}", attributes, kind=SpanKind.CLIENT)

    def describe(self) -> dict[str, Any]:
        """Return how Spotify is doing: `ok`, `failing` or `paused`, with what and how long.

        Only a pause of the operator's own app counts; one of a bearer token is that token's alone.
        """
        status: dict[str, Any] = {"state": "ok"}
        if self._failing:
            status |= {"state": "failing", "failing": sorted(self._failing)}
        if retry_in_s := self.breaker.retry_in_s:
            status |= {"state": "open", "retry_in_s": round(retry_in_s)}
        if paused := self._pauses():
            status |= {"state": "paused", "paused_s": round(max(paused))}
        return status

    def note_success(self, endpoint: Endpoint) -> None:
        """Record a read that went well; log it if the one before did not."""
        self.budget.earn()
        if endpoint in self._failing:
            self._failing.discard(endpoint)
            log.warning("Spotify answers again: %s", endpoint)

    def note_failure(self, app: str, endpoint: Endpoint, failure: SpotifyFailure) -> None:
        """Record a read that was given up; log it if the one before went well."""
        concerns_all = failure.kind in _OUTAGES or (
            failure.kind == "rate_limited" and app == OUR_APP
        )
        if concerns_all and endpoint not in self._failing:
            self._failing.add(endpoint)
            log.warning("Spotify fails: %s (%s)", endpoint, failure.code)


class SpotifyReader:
    """Reads one listener's endpoints, and writes to them, together within one deadline.

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

    async def get(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], T],
        params: Mapping[str, str] | None = None,
        *,
        playlist: str | None = None,
    ) -> T:
        """Return what `parse` makes of the endpoint's body.

        `params` are the query, in place of the endpoint's own of the same names. `playlist` is the
        id of the one whose contents are read.

        `parse` raises SpotifyFailure for a body it cannot use: `truncated` is asked for once more.

        Raises:
            SpotifyFailure: after the last attempt that made sense.
            ValueError: `playlist` is no id of a playlist; nothing is sent.
        """
        ask = partial(
            self._client.transport.send,
            endpoint,
            self._token,
            params=params,
            playlist=playlist,
        )
        return await self._send_until_done(endpoint, parse, ask)

    async def write(
        self,
        endpoint: WriteEndpoint,
        parse: Callable[[bytes], T],
        body: bytes,
        *,
        playlist: str | None = None,
    ) -> T:
        """Return what `parse` makes of the response to this JSON body.

        A POST is sent at once and once, or not at all: whoever has to know when it may have been
        done, see `SpotifyFailure.may_be_done`, knows when it was sent.

        Raises:
            SpotifyFailure: it failed, or Spotify wants no calls now.
            ValueError: `playlist` is no id of a playlist; nothing is sent.
        """
        ask = partial(
            self._client.transport.send, endpoint, self._token, playlist=playlist, body=body
        )
        return await self._send_until_done(endpoint, parse, ask)

    async def _send_until_done(
        self, endpoint: Endpoint, parse: Callable[[bytes], T], ask: _Ask
    ) -> T:
        if self._deadline == inf:
            self._deadline = asyncio.get_running_loop().time() + self._timeout_s
        retries = Retries(self._client.budget, self._client.rng, self._owner)
        while True:
            try:
                return await self._attempt(endpoint, parse, ask)
            except SpotifyFailure as caught:
                failure = caught
            once = method_of(endpoint) == "POST"
            delay = None if once else retries.delay(failure, self._left_s)
            if delay is None:
                self._client.note_failure(self._app, endpoint, failure)
                # The frames below hold the body, which error trackers would copy.
                raise failure.with_traceback(None)
            await asyncio.sleep(delay)

    def _count_one(self) -> None:
        self.calls += 1

    @property
    def _left_s(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()

    async def _attempt(self, endpoint: Endpoint, parse: Callable[[bytes], T], ask: _Ask) -> T:
        await self._wait_out_cooldown(endpoint)
        try:
            with (
                self._client.breaker.call(self._owner) as call,
                self._client.span(endpoint) as span,
            ):
                return await self._send(endpoint, parse, ask, call, span)
        except CircuitOpenError as open_circuit:
            failure = SpotifyFailure("circuit_open", retry_after_s=open_circuit.retry_after_s)
        raise failure

    async def _send(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], T],
        ask: _Ask,
        call: Call,
        span: Span,
    ) -> T:
        tally, outcome = AttemptCounter(self._count_one), "abandoned"
        started = asyncio.get_running_loop().time()
        try:
            answer = await ask(tally=tally, deadline=self._deadline)
            await self._client.throttle.slice()
            body = self._client.transport.read(answer)
            if len(body) > _LARGE:
                await self._client.throttle.yield_turn()  # it may have been made to take long
            value = parse(body)
            outcome = "ok"
        except SpotifyFailure as failure:
            outcome = failure.kind
            if outcome in _OUTAGES:
                call.record_failure()
            elif outcome == "rejected":
                call.record_answer()  # a probe with a bad token must not keep the breaker half-open
            else:
                call.record_success()  # Spotify works if it refuses a good token or asks it to pause
            self._client.cooldown.start(self._app, endpoint, failure)
            set_error(span, failure.code)
            raise
        finally:
            took = asyncio.get_running_loop().time() - started
            self._client.count(endpoint, outcome, tally.sent, took)
        call.record_success()
        self._client.note_success(endpoint)
        return value

    async def _wait_out_cooldown(self, endpoint: Endpoint) -> None:
        """Wait out a short pause; fail at once, without a call, before a long one."""
        while blocked := self._client.cooldown.blocking(self._app, endpoint):
            pause_s = blocked.retry_after_s or 0.0
            if method_of(endpoint) == "POST" or not fits(pause_s, self._left_s):
                blocked.retryable = False  # a wait has just been ruled out
                raise blocked
            await asyncio.sleep(pause_s * self._client.rng.uniform(1.0, 1.1))


@asynccontextmanager
async def open_spotify(
    settings: Settings,
    metrics: Metrics,
    *,
    rng: Random,
    clock: Callable[[], float] = wall_clock,
) -> AsyncIterator[SpotifyClient]:
    """Give the client of one process and running loop; its connections close at the end.

    `clock` gives seconds since the epoch; only a Retry-After that is a date needs it.
    """
    async with aiohttp.ClientSession(
        # Neither a fetch nor a search nor a save that was admitted queues for a connection.
        connector=aiohttp.TCPConnector(
            limit=CALLS_PER_FETCH * settings.spotify_max_fetches + SEARCHES_AT_ONCE + SAVES_AT_ONCE,
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
        auto_decompress=False,  # chunk by chunk it takes three times as long, and blocks reading
        raise_for_status=False,
        trust_env=False,
    ) as session:
        transport = Transport(
            session,
            settings.spotify_api_url,
            timeout_s=settings.spotify_timeout_s,
            clock=clock,
        )
        prewarmer = ConnectionPrewarmer(
            "Spotify", session, settings.spotify_api_url, CALLS_PER_FETCH
        )
        yield SpotifyClient(
            transport, prewarmer, metrics, timeout_s=settings.spotify_timeout_s, rng=rng
        )
