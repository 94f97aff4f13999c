"""Runs the service until a signal, and tells the person at the terminal what runs and why."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from lyra import __version__
from lyra.app import create_app
from lyra.settings import SettingError, Settings
from lyra.web.admin import admin_app
from lyra.web.server import Runner, listen
from lyra.web.services import SERVICES, Persona, Services

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def serve_until_stopped(
    settings: Settings, *, personas: Sequence[Persona] = (), why: str = ""
) -> int:
    """Serve; on the first signal let live answers finish, on the second leave at once."""
    stop = stop_signal()
    app = create_app(settings, personas=personas)
    runner = Runner(app, settings)
    await runner.setup()
    try:
        async with _admin_port(app[SERVICES], settings):
            port = await _listen(runner, settings)
            # What start-up made stays: the collector need not search it again and again.
            gc.collect()
            gc.freeze()
            print(_greeting(app[SERVICES], port, why), flush=True)
            await stop.wait()
            print("lyra: stopping; live answers may finish", flush=True)
            app[SERVICES].runs.draining = True
    finally:
        await runner.cleanup()
    return 0


@asynccontextmanager
async def _admin_port(services: Services, settings: Settings) -> AsyncIterator[None]:
    """The operator's own port, if there is one: on this machine alone, without a token."""
    if settings.admin_port is None:
        yield
        return
    runner = web.AppRunner(admin_app(services), access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, "127.0.0.1", settings.admin_port).start()
        except OSError as failure:
            raise SettingError(
                f"LYRA_ADMIN_PORT: cannot listen on 127.0.0.1:{settings.admin_port} "
                f"({os.strerror(failure.errno or 0)}). Set another one."
            ) from None
        yield
    finally:
        await runner.cleanup()


def stop_signal() -> asyncio.Event:
    """Set at the first SIGINT or SIGTERM from now on; the one after ends the process at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def told() -> None:
        stop.set()
        for number in _SIGNALS:
            loop.add_signal_handler(number, os._exit, 1)

    for number in _SIGNALS:
        loop.add_signal_handler(number, told)
    return stop


async def _listen(runner: Runner, settings: Settings) -> int:
    try:
        return await listen(runner, settings.host, settings.port)
    except OSError as failure:
        raise SettingError(
            f"LYRA_PORT: cannot listen on {settings.host}:{settings.port} "
            f"({os.strerror(failure.errno or 0)}). Stop what uses it, or set another LYRA_PORT."
        ) from None


def _greeting(services: Services, port: int, why: str) -> str:
    url = f"http://{_shown_host(services.settings)}:{port}"
    # In double quotes below, so that a shell puts the variable's value in.
    bearer = f"Authorization: Bearer {services.demo_token or '$SPOTIFY_TOKEN'}"
    model = services.speaker.model
    kind = "DEMO (an invented listener)" if services.demo else "serving real Spotify data"
    lines = [f"Lyra {__version__}: {kind} on {url}"]
    if why:
        lines.append(f"  why:    {why}")
    lines += [
        f"  model:  {model.name}{' (no language model)' if model.offline else ''}",
        f"  page:   {url}/",
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


def _shown_host(settings: Settings) -> str:
    return "127.0.0.1" if settings.host in ("", "0.0.0.0", "::") else settings.host  # noqa: S104
