"""The commands that serve, each from its settings to its exit code."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from lyra.cli.console import complain
from lyra.cli.logs import configure_logs
from lyra.cli.serving import serve_until_stopped, stop_signal
from lyra.cli.threads import DaemonThreadExecutor
from lyra.settings import SettingError, Settings
from lyra.web.http.access_log import RequestLog

log = logging.getLogger(__name__)

BAD_SETTING = 2
# Where a Lyra on this machine, on any port, has a log-in sent back to.
_CALLBACKS = ("http://127.0.0.1/auth/callback", "http://[::1]/auth/callback")
_DEMO_TOKEN_MS = 15  # as fast as a quick model speaks


def serve(
    settings: Settings,
    mode_reason: str = "",
    *,
    listen_fd: int | None = None,
    lifeline: int | None = None,
    warnings: Sequence[str] = (),
) -> int:
    """Serve real listeners, with a model or, where LYRA_LLM=offline says so, without one.

    A process manager hands over its listening socket as `listen_fd`; a `lifeline` is a pipe that
    closes when the supervisor is gone.
    """
    if settings.llm != "offline" and not (settings.llm_api_key or settings.llm_base_url):
        raise SettingError(
            "LYRA_LLM_API_KEY: no model key is set. Set it (or ANTHROPIC_API_KEY), or say "
            "LYRA_LLM=offline to answer without a language model. `lyra demo` needs neither."
        )
    greeting = None if lifeline is not None else mode_reason
    work = partial(
        serve_until_stopped, settings, mode_reason=greeting, listen_fd=listen_fd, lifeline=lifeline
    )
    return _run_with_logs(work, settings, warnings)


def demo(settings: Settings, warnings: Sequence[str] = (), mode_reason: str = "") -> int:
    """Serve an invented listener, with the real model if a key is set, else the sandbox's."""
    return _run_with_logs(partial(_demo, settings, mode_reason), settings, warnings)


def run(settings: Settings, warnings: Sequence[str] = ()) -> int:
    """Serve when a model key and Spotify settings are present, else the demo."""
    has_model = bool(settings.llm_api_key or settings.llm_base_url)
    has_spotify = bool(settings.spotify_client_id)
    if has_model and has_spotify:
        return serve(settings, "a model key and a Spotify client id are set", warnings=warnings)
    missing = [
        reason
        for reason, present in (
            ("no model key (LYRA_LLM_API_KEY)", has_model),
            ("no Spotify client id (LYRA_SPOTIFY_CLIENT_ID)", has_spotify),
        )
        if not present
    ]
    return demo(settings, warnings, " and ".join(missing))


def sandbox(host: str, port: int, replay: Path | None, redirect_uris: Sequence[str] = ()) -> int:
    """Serve only the invented Spotify and the invented model, until a signal."""
    configure_logs("text")
    return _run_loop(partial(_sandbox, host, port, replay, redirect_uris))


# The sandbox is imported only where it is used: it would make `lyra serve` a tenth slower to start.
async def _demo(settings: Settings, mode_reason: str, request_log: RequestLog) -> int:
    from lyra.cli.demo_listener import PERSONAS  # noqa: PLC0415
    from lyra.sandbox import Sandbox  # noqa: PLC0415

    async with Sandbox(token_ms=_DEMO_TOKEN_MS) as invented:
        changes: dict[str, Any] = {"spotify_api_url": invented.api_url}
        if not settings.uses_model and settings.llm != "offline":
            changes |= {
                "llm_base_url": invented.llm_url,
                "llm_api_key": "sandbox",
                "model": "sandbox-model",
            }
        settings = msgspec.structs.replace(settings, **changes)
        return await serve_until_stopped(
            settings, personas=PERSONAS, mode_reason=mode_reason, request_log=request_log
        )


async def _sandbox(host: str, port: int, replay: Path | None, redirect_uris: Sequence[str]) -> int:
    from lyra.sandbox import Sandbox, sandbox_token  # noqa: PLC0415
    from lyra.sandbox.accounts import CLIENTS  # noqa: PLC0415

    [client_id] = CLIENTS
    clients = {client_id: (*CLIENTS[client_id], *_CALLBACKS, *redirect_uris)}

    stop = stop_signal()
    async with AsyncExitStack() as stack:
        try:
            invented = await stack.enter_async_context(
                Sandbox(host=host, port=port, replay=replay, clients=clients)
            )
        except ValueError as wrong:
            raise SettingError(str(wrong)) from None
        kind = f"recorded answers of {replay}" if replay else "an invented Spotify"
        print(f"Lyra sandbox: {kind} and an invented model\n")
        print(f"  LYRA_SPOTIFY_API_URL={invented.api_url}")
        print(f"  LYRA_LLM_BASE_URL={invented.llm_url}")
        print(f"  LYRA_SPOTIFY_ACCOUNTS_URL={invented.accounts_url}")
        print(f"  LYRA_SPOTIFY_CLIENT_ID={client_id}")
        print(f"  a token: {sandbox_token()}")
        print(f"  counters: {invented.url}/__sandbox/stats", flush=True)
        await stop.wait()
    return 0


def _run_with_logs(
    work: Callable[..., Coroutine[Any, Any, int]], settings: Settings, warnings: Sequence[str]
) -> int:
    handler = configure_logs(settings.log, settings.secrets(), level=settings.log_level)
    for warning in warnings:
        log.warning("%s", warning)
    return _run_loop(partial(work, request_log=handler.log_request))


def _run_loop(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run on uvloop where it is installed: it takes a fifth less CPU per request."""
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.get_loop().set_default_executor(DaemonThreadExecutor())
            return runner.run(work())
    except OSError as failure:
        complain(f"cannot listen: {failure.strerror or failure}")
        return BAD_SETTING
