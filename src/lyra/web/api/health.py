"""The health checks: whether the process is alive, and whether it is ready."""

from aiohttp import web

from lyra.web.context import SERVICES
from lyra.web.gateway.prebuilt_response import prebuilt_json
from lyra.web.http.responses import json_response


async def healthz(request: web.Request) -> web.StreamResponse:
    """Answer that the process is alive."""
    return prebuilt_json(request, b'{"alive":true}')


async def readyz(request: web.Request) -> web.StreamResponse:
    """Answer whether new listeners are welcome, with the state of each dependency."""
    services = request.app[SERVICES]
    shutting_down = services.shutting_down.is_set() or services.runs.draining
    healthy = services.watchdog.healthy and not services.memory_guard.under_pressure
    ready = not shutting_down and healthy and services.generator.ready
    dependencies = {
        "spotify": services.lyra.spotify.describe(),
        "model": services.generator.describe(),
    }
    if services.lyra.redis is not None:
        dependencies["redis"] = services.lyra.redis.describe()
    payload = {"ready": ready, "demo": services.demo, "dependencies": dependencies}
    return json_response(payload, 200 if ready else 503)
