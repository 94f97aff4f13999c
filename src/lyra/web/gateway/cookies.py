"""The two cookies of a log-in, and whether a request that brings them comes from the own page."""

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
_TABS = 4  # of one browser may be on their way to Spotify at once; the last to begin count


def on_https(settings: Settings) -> bool:
    """Whether browsers reach this service by https."""
    return settings.public_url is not None and settings.public_url.startswith("https:")


def session_id(request: web.Request) -> str | None:
    """The session id that the browser sent, whether or not there is such a session."""
    return request.cookies.get(_name(request)) or None


def begun_here(request: web.Request, state: str) -> bool:
    """Whether this browser has begun the log-in with this state, in one of its tabs."""
    sent = state.encode("utf-8", "replace")
    return any(hmac.compare_digest(each.encode(), sent) for each in _states(request))


def _states(request: web.Request) -> list[str]:
    """The states that this browser brings, the oldest first."""
    sent = request.cookies.get(_state_name(request), "").split(".")
    return [each for each in sent if _STATE.fullmatch(each)][-_TABS:]


def remember_session(request: web.Request, answer: web.StreamResponse, given: str) -> None:
    """Have the browser send this session id from now on."""
    _set(request, answer, _name(request), given, SESSION_S)


def remember_state(request: web.Request, answer: web.StreamResponse, state: str) -> None:
    """Have the browser bring this state back from Spotify, beside those of its other tabs."""
    states = [*_states(request), state][-_TABS:]
    _set(request, answer, _state_name(request), ".".join(states), PENDING_S)


def forget_session(request: web.Request, answer: web.StreamResponse) -> None:
    """Have the browser forget its session id."""
    _set(request, answer, _name(request), "", 0)


def forget_state(request: web.Request, answer: web.StreamResponse, state: str) -> None:
    """Have the browser forget the log-in that it has begun with this state; other tabs' stay."""
    states = _states(request)
    if state in states:
        left = [each for each in states if each != state]
        _set(request, answer, _state_name(request), ".".join(left), PENDING_S if left else 0)


def refuse_cross_site(request: web.Request) -> None:
    """Let a request that changes something through only from the service's own page.

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


def _name(request: web.Request) -> str:
    settings = request.app[SERVICES].settings
    return f"{_guarded(settings)}lyra" if on_https(settings) else "lyra_sid"


def _state_name(request: web.Request) -> str:
    settings = request.app[SERVICES].settings
    return f"{_guarded(settings)}lyra-state" if on_https(settings) else "lyra_state"


def _guarded(settings: Settings) -> str:
    """What has a browser take the cookie from this very host, or at least by https.

    The first is for cookies of a whole host. Below a path others may serve the rest of it.
    """
    return "__Secure-" if settings.public_path else "__Host-"


def _set(
    request: web.Request, answer: web.StreamResponse, name: str, value: str, age_s: float
) -> None:
    settings = request.app[SERVICES].settings
    # Strict cookies would not come along when Spotify sends the browser back.
    answer.set_cookie(
        name,
        value,
        max_age=round(age_s),
        path=settings.public_path or "/",
        httponly=True,
        secure=on_https(settings),
        samesite="Lax",
    )
