"""One serving process, from its start to its graceful shutdown."""

import asyncio
import gc
import importlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from lyra import __version__
from lyra.app import create_app
from lyra.chat.model.port import LazyModel
from lyra.cli.address import listen_error, reachable_address
from lyra.cli.console import say
from lyra.cli.environment import process_manager, wants_traces
from lyra.cli.sd_notify import sd_notify
from lyra.cli.signals import HANGUP, hangup_is_ignored
from lyra.extras import how_to_install
from lyra.settings import SettingError, Settings
from lyra.spotify.endpoints import CALLS_PER_FETCH
from lyra.spotify.prewarm import keep_warm
from lyra.tracing import NoOpTracer, Tracer
from lyra.web.api.admin import admin_app
from lyra.web.context import SERVICES, Persona, Services
from lyra.web.gateway.server import Runner, listen, listen_on
from lyra.web.http.access_log import RequestLog, log_request

log = logging.getLogger(__name__)

_SPARE_FILES = 64
_CGROUPS = Path("/sys/fs/cgroup")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def serve_until_stopped(
    settings: Settings,
    *,
    personas: Sequence[Persona] = (),
    mode_reason: str | None = "",
    listen_fd: int | None = None,
    lifeline: int | None = None,
    request_log: RequestLog = log_request,
) -> int:
    """Serve; on the first signal shut down gracefully, on the second exit at once.

    Nothing is printed if `mode_reason` is None: a supervisor prints for its workers.
    """
    stop = stop_signal(lifeline)
    asyncio.get_running_loop().set_exception_handler(report_unhandled)
    _leave_no_core()
    settings = await asyncio.to_thread(fit_memory_limit, fit_file_limit(settings))
    async with AsyncExitStack() as stack:
        tracer = await stack.enter_async_context(_open_tracer())
        app = create_app(
            settings,
            personas=personas,
            request_log=request_log,
            tracer=tracer,
            # When a socket was handed over, another process still serves on it until we are ready.
            early=listen_fd is None,
        )
        runner = Runner(app, settings)
        stack.push_async_callback(runner.cleanup)
        if not await _run_until_stop(runner.setup(), stop):
            return 0
        async with _open_admin_port(app[SERVICES], settings, request_log) as admin:
            port = await _listen(runner, settings, listen_fd)
            await stack.enter_async_context(keep_warm(app[SERVICES].lyra.spotify.prewarmer))
            # The objects made so far stay, so exclude them from collections. Collecting first would
            # find nothing, and block the loop for a tenth of a second.
            gc.freeze()
            model = app[SERVICES].generator.model
            if isinstance(model, LazyModel) and not await _run_until_stop(
                model.wait_loaded(), stop
            ):
                return 0
            gc.freeze()
            _say(mode_reason, lambda reason: _greeting(app[SERVICES], port, admin, reason))
            sd_notify(process_manager(), "READY=1")
            await stop.wait()
            sd_notify(process_manager(), "STOPPING=1")
            _say(mode_reason, lambda _: "lyra: stopping; live answers may finish")
            await runner.begin_shutdown()
            app[SERVICES].runs.draining = True
    return 0


@asynccontextmanager
async def _open_tracer() -> AsyncIterator[Tracer]:
    """Yield a tracer for the collector that the environment names, or one that does nothing."""
    if not wants_traces():
        yield NoOpTracer()
        return
    otel = await asyncio.to_thread(importlib.import_module, "lyra.otel")
    async with AsyncExitStack() as stack:
        try:
            tracer = await stack.enter_async_context(otel.exporting())
        except ImportError:
            cure = await asyncio.to_thread(how_to_install, "traces")
            raise SettingError(
                "OTEL_EXPORTER_OTLP_ENDPOINT: traces need OpenTelemetry's SDK and exporter, which "
                f"are not installed: {cure}, or unset the variable."
            ) from None
        yield tracer


async def _run_until_stop(work: Coroutine[Any, Any, Any], stop: asyncio.Event) -> bool:
    """Run this part of the start; return False if the process is to stop."""
    loop = asyncio.get_running_loop()
    task, stopped = loop.create_task(work), loop.create_task(stop.wait())
    await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if stop.is_set() and not task.done():
        task.cancel()
        await asyncio.wait((task,))
        return False
    await task  # raises its failure, which ends the start
    return not stop.is_set()


def _say(mode_reason: str | None, words: Callable[[str], str]) -> None:
    if mode_reason is not None:
        say(words(mode_reason))


@asynccontextmanager
async def _open_admin_port(
    services: Services, settings: Settings, request_log: RequestLog
) -> AsyncIterator[int | None]:
    """Open the operator's own port, if there is one: on this machine alone, without a token."""
    if settings.admin_port is None:
        yield None
        return
    app = admin_app(services, request_log)
    runner = Runner(app, settings, counted_as="lyra_admin_connections")
    await runner.setup()
    try:
        try:
            # A worker and its successor both listen for a moment.
            shared = settings.workers > 1
            await web.TCPSite(
                runner, "127.0.0.1", settings.admin_port, reuse_port=shared or None
            ).start()
        except OSError as failure:
            raise SettingError(
                f"LYRA_ADMIN_PORT: cannot listen on 127.0.0.1:{settings.admin_port} "
                f"({os.strerror(failure.errno or 0)}). Set another one."
            ) from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def report_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an unhandled exception by its type and traceback; asyncio's own line quotes objects."""
    failure = context.get("exception")
    log.error("unhandled in the background: %s", type(failure).__name__, exc_info=failure)


def _leave_no_core() -> None:
    """Disable core dumps, which would write this process's tokens to a disk.

    Not with PR_SET_DUMPABLE: it would hide the process's own files in /proc from its metrics.
    """
    with suppress(ImportError):  # absent on Windows
        import resource  # noqa: PLC0415

        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def fit_file_limit(settings: Settings) -> Settings:
    """Raise the limit of open files, and return settings with no more connections than it allows."""
    try:
        import resource  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return settings
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return settings
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # At least half is for listeners; the rest for their streams' calls and for fetches.
    upstream = settings.max_streams + CALLS_PER_FETCH * settings.spotify_max_fetches + _SPARE_FILES
    room = max(hard - upstream, hard // 2)
    return replace(settings, max_connections=min(room, settings.max_connections))


def fit_memory_limit(
    settings: Settings, *, group: Path | None = None, machine: int | None = None
) -> Settings:
    """Return settings with a limit of memory: a worker's share of what the machine or group has.

    `group` is the folder of its control group, `machine` the machine's memory in bytes.
    """
    if settings.max_memory_bytes or not _CGROUPS.exists():
        return settings
    limits = [
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if machine is None else machine
    ]
    with suppress(OSError, ValueError):  # `max` is no number, and an older kernel has no such file
        limits.append(int(((group or _own_group()) / "memory.max").read_text("ascii")))
    return replace(settings, max_memory_bytes=min(limits) // settings.workers)


def _own_group() -> Path:
    """Return the folder of this process's control group, as systemd and containers make it."""
    for line in Path("/proc/self/cgroup").read_text("ascii").splitlines():
        if line.startswith("0::/"):
            return _CGROUPS / line.removeprefix("0::/")
    return _CGROUPS


def stop_signal(lifeline: int | None = None) -> asyncio.Event:
    """Return an event that SIGINT, SIGTERM, SIGHUP or a closed lifeline sets.

    A second SIGINT or SIGTERM ends the process at once; a second SIGHUP does not, since a closing
    terminal may send several. Nor does any signal to a worker, which has a lifeline: where systemd
    signals every process of a unit, it hears of one stop twice. Its supervisor kills it in time.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal() -> None:
        stop.set()
        if lifeline is not None:
            return
        for number in _SIGNALS:
            loop.add_signal_handler(number, os._exit, 1)

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal)
    if HANGUP is not None and not hangup_is_ignored():
        loop.add_signal_handler(HANGUP, on_signal)
    if lifeline is not None:

        def on_lifeline_closed() -> None:
            loop.remove_reader(lifeline)
            stop.set()

        loop.add_reader(lifeline, on_lifeline_closed)
    return stop


async def _listen(runner: Runner, settings: Settings, listen_fd: int | None) -> int:
    if listen_fd is not None:
        try:
            return await listen_on(runner, socket.socket(fileno=listen_fd))
        except OSError as failure:
            raise SettingError(
                f"--fd: {listen_fd} is no listening socket ({os.strerror(failure.errno or 0)}). "
                "The process manager has to open it and hand it over."
            ) from None
    try:
        return await listen(runner, settings.host, settings.port)
    except (OSError, UnicodeError) as failure:
        raise listen_error(settings, failure) from None


def _greeting(services: Services, port: int, admin: int | None, mode_reason: str) -> str:
    url = f"http://{reachable_address(services.settings.host, port)}"
    # In double quotes below, so that a shell puts the variable's value in.
    bearer = f"Authorization: Bearer {services.demo_token or '$SPOTIFY_TOKEN'}"
    model = services.generator.model
    kind = "DEMO (an invented listener)" if services.demo else "serving real Spotify data"
    lines = [f"Lyra {__version__}: {kind} on {url}"]
    if mode_reason:
        lines.append(f"  why:    {mode_reason}")
    lines += [
        f"  model:  {model.name}{' (no language model)' if model.offline else ''}",
        f"  page:   {url}/",
        *([f"  admin:  http://127.0.0.1:{admin}/metrics"] if admin else []),
        "",
        "Load the listener once, then ask:",
        f'  curl -s -X POST {url}/lyra/init -H "{bearer}"',
        f'  curl -sN {url}/lyra/chat -H "{bearer}" \\',
        "    -H 'Content-Type: application/json' \\",
        """    -d '{"message": "Which artists do I listen to most?"}'""",
        "",
        "Ctrl-C stops it.",
    ]
    return "\n".join(lines)
