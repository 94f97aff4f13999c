"""The operator's routes. Without the admin token they do not exist, for anybody."""

from aiohttp import web

from lyra.errors import NotForgottenError, NotFoundError
from lyra.metrics import CONTENT_TYPE
from lyra.web.answers import json_answer
from lyra.web.intake import same_secret
from lyra.web.services import SERVICES, Services


async def metrics(request: web.Request) -> web.StreamResponse:
    """Everything counted and timed, as Prometheus text."""
    body = _opened(request).metrics.render()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


async def cache_stats(request: web.Request) -> web.StreamResponse:
    """The cache's counters and sizes."""
    return json_answer({"success": True, "cache": _opened(request).lyra.listeners.stats()})


async def clear_cache(request: web.Request) -> web.StreamResponse:
    """Forget every listener, also those that are being fetched now.

    Raises:
        NotForgottenError: Redis does not take it; it is told again as soon as it answers.
    """
    if not await _opened(request).lyra.listeners.clear():
        raise NotForgottenError(retry_after_s=1)
    return web.Response(status=204)


OPEN: web.AppKey[bool] = web.AppKey("open", bool)


def admin_app(services: Services) -> web.Application:
    """The operator's routes for a port of their own on this machine: there no token is asked for."""
    app = web.Application()
    app[SERVICES], app[OPEN] = services, True
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/admin/cache", cache_stats)
    app.router.add_delete("/admin/cache", clear_cache)
    return app


def _opened(request: web.Request) -> Services:
    """The services, for whoever holds the admin token, or came by the operator's own port."""
    services = request.app[SERVICES]
    if request.app.get(OPEN):
        return services
    wanted = services.settings.admin_token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if wanted is None or scheme.lower() != "bearer" or not same_secret(given, wanted):
        raise NotFoundError
    return services
