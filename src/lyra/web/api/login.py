"""The routes of the log-in: to Spotify and back, the session, the consent, and the log-out."""

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
    forget_session,
    forget_state,
    has_begun_login,
    read_session_id,
    refuse_cross_site,
    remember_session,
    remember_state,
)
from lyra.web.gateway.requests import read_json_body
from lyra.web.http.client_ip import client_ip
from lyra.web.http.responses import json_response
from lyra.web.login.login_service import LoginService
from lyra.web.login.outcomes import FailureReason, LoginError
from lyra.web.login.session_store import Session
from lyra.web.schemas import Agreement

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/?#@\[\]]+)(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_MAX_PORT = 65_536
_SPECULATION_HEADERS = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")


def redirect_to_loopback(request: web.Request) -> web.Response | None:
    """Return a redirect to 127.0.0.1 for a browser at localhost: Spotify redirects to no localhost."""
    settings = request.app[SERVICES].settings
    name, port = _host_and_port(request.host)
    if name != "localhost" or settings.public_url is not None or settings.host == "::1":
        return None
    return _redirect(f"http://127.0.0.1{port}{request.rel_url.raw_path_qs}", status=307)


async def login(request: web.Request) -> web.StreamResponse:
    """Redirect the browser to Spotify, which asks the listener: with `for`, for further scopes too."""
    services, logins = _require_logins(request)
    if _is_speculative(request):
        return _reply_later()
    if (redirect := redirect_to_loopback(request)) is not None:
        return redirect
    redirect_uri = redirect_uri_for(services.settings, request.host)
    if redirect_uri is None:
        return _redirect_failure(request, "address")
    try:
        address = client_ip(request, services.trusted)
        services.new_token_limit.spend(address)
        purpose = request.query.get("for", "")
        url, state = await logins.begin(redirect_uri, address, purpose=purpose)
    except LyraError:
        return _redirect_failure(request, "busy")
    response = _redirect(url)
    remember_state(request, response, state)
    return response


async def callback(request: web.Request) -> web.StreamResponse:
    """Take the browser back from Spotify: to the page, with a session or with the reason why not."""
    services, logins = _require_logins(request)
    if _is_speculative(request):
        return _reply_later()
    query, session_id = request.query, read_session_id(request)
    state = query.get("state", "")
    try:
        if not has_begun_login(request, state):
            raise LoginError("expired")  # noqa: TRY301 - one way to say so
        finished = await logins.finish(
            state=state,
            code=query.get("code", ""),
            error=query.get("error", ""),
            address=client_ip(request, services.trusted),
            replaces=session_id,
        )
    except LoginError as failure:
        if failure.reason == "expired" and await _has_session(logins, session_id):
            return _redirect_home(
                request
            )  # the same address once more, by Back, a reload or a prefetch
        return _redirect_failure(request, failure.reason, state)
    except LyraError:
        return _redirect_failure(request, "busy", state)
    response = _redirect_home(request, f"?login={finished.further}" if finished.further else "")
    remember_session(request, response, finished.session_id)
    forget_state(request, response, state)
    return response


async def _has_session(logins: LoginService, session_id: str | None) -> bool:
    try:
        return session_id is not None and await logins.find_session(session_id) is not None
    except LyraError:
        return False


async def logout(request: web.Request) -> web.StreamResponse:
    """Forget the session, and everything held of its listener."""
    _, logins = _require_logins(request)
    session_id = read_session_id(request)
    if session_id is not None:
        refuse_cross_site(request)
        await logins.end(session_id)
    response = web.Response(status=204)
    forget_session(request, response)
    return response


async def consent(request: web.Request) -> web.StreamResponse:
    """Record the listener's consent that these data go to this model."""
    services, logins = _require_logins(request)
    session_id = read_session_id(request)
    if session_id is None:
        raise SessionEndedError
    refuse_cross_site(request)
    async with read_json_body(request) as body:
        shown = _parse_agreement(body)
    settings = services.settings
    current = Agreement(services.generator.model.name, settings.llm_context, settings.provider)
    defaults = Agreement()
    if any(
        getattr(shown, name) not in (getattr(defaults, name), getattr(current, name))
        for name in Agreement.__struct_fields__
    ):
        raise RequestError("What goes to which model has changed meanwhile. Load the page again.")
    await logins.consent(session_id)
    return web.Response(status=204)


async def session(request: web.Request) -> web.StreamResponse:
    """Respond with who is logged in, and what this service would do with their data."""
    services = request.app[SERVICES]
    logins, session_id = services.logins, read_session_id(request)
    current = (
        await logins.find_session(session_id)
        if logins is not None and session_id is not None
        else None
    )
    consented = logins is not None and current is not None and current.agreed == logins.terms
    payload: dict[str, Any] = {
        "signed_in": current is not None,
        "demo": services.demo,
        "connect": logins is not None,
        "consented": consented,
        "model": services.generator.model.name,
        "offline": services.generator.model.offline,
        "context": services.settings.llm_context,
        "scopes": [] if current is None else current.scopes,
    }
    if services.settings.provider is not None:
        payload["provider"] = services.settings.provider
    if current is not None and consented and (name := await _display_name(services, current)):
        payload["name"] = name
    if services.demo:
        payload["demo_tokens"] = [persona._asdict() for persona in services.personas]
    return json_response(payload)


async def _display_name(services: Services, session: Session) -> str | None:
    """Return the listener's name, if it has been read: that is after their consent."""
    listeners = services.lyra.listeners
    entry = await listeners.peek(session.token(services.lyra.wall_clock()))
    return None if entry is None else entry.listening().profile.display_name


def redirect_uri_for(settings: Settings, host: str) -> str | None:
    """Return where Spotify redirects browsers to; None where it would not, at this Host header."""
    if settings.public_url is not None:
        return f"{settings.public_url.rstrip('/')}/auth/callback"
    name, port = _host_and_port(host)
    try:
        loopback = ip_address(name.strip("[]")).is_loopback
    except ValueError:
        loopback = False
    return f"http://{name}{port}/auth/callback" if loopback else None


def _host_and_port(host: str) -> tuple[str, str]:
    """Return the name in a Host header, and its port with the colon; both empty if it is malformed."""
    match = _HOST.fullmatch(host)
    if match is None or int((match[2] or ":0")[1:]) >= _MAX_PORT:
        return "", ""
    return match[1].lower(), match[2] or ""


def _is_speculative(request: web.Request) -> bool:
    """Return whether no person has come yet: a browser prefetches, or a program previews the link.

    A state or code that can be used once must not be spent on that.
    """
    ahead = any("pre" in request.headers.get(name, "").lower() for name in _SPECULATION_HEADERS)
    return ahead or request.method == "HEAD"


def _reply_later() -> web.Response:
    """Return a response that no browser reuses for the person who comes after it."""
    return web.Response(status=503, headers={"Cache-Control": "no-store", "Retry-After": "1"})


def _require_logins(request: web.Request) -> tuple[Services, LoginService]:
    services = request.app[SERVICES]
    if services.logins is None:
        raise NotFoundError("There is no log-in here: LYRA_SPOTIFY_CLIENT_ID is not set.")
    return services, services.logins


def _parse_agreement(body: bytes) -> Agreement:
    if not body:
        return Agreement()
    try:
        return msgspec.json.decode(body, type=Agreement)
    except msgspec.ValidationError:
        raise RequestError("`model`, `context` and `provider` are strings.") from None
    except (ValueError, RecursionError):
        raise InvalidJsonError from None


def _redirect_failure(request: web.Request, reason: FailureReason, state: str = "") -> web.Response:
    response = _redirect_home(request, f"?login={reason}")
    forget_state(request, response, state)
    return response


def _redirect_home(request: web.Request, query: str = "") -> web.Response:
    return _redirect(f"{request.app[SERVICES].settings.public_path}/{query}")


def _redirect(url: str, status: int = 303) -> web.Response:
    return web.Response(status=status, headers={"Location": url})
