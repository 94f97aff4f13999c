"""The routes of the log-in: to Spotify and back, who is here, what they agreed to, and out again."""

from ipaddress import ip_address
from typing import Any

import msgspec
from aiohttp import web
from yarl import URL

from lyra.errors import (
    InvalidJsonError,
    LyraError,
    NotFoundError,
    RequestError,
    SessionEndedError,
)
from lyra.settings import Settings
from lyra.web.address import address_of
from lyra.web.answer_shapes import Agreement
from lyra.web.answers import json_answer
from lyra.web.cookies import (
    expected_state,
    forget_session,
    forget_state,
    refuse_cross_site,
    remember_session,
    remember_state,
    session_id,
)
from lyra.web.intake import json_body
from lyra.web.logins import LoginError, Logins, Trouble
from lyra.web.services import SERVICES, Services
from lyra.web.sessions import Session


def moved(request: web.Request) -> web.Response | None:
    """The way to 127.0.0.1 for who came to localhost: Spotify sends nobody back there."""
    settings = request.app[SERVICES].settings
    url = URL(f"http://{request.host}")
    if url.host != "localhost" or settings.public_url is not None or settings.host == "::1":
        return None
    there = URL.build(scheme="http", host="127.0.0.1", port=url.explicit_port)
    return _to(f"{there.origin()}{request.rel_url}", status=307)


async def login(request: web.Request) -> web.StreamResponse:
    """Send the browser to Spotify, to ask the listener."""
    services, logins = _logins(request)
    if (away := moved(request)) is not None:
        return away
    redirect_uri = redirect_uri_for(services.settings, request.host)
    if redirect_uri is None:
        return _trouble(request, "address")
    try:
        services.newcomers.spend(address_of(request, services.trusted))
        url, state = await logins.begin(redirect_uri)
    except LyraError:
        return _trouble(request, "busy")
    answer = _to(url)
    remember_state(request, answer, state)
    return answer


async def callback(request: web.Request) -> web.StreamResponse:
    """Take back who comes from Spotify: to the page, with a session or with the reason why not."""
    _, logins = _logins(request)
    asked = request.query
    try:
        given = await logins.finish(
            state=asked.get("state", ""),
            expected=expected_state(request),
            code=asked.get("code", ""),
            error=asked.get("error", ""),
            replaces=session_id(request),
        )
    except LoginError as failure:
        return _trouble(request, failure.trouble)
    except LyraError:
        return _trouble(request, "busy")
    answer = _to("/")
    remember_session(request, answer, given)
    forget_state(request, answer)
    return answer


async def logout(request: web.Request) -> web.StreamResponse:
    """Forget the session, and everything held of its listener."""
    _, logins = _logins(request)
    given = session_id(request)
    if given is not None:
        refuse_cross_site(request)
        await logins.end(given)
    answer = web.Response(status=204)
    forget_session(request, answer)
    return answer


async def consent(request: web.Request) -> web.StreamResponse:
    """Take note that the listener agrees that these data go to this model."""
    services, logins = _logins(request)
    given = session_id(request)
    if given is None:
        raise SessionEndedError
    refuse_cross_site(request)
    async with json_body(request) as body:
        shown = _agreement(body)
    now = Agreement(services.speaker.model.name, services.settings.llm_context)
    if shown.model not in (None, now.model) or shown.context not in (None, now.context):
        raise RequestError("What goes to which model has changed meanwhile. Load the page again.")
    await logins.agree(given)
    return web.Response(status=204)


async def session(request: web.Request) -> web.StreamResponse:
    """Who is logged in here, and what this service would do with their data."""
    services = request.app[SERVICES]
    logins, given = services.logins, session_id(request)
    found = await logins.session(given) if logins is not None and given is not None else None
    told: dict[str, Any] = {
        "signed_in": found is not None,
        "demo": services.demo,
        "connect": logins is not None,
        "consented": logins is not None and found is not None and found.agreed == logins.terms,
        "model": services.speaker.model.name,
        "offline": services.speaker.model.offline,
        "context": services.settings.llm_context,
        "scopes": [] if found is None else found.scopes,
        **_named(found),
    }
    if services.demo:
        told["demo_tokens"] = [each._asdict() for each in services.personas]
    return json_answer(told)


def _named(found: Session | None) -> dict[str, str]:
    return {"name": found.name} if found is not None and found.name else {}


def redirect_uri_for(settings: Settings, host: str) -> str | None:
    """Where Spotify sends browsers back to; None where it would not, at this Host header."""
    if settings.public_url is not None:
        return f"{settings.public_url.rstrip('/')}/auth/callback"
    name = URL(f"http://{host}").host or ""
    try:
        loopback = ip_address(name).is_loopback
    except ValueError:
        loopback = False
    return f"http://{host}/auth/callback" if loopback else None


def _logins(request: web.Request) -> tuple[Services, Logins]:
    services = request.app[SERVICES]
    if services.logins is None:
        raise NotFoundError("There is no log-in here: LYRA_SPOTIFY_CLIENT_ID is not set.")
    return services, services.logins


def _agreement(body: bytes) -> Agreement:
    if not body:
        return Agreement()
    try:
        return msgspec.json.decode(body, type=Agreement)
    except msgspec.ValidationError:
        raise RequestError("`model` and `context` are strings.") from None
    except (ValueError, RecursionError):
        raise InvalidJsonError from None


def _trouble(request: web.Request, trouble: Trouble) -> web.Response:
    answer = _to(f"/?login={trouble}")
    forget_state(request, answer)
    return answer


def _to(url: str, status: int = 303) -> web.Response:
    return web.Response(status=status, headers={"Location": url})
