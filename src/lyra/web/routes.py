"""Every route of the service, as data."""

from aiohttp import web

from lyra.web.api import admin, agui, chat as talk, listener, login as auth, openai_compat as openai
from lyra.web.gateway.requests import handle_expect
from lyra.web.pages import handlers as house

_ROUTES: tuple[web.RouteDef, ...] = (
    web.post("/lyra/init", listener.init),
    web.post("/lyra/chat", talk.chat),
    web.post("/lyra/chat/{run}/stop", talk.stop),
    web.get("/lyra/chat/{run}/stream", talk.resume, allow_head=False),
    web.get("/lyra/status", listener.status),
    web.get("/lyra/profile", listener.profile),
    web.delete("/lyra/session", listener.forget),
    web.post("/lyra/agui", agui.agui),
    web.post("/v1/chat/completions", openai.completions),
    web.get("/v1/models", openai.models),
    web.get("/v1/models/{name}", openai.model),
    web.get("/auth/login", auth.login),
    web.get("/auth/callback", auth.callback),
    web.get("/auth/session", auth.session),
    web.post("/auth/consent", auth.consent),
    web.post("/auth/logout", auth.logout),
    web.get("/healthz", house.healthz),
    web.get("/readyz", house.readyz),
    web.get("/metrics", admin.metrics),
    web.get("/admin/cache", admin.cache_stats),
    web.delete("/admin/cache", admin.clear_cache),
    web.get("/openapi.json", house.openapi),
    web.get("/docs", house.docs),
    web.get("/", house.page),
    web.get("/static/{version}/{name}", house.asset),
    web.get("/static/{version}/js/{name}", house.script),
    web.get("/demo/cover/{name}.svg", house.demo_cover),
)

ROUTES = tuple(
    web.RouteDef(
        each.method, each.path, each.handler, {**each.kwargs, "expect_handler": handle_expect}
    )
    for each in _ROUTES
)
