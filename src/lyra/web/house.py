"""The routes about the service itself: alive, ready, and a page that says what this is."""

from html import escape
from importlib.resources import files
from string import Template

from aiohttp import web

from lyra import __version__
from lyra.web.answers import json_answer
from lyra.web.services import SERVICES, Files, Services

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
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
    return web.Response(
        text=html, content_type="text/html", headers={"Content-Security-Policy": _PAGE_POLICY}
    )


async def style(request: web.Request) -> web.StreamResponse:
    """The page's one style sheet."""
    return web.Response(text=request.app[SERVICES].files.style, content_type="text/css")


def read_files() -> Files:
    """The page's files, from the package."""
    static = files("lyra.web") / "static"
    page, style_sheet = (static / name for name in ("index.html", "page.css"))
    return Files(Template(page.read_text("utf-8")), style_sheet.read_text("utf-8"))


def _what_runs(services: Services) -> str:
    if services.demo:
        return "Demo: an invented listener on an invented Spotify. No account is involved."
    if services.speaker.model.offline:
        return "Offline mode: real Spotify data, no language model configured."
    return "Real Spotify data, answered by a language model."
