"""The two cookies of a log-in, and the defence against cross-site requests that send them."""

import hmac
import re

from aiohttp import web
from yarl import URL

from lyra.errors import CrossSiteError
from lyra.settings import Settings
from lyra.web.context import SERVICES
from lyra.web.login.session_store import PENDING_S, SESSION_S

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_STATE = re.compile(r"[A-Za-z0-9_-]{43}")  # 256 random bits
_MAX_TABS = 4  # of one browser that may log in at once; the last to begin count


def on_https(settings: Settings) -> bool:
    """Return whether browsers reach this service by https."""
    return settings.public_url is not None and settings.public_url.startswith("https:")


def read_session_id(request: web.Request) -> str | None:
    """Return the session id that the browser sent, whether or not there is such a session."""
    return request.cookies.get(_session_cookie(request)) or None


def has_begun_login(request: web.Request, state: str) -> bool:
    """Return whether this browser has begun the log-in with this state, in one of its tabs."""
    sent = state.encode("utf-8", "replace")
    return any(hmac.compare_digest(own.encode(), sent) for own in _read_states(request))


def _read_states(request: web.Request) -> list[str]:
    """Return the states that this browser sent, the oldest first."""
    sent = request.cookies.get(_state_cookie(request), "").split(".")
    return [state for state in sent if _STATE.fullmatch(state)][-_MAX_TABS:]


def remember_session(request: web.Request, response: web.StreamResponse, session_id: str) -> None:
    """Have the browser send this session id from now on."""
    _set_cookie(request, response, _session_cookie(request), session_id, SESSION_S)


def remember_state(request: web.Request, response: web.StreamResponse, state: str) -> None:
    """Have the browser send this state when it comes back from Spotify, beside those of other tabs."""
    states = [*_read_states(request), state][-_MAX_TABS:]
    _set_cookie(request, response, _state_cookie(request), ".".join(states), PENDING_S)


def forget_session(request: web.Request, response: web.StreamResponse) -> None:
    """Have the browser forget its session id."""
    _set_cookie(request, response, _session_cookie(request), "", 0)


def forget_state(request: web.Request, response: web.StreamResponse, state: str) -> None:
    """Have the browser forget the log-in that it has begun with this state; those of other tabs stay."""
    states = _read_states(request)
    if state in states:
        remaining = [other for other in states if other != state]
        _set_cookie(
            request,
            response,
            _state_cookie(request),
            ".".join(remaining),
            PENDING_S if remaining else 0,
        )


def refuse_cross_site(request: web.Request) -> None:
    """Refuse a request that changes something, unless the service's own page sends it (CSRF).

    Raises:
        CrossSiteError: another page, or no browser, has sent it.
    """
    if request.method in _SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site")
    own = site == "same-origin" if site else request.headers.get("Origin") == _origin(request)
    if not own:
        raise CrossSiteError


def _origin(request: web.Request) -> str:
    public = request.app[SERVICES].settings.public_url
    return str(URL(public).origin()) if public else f"http://{request.host}"


def _session_cookie(request: web.Request) -> str:
    settings = request.app[SERVICES].settings
    return f"{_name_prefix(settings)}lyra" if on_https(settings) else "lyra_sid"


def _state_cookie(request: web.Request) -> str:
    settings = request.app[SERVICES].settings
    return f"{_name_prefix(settings)}lyra-state" if on_https(settings) else "lyra_state"


def _name_prefix(settings: Settings) -> str:
    """Return the prefix that makes browsers take the cookie from this host alone, or only by https.

    `__Host-` is for cookies of a whole host; below a path others may serve the rest of the host.
    """
    return "__Secure-" if settings.public_path else "__Host-"


def _set_cookie(
    request: web.Request, response: web.StreamResponse, name: str, value: str, age_s: float
) -> None:
    settings = request.app[SERVICES].settings
    # Strict cookies would not come along when Spotify sends the browser back.
    response.set_cookie(
        name,
        value,
        max_age=round(age_s),
        path=settings.public_path or "/",
        httponly=True,
        secure=on_https(settings),
        samesite="Lax",
    )
