"""The pages, the files that they load, and the description of the routes."""

import gzip
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from aiohttp import web

from lyra.errors import NotFoundError
from lyra.web.api.login import redirect_to_loopback
from lyra.web.context import SERVICES, Files, Services
from lyra.web.http.responses import json_bytes
from lyra.web.http.static_files import read_assets
from lyra.web.login.outcomes import OUTCOME_MESSAGES
from lyra.web.pages.demo_covers import draw_cover

_COVERS = "https://i.scdn.co https://mosaic.scdn.co https://image-cdn-ak.spotifycdn.com"
_INVENTED = "This is a demo: the token is an invented listener's."
_KEPT_HERE = "It stays in this page, and goes nowhere but to this server."
_HOW_TO_CONNECT = (
    "A demo never talks to Spotify. Stop it, and start `lyra serve` to connect your own account."
)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'{covers}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

_ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "credentialless",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


async def page(request: web.Request) -> web.StreamResponse:
    """Respond with the listener's page: the sky, and a chat."""
    if (redirect := redirect_to_loopback(request)) is not None:
        return redirect
    services = request.app[SERVICES]
    html = services.files.page.substitute(
        state=_root_attributes(services, request.query.get("login", "")),
        assets=services.files.assets.base_path(services.settings.public_path),
        base=services.settings.public_path,
        who=_listener_html(services),
        origin=escape(services.settings.public_url or f"{request.scheme}://{request.host}").rstrip(
            "/"
        ),
        token=escape(services.demo_token or "$SPOTIFY_TOKEN"),
    )
    # In a demo every cover is drawn here: the page loads nothing from another host.
    return _html_response(request, html, "" if services.demo else f" {_COVERS}")


def _listener_html(services: Services) -> str:
    """Return the element that names the listener: in a demo a choice of several."""
    if not services.demo:
        return '<p class="who" id="who">Not connected</p>'
    options = "".join(
        f'<option value="{escape(persona.token)}">{escape(persona.label)}</option>'
        for persona in services.personas
    )
    who = f'<select class="who plain" id="who" aria-label="Listener" autocomplete="off">{options}</select>'
    real = f'<button class="plain" id="connect" value="{_HOW_TO_CONNECT}">Connect Spotify</button>'
    return f'<b class="tag">Demo</b>{who}{real if services.settings.spotify_client_id else ""}'


def _root_attributes(services: Services, outcome: str) -> str:
    """Return what the page's scripts have to know, as attributes of its root element."""
    attributes = {"model": services.generator.model.name, "context": services.settings.llm_context}
    if services.settings.public_path:
        attributes["base"] = services.settings.public_path
    if services.settings.provider is not None:
        attributes["provider"] = services.settings.provider
    if services.demo_token is not None:
        attributes["demo"] = services.demo_token
    if services.logins is not None:
        attributes["connect"] = "yes"
        if outcome in OUTCOME_MESSAGES:
            attributes["trouble"] = OUTCOME_MESSAGES[outcome]
    if services.generator.model.offline:
        attributes["offline"] = "yes"
    return "".join(f' data-{name}="{escape(value)}"' for name, value in attributes.items())


async def docs(request: web.Request) -> web.StreamResponse:
    """Respond with the routes, and a console that shows a stream while it streams."""
    services = request.app[SERVICES]
    html = services.files.docs.substitute(
        assets=services.files.assets.base_path(services.settings.public_path),
        base=services.settings.public_path,
        kind="text" if services.demo else "password",
        token=escape(services.demo_token or ""),
        note=_INVENTED if services.demo else _KEPT_HERE,
    )
    return _html_response(request, html)


async def style(request: web.Request) -> web.StreamResponse:
    """Respond with a style sheet, script or picture of the pages."""
    return request.app[SERVICES].files.assets.respond(request, request.match_info["name"])


async def script(request: web.Request) -> web.StreamResponse:
    """Respond with a module of the listener's page."""
    name = f"js/{request.match_info['name']}"
    return request.app[SERVICES].files.assets.respond(request, name)


async def demo_cover(request: web.Request) -> web.StreamResponse:
    """Respond with a cover of invented music; in a demo alone."""
    if not request.app[SERVICES].demo:
        raise NotFoundError
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    body = draw_cover(request.match_info["name"])
    return web.Response(body=body, content_type="image/svg+xml", headers=headers)


async def openapi(request: web.Request) -> web.StreamResponse:
    """Respond with the OpenAPI document."""
    return json_bytes(request.app[SERVICES].files.description)


@cache
def read_files(description: bytes) -> Files:
    """Return what the pages need, read once for all services of the process.

    `description` is the OpenAPI document. Reads and compresses: not on the event loop.
    """
    static = files("lyra.web") / "static"
    return Files(
        page=Template((static / "index.html").read_text("utf-8")),
        docs=Template((static / "docs.html").read_text("utf-8")),
        assets=read_assets(),
        description=description,
    )


def _html_response(request: web.Request, text: str, covers: str = "") -> web.Response:
    policy = _POLICY.format(covers=covers)
    headers = {"Content-Security-Policy": policy, "Vary": "Accept-Encoding", **_ISOLATION}
    body = text.encode()
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, mtime=0)  # 3 kB: 0.1 ms
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)
