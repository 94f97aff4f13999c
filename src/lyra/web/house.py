"""The routes about the service itself: alive, ready, its pages and its description."""

from html import escape
from importlib.resources import files
from string import Template

from aiohttp import web

from lyra import __version__
from lyra.web.answers import json_answer, json_bytes
from lyra.web.description import api_description
from lyra.web.services import SERVICES, Files, Services

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_INVENTED = "This is a demo: the token is an invented listener's."
_KEPT_HERE = "It stays in this page, and goes nowhere but to this server."
_DOCS_POLICY = (
    f"{_PAGE_POLICY}; script-src 'self'; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


async def healthz(_: web.Request) -> web.StreamResponse:
    """The process is alive."""
    return json_answer({"alive": True})


async def readyz(request: web.Request) -> web.StreamResponse:
    """Whether new listeners are welcome, with the state of each dependency."""
    services = request.app[SERVICES]
    ready = not services.runs.draining
    dependencies = {
        "spotify": services.lyra.spotify.describe(),
        "model": {"name": services.speaker.model.name, "offline": services.speaker.model.offline},
    }
    if services.lyra.redis is not None:
        dependencies["redis"] = services.lyra.redis.describe()
    told = {"ready": ready, "demo": services.demo, "dependencies": dependencies}
    return json_answer(told, 200 if ready else 503)


async def page(request: web.Request) -> web.StreamResponse:
    """What runs here and how to call it."""
    services = request.app[SERVICES]
    html = services.files.page.substitute(
        version=escape(__version__),
        what=escape(_what_runs(services)),
        model=escape(services.speaker.model.name),
        origin=escape(f"{request.scheme}://{request.host}"),
        token=escape(services.demo_token or "$SPOTIFY_TOKEN"),
    )
    return _html(html, _PAGE_POLICY)


async def docs(request: web.Request) -> web.StreamResponse:
    """The routes, and a console that shows a stream while it streams."""
    services = request.app[SERVICES]
    html = services.files.docs.substitute(
        kind="text" if services.demo else "password",
        token=escape(services.demo_token or ""),
        note=_INVENTED if services.demo else _KEPT_HERE,
    )
    return _html(html, _DOCS_POLICY)


async def openapi(request: web.Request) -> web.StreamResponse:
    """The description of every route."""
    return json_bytes(request.app[SERVICES].files.description)


async def style(request: web.Request) -> web.StreamResponse:
    """The style sheet of both pages."""
    return web.Response(text=request.app[SERVICES].files.style, content_type="text/css")


async def docs_style(request: web.Request) -> web.StreamResponse:
    """The style sheet of the console."""
    return web.Response(text=request.app[SERVICES].files.docs_style, content_type="text/css")


async def docs_script(request: web.Request) -> web.StreamResponse:
    """The console's script, as it was written."""
    text = request.app[SERVICES].files.docs_script
    return web.Response(text=text, content_type="text/javascript")


def read_files() -> Files:
    """What the pages need, read from the package or made once."""
    static = files("lyra.web") / "static"
    return Files(
        page=Template((static / "index.html").read_text("utf-8")),
        style=(static / "page.css").read_text("utf-8"),
        docs=Template((static / "docs.html").read_text("utf-8")),
        docs_style=(static / "docs.css").read_text("utf-8"),
        docs_script=(static / "docs.js").read_text("utf-8"),
        description=api_description(),
    )


def _html(text: str, policy: str) -> web.Response:
    headers = {"Content-Security-Policy": policy}
    return web.Response(text=text, content_type="text/html", headers=headers)


def _what_runs(services: Services) -> str:
    if services.demo:
        return "Demo: an invented listener on an invented Spotify. No account is involved."
    if services.speaker.model.offline:
        return "Offline mode: real Spotify data, no language model configured."
    return "Real Spotify data, answered by a language model."
