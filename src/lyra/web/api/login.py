"""The routes of the log-in: to Spotify and back, who is here, what they agreed to, and out again."""

import re
from ipaddress import ip_address
from typing import Any

import msgspec
from aiohttp import web

from lyra.errors import (
    InvalidJsonError,
    LyraError,
    NotFoundError,
    RequestError,
    SessionEndedError,
)
from lyra.settings import Settings
from lyra.web.context import SERVICES, Services
from lyra.web.gateway.cookies import (
    begun_here,
    forget_session,
    forget_state,
    refuse_cross_site,
    remember_session,
    remember_state,
    session_id,
)
from lyra.web.gateway.requests import json_body
from lyra.web.http.client_ip import client_ip
from lyra.web.http.responses import json_answer
from lyra.web.login.login_service import LoginError, LoginService, Trouble
from lyra.web.login.session_store import Session
from lyra.web.schemas import Agreement

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/?#@\[\]]+)(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_PORTS = 65_536
_GUESSES = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")


def redirect_to_loopback(request: web.Request) -> web.Response | None:
    """The way to 127.0.0.1 for who came to localhost: Spotify sends nobody back there."""
    settings = request.app[SERVICES].settings
    name, port = _host_and_port(request.host)
    if name != "localhost" or settings.public_url is not None or settings.host == "::1":
        return None
    return _redirect(f"http://127.0.0.1{port}{request.rel_url.raw_path_qs}", status=307)


async def login(request: web.Request) -> web.StreamResponse:
    """Send the browser to Spotify, to ask the listener."""
    services, logins = _logins(request)
    if _only_guesses(request):
        return _not_yet()
    if (away := redirect_to_loopback(request)) is not None:
        return away
    redirect_uri = redirect_uri_for(services.settings, request.host)
    if redirect_uri is None:
        return _failure_page(request, "address")
    try:
        address = client_ip(request, services.trusted)
        services.newcomers.spend(address)
        url, state = await logins.begin(redirect_uri, address)
    except LyraError:
        return _failure_page(request, "busy")
    answer = _redirect(url)
    remember_state(request, answer, state)
    return answer


async def callback(request: web.Request) -> web.StreamResponse:
    """Take back who comes from Spotify: to the page, with a session or with the reason why not."""
    services, logins = _logins(request)
    if _only_guesses(request):
        return _not_yet()
    asked, given = request.query, session_id(request)
    state = asked.get("state", "")
    try:
        if not begun_here(request, state):
            raise LoginError("expired")  # noqa: TRY301 - one way to say so
        new = await logins.finish(
            state=state,
            code=asked.get("code", ""),
            error=asked.get("error", ""),
            address=client_ip(request, services.trusted),
            replaces=given,
        )
    except LoginError as failure:
        if failure.trouble == "expired" and await _is_in(logins, given):
            return _home(request)  # the same address once more, by Back, a reload or a guess
        return _failure_page(request, failure.trouble, state)
    except LyraError:
        return _failure_page(request, "busy", state)
    answer = _home(request)
    remember_session(request, answer, new)
    forget_state(request, answer, state)
    return answer


async def _is_in(logins: LoginService, given: str | None) -> bool:
    try:
        return given is not None and await logins.session(given) is not None
    except LyraError:
        return False


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
    settings = services.settings
    now = Agreement(services.speaker.model.name, settings.llm_context, settings.provider)
    left_out = Agreement()
    if any(
        getattr(shown, name) not in (getattr(left_out, name), getattr(now, name))
        for name in Agreement.__struct_fields__
    ):
        raise RequestError("What goes to which model has changed meanwhile. Load the page again.")
    await logins.consent(given)
    return web.Response(status=204)


async def session(request: web.Request) -> web.StreamResponse:
    """Who is logged in here, and what this service would do with their data."""
    services = request.app[SERVICES]
    logins, given = services.logins, session_id(request)
    found = await logins.session(given) if logins is not None and given is not None else None
    consented = logins is not None and found is not None and found.agreed == logins.terms
    told: dict[str, Any] = {
        "signed_in": found is not None,
        "demo": services.demo,
        "connect": logins is not None,
        "consented": consented,
        "model": services.speaker.model.name,
        "offline": services.speaker.model.offline,
        "context": services.settings.llm_context,
        "scopes": [] if found is None else found.scopes,
    }
    if services.settings.provider is not None:
        told["provider"] = services.settings.provider
    if found is not None and consented and (name := await _name(services, found)):
        told["name"] = name
    if services.demo:
        told["demo_tokens"] = [each._asdict() for each in services.personas]
    return json_answer(told)


async def _name(services: Services, found: Session) -> str | None:
    """What the listener is called, if it has been read: that is after they have agreed."""
    listeners = services.lyra.listeners
    entry = await listeners.peek(found.token(services.lyra.wall_clock()))
    return None if entry is None else entry.listening().profile.display_name


def redirect_uri_for(settings: Settings, host: str) -> str | None:
    """Where Spotify sends browsers back to; None where it would not, at this Host header."""
    if settings.public_url is not None:
        return f"{settings.public_url.rstrip('/')}/auth/callback"
    name, port = _host_and_port(host)
    try:
        loopback = ip_address(name.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    return f"http://{name}{port}/auth/callback" if loopback else None


def _host_and_port(host: str) -> tuple[str, str]:
    """The name in a Host header, and its port with the colon; empty where it is no such header."""
    match = _HOST.fullmatch(host)
    if match is None or int((match[2] or ":0")[1:]) >= _PORTS:
        return "", ""
    return match[1].lower(), match[2] or ""


def _only_guesses(request: web.Request) -> bool:
    """Whether no person has come yet: a browser, or a reader of links, looks ahead.

    What serves once must not be spent on that.
    """
    ahead = any("pre" in request.headers.get(name, "").lower() for name in _GUESSES)
    return ahead or request.method == "HEAD"


def _not_yet() -> web.Response:
    """An answer that no browser keeps for the person who comes after it."""
    return web.Response(status=503, headers={"Cache-Control": "no-store", "Retry-After": "1"})


def _logins(request: web.Request) -> tuple[Services, LoginService]:
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
        raise RequestError("`model`, `context` and `provider` are strings.") from None
    except (ValueError, RecursionError):
        raise InvalidJsonError from None


def _failure_page(request: web.Request, trouble: Trouble, state: str = "") -> web.Response:
    answer = _home(request, f"?login={trouble}")
    forget_state(request, answer, state)
    return answer


def _home(request: web.Request, query: str = "") -> web.Response:
    return _redirect(f"{request.app[SERVICES].settings.public_path}/{query}")


def _redirect(url: str, status: int = 303) -> web.Response:
    return web.Response(status=status, headers={"Location": url})
