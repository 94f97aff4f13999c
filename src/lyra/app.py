"""Build the service: every part once, closed in reverse."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random

from aiohttp import web
from msgspec.structs import replace

from lyra.agent import Lyra, open_lyra
from lyra.background import background
from lyra.chat.generation import AnswerGenerator
from lyra.chat.model.model_circuit import ModelCircuit
from lyra.chat.model.port import ChatModel, LazyModel, open_model
from lyra.chat.runs.registry import RunRegistry
from lyra.chat.runs.replication import RunReplicator
from lyra.chat.runs.supervisor import RunSupervisor
from lyra.chat.token_quota import TokenQuota
from lyra.chat.tools.toolbox import Toolbox
from lyra.circuit_breaker import CircuitBreaker
from lyra.clocks import wall_clock
from lyra.metrics import Metrics
from lyra.redis.counters import SharedCounters
from lyra.redis.run_store import SharedRuns
from lyra.settings import Settings
from lyra.tracing import Tracer
from lyra.web.context import SERVICES, Files, Persona, Services
from lyra.web.gateway.middleware import Middleware, add_default_headers
from lyra.web.gateway.prebuilt_response import prebuilt_head
from lyra.web.gateway.requests import MAX_BODY_BYTES
from lyra.web.http.access_log import RequestLog, log_request
from lyra.web.http.body_limit import BodyLimit
from lyra.web.http.client_ip import trusted_networks
from lyra.web.http.memory_guard import MemoryGuard
from lyra.web.http.rate_limit import RateLimit
from lyra.web.http.stream_monitor import StreamMonitor
from lyra.web.http.watchdog import Watchdog
from lyra.web.http.write_coalescer import WriteCoalescer
from lyra.web.login.open_logins import open_logins
from lyra.web.pages.handlers import read_files
from lyra.web.routes import ROUTES, describe_routes

_CHATS_OF_AN_ADDRESS = 5  # times what one token may
_NEW_TOKENS_OF_AN_ADDRESS = 20


def create_app(
    settings: Settings,
    *,
    personas: Sequence[Persona] = (),
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = wall_clock,
    rng: Random | None = None,
    request_log: RequestLog = log_request,
    tracer: Tracer | None = None,
    early: bool = False,
) -> web.Application:
    """Return the service as an aiohttp application; run it with `lyra.web.gateway.server.Runner`.

    With `personas` every answer is labelled as being about an invented listener. `early`: it may
    be served before it is ready, while the model's client is still being imported.
    """

    def limit(times: int, reason: str) -> RateLimit:
        per_minute, entries = times * settings.rate_per_minute, settings.cache_max_entries
        return RateLimit(per_minute, entries=entries, clock=clock, reason=reason)

    # In a demo Spotify is invented: no real listener's token must go there.
    login_settings = replace(settings, spotify_client_id=None) if personas else settings
    rng = rng or Random()  # noqa: S311 - spreads load, guards nothing
    metrics = Metrics(tracer)

    @asynccontextmanager
    async def services(app: web.Application) -> AsyncIterator[None]:
        awaited_bodies = BodyLimit(settings)
        watchdog = Watchdog(metrics, settings.stall_s)
        async with (
            open_lyra(settings, metrics, clock=clock, wall_clock=wall_clock, rng=rng) as lyra,
            open_model(settings) as model,
            _open_runs(settings, lyra, metrics, clock) as runs,
            _open_stream_monitor(settings) as stream_monitor,
            _open_quota(settings, lyra, wall_clock) as budget,
            watchdog.watching(),
            _open_memory_guard(settings, lyra, awaited_bodies) as memory_guard,
            open_logins(
                login_settings, lyra, runs, metrics, terms=_terms(settings, model)
            ) as logins,
        ):
            if isinstance(model, LazyModel) and not early:
                await model.wait_loaded()
            metrics.register_callback("lyra_concurrency", middleware.limiter.stats)
            metrics.register_callback("lyra_bodies", awaited_bodies.stats)
            app[SERVICES] = Services(
                settings=settings,
                metrics=metrics,
                lyra=lyra,
                generator=_make_generator(
                    settings,
                    model,
                    lyra,
                    budget,
                    rng,
                    wall_clock=wall_clock,
                    demo=bool(personas),
                ),
                runs=runs,
                stream_monitor=stream_monitor,
                watchdog=watchdog,
                memory_guard=memory_guard,
                chat_limit=limit(1, "rate"),
                address_limit=limit(_CHATS_OF_AN_ADDRESS, "address"),
                resume_limit=limit(1, "rate"),
                new_token_limit=limit(_NEW_TOKENS_OF_AN_ADDRESS, "new_tokens"),
                save_limit=limit(1, "rate"),
                ending_limit=limit(_CHATS_OF_AN_ADDRESS, "address"),
                arrived_bodies=BodyLimit(settings),
                awaited_bodies=awaited_bodies,
                trusted=trusted_networks(settings.trusted_proxies),
                static_head=prebuilt_head(settings),
                write_coalescer=WriteCoalescer(asyncio.get_running_loop()),
                files=await asyncio.to_thread(_read_files, settings),
                logins=logins,
                personas=tuple(personas),
            )
            yield

    middleware = Middleware(settings, metrics.requests, request_log, tracer)
    trusted_networks(settings.trusted_proxies)  # a wrong one stops the start, here already
    app = web.Application(middlewares=[middleware.middleware], client_max_size=MAX_BODY_BYTES)
    app.cleanup_ctx.append(services)
    app.on_response_prepare.append(add_default_headers)
    app.on_shutdown.append(_drain)
    app.add_routes(route.definition() for route in ROUTES)
    return app


def _read_files(settings: Settings) -> Files:
    return read_files(describe_routes(settings.public_path))


def _terms(settings: Settings, model: ChatModel) -> str:
    """Return what a listener consents to: which model gets how much, and at whose host."""
    return "\n".join((model.name, settings.provider or "", settings.llm_context))


def _make_generator(
    settings: Settings,
    model: ChatModel,
    lyra: Lyra,
    budget: TokenQuota,
    rng: Random,
    *,
    wall_clock: Callable[[], float],
    demo: bool,
) -> AnswerGenerator:
    breaker = CircuitBreaker("the model", time.monotonic)
    lyra.metrics.register_callback("lyra_model_breaker", breaker.stats)
    guard = ModelCircuit(breaker, lyra.metrics, model=model.name)
    keys = lyra.listeners.keys
    return AnswerGenerator(
        settings,
        model,
        lyra.metrics,
        rng,
        guard,
        budget,
        keys,
        Toolbox(settings, lyra.catalogue, lyra.searches, lyra.listeners, lyra.proposals),
        wall_clock=wall_clock,
        demo=demo,
    )


@asynccontextmanager
async def _open_quota(
    settings: Settings, lyra: Lyra, wall_clock: Callable[[], float]
) -> AsyncIterator[TokenQuota]:
    budget = TokenQuota(
        settings.daily_tokens,
        entries=settings.cache_max_entries,
        wall_clock=wall_clock,
        longest_s=settings.answer_timeout_s + settings.drain_s,
        shared=SharedCounters(lyra.redis) if lyra.redis is not None else None,
    )
    try:
        yield budget
    finally:
        await budget.close()


@asynccontextmanager
async def _open_runs(
    settings: Settings, lyra: Lyra, metrics: Metrics, clock: Callable[[], float]
) -> AsyncIterator[RunRegistry]:
    replicator = None
    if lyra.redis is not None and settings.secret is not None:
        replicator = RunReplicator(
            SharedRuns(lyra.redis),
            settings.secret,
            keep_s=settings.run_keep_s,
            grace_s=settings.resume_grace_s,
            longest_s=settings.answer_timeout_s + settings.spotify_timeout_s,
        )
    supervisor = RunSupervisor(settings.answer_timeout_s, clock=clock)
    runs = RunRegistry(settings, replicator, supervisor)
    metrics.register_callback("lyra_runs", runs.stats)
    metrics.register_callback("lyra_overdue", supervisor.stats)
    async with supervisor.supervise():
        try:
            yield runs
        finally:
            await runs.close()


@asynccontextmanager
async def _open_stream_monitor(settings: Settings) -> AsyncIterator[StreamMonitor]:
    monitor = StreamMonitor(settings)
    async with background(monitor.run()):
        yield monitor


@asynccontextmanager
async def _open_memory_guard(
    settings: Settings, lyra: Lyra, bodies: BodyLimit
) -> AsyncIterator[MemoryGuard]:
    guard = MemoryGuard(settings.max_memory_bytes, lyra.listeners.evict_all, bodies.drop)
    lyra.metrics.register_callback("lyra_memory", guard.stats)
    async with guard.watching():
        yield guard


async def _drain(app: web.Application) -> None:
    """Let answers, saves and awaited fetches end within the drain time, then fail those that still wait."""
    services, clock = app[SERVICES], asyncio.get_running_loop().time
    until = clock() + services.settings.drain_s
    async with asyncio.TaskGroup() as group:
        group.create_task(services.runs.drain())
        group.create_task(services.lyra.saver.drain(services.settings.drain_s))
    await services.lyra.listeners.drain(max(0, until - clock()))
