"""The invented accounts service without its wire: who was granted what, and for how long."""

import re
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, TypeVar

from lyra.sandbox.clock import Clock
from lyra.sandbox.pages import WRITES
from lyra.sandbox.redirects import matches, secure
from lyra.sandbox.rng import hexadecimal
from lyra.sandbox.tokens import SandboxToken, parse_token, token_digest

CLIENT_ID = "sandbox-client"
CLIENTS: Mapping[str, Sequence[str]] = {
    CLIENT_ID: (
        "http://127.0.0.1/callback",
        "http://[::1]/callback",
        "https://app.invalid/callback",
    )
}

CODE_S = 600
ACCESS_S = 3_600
# Spotify says six months from the authorisation, however often it is refreshed.
REFRESH_S = 183 * 86_400
GRANTS_KEPT = 10_000

# Every scope of Spotify's OpenAPI file; one that is not here spoils the whole authorisation.
SCOPES = frozenset(
    {
        "app-remote-control",
        "playlist-modify-private",
        "playlist-modify-public",
        "playlist-read-collaborative",
        "playlist-read-private",
        "streaming",
        "ugc-image-upload",
        "user-follow-modify",
        "user-follow-read",
        "user-library-modify",
        "user-library-read",
        "user-modify-playback-state",
        "user-read-currently-playing",
        "user-read-email",
        "user-read-playback-position",
        "user-read-playback-state",
        "user-read-private",
        "user-read-recently-played",
        "user-top-read",
    }
)
# What an endpoint needs to be read; those that are not here need nothing.
SCOPE_OF = {
    "artists": "user-top-read",
    "tracks": "user-top-read",
    "recent": "user-read-recently-played",
    "playlists": "playlist-read-private",
    "items": "playlist-read-private",
}
# What a write needs depends on whether the playlist is on the listener's profile.
MODIFY_PRIVATE, MODIFY_PUBLIC = "playlist-modify-private", "playlist-modify-public"
MODIFY = frozenset({MODIFY_PRIVATE, MODIFY_PUBLIC})

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}", re.ASCII)

T = TypeVar("T")


class GrantError(Exception):
    """A request for a token that is refused: OAuth's error code, and a sentence."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


@dataclass(frozen=True, slots=True)
class Authorisation:
    """What a listener granted to a client; `began` is in seconds since the epoch."""

    client_id: str
    listener: SandboxToken
    scopes: tuple[str, ...]
    began: float


@dataclass(frozen=True, slots=True)
class _Code:
    granted: Authorisation
    redirect_uri: str
    challenge: str


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token stands for."""

    granted: Authorisation
    expires: float


class Accounts:
    """Codes, access tokens and refresh tokens; of each kind the latest 10,000 are kept.

    Args:
        clock: Everything expires by it.
        clients: The registered redirect addresses of each client id.

    Raises:
        ValueError: A redirect address is one that Spotify would not register.
    """

    def __init__(self, clock: Clock, clients: Mapping[str, Sequence[str]] = CLIENTS) -> None:
        for uri in (uri for uris in clients.values() for uri in uris):
            if not secure(uri):
                raise ValueError(f"redirect address {uri!r} is neither https nor a loopback IP")
        self._clock = clock
        self._clients = clients
        self._issued = 0
        self._codes: OrderedDict[str, _Code] = OrderedDict()
        self._access: OrderedDict[str, Access] = OrderedDict()
        self._refresh: OrderedDict[str, Authorisation] = OrderedDict()

    def client_refusal(self, client_id: str, redirect_uri: str) -> str | None:
        """Why this client may not be sent back to this address; None where it may."""
        if client_id not in self._clients:
            return "INVALID_CLIENT: Invalid client"
        if not secure(redirect_uri):
            return "INVALID_CLIENT: Insecure redirect URI"
        if not any(matches(redirect_uri, uri) for uri in self._clients[client_id]):
            return "INVALID_CLIENT: Invalid redirect URI"
        return None

    def authorise(self, asked: Mapping[str, str], listener: str) -> str:
        """The code for a listener (a sandbox token) who consents to what was asked.

        Raises:
            ValueError: It is not a sandbox token.
        """
        granted = self._granted(asked["client_id"], listener, asked.get("scope", ""))
        code = _Code(granted, asked["redirect_uri"], asked["code_challenge"])
        return self._keep(self._codes, "AQ", code, granted, code.challenge)

    def log_in(self, listener: str, scope: str, client_id: str = CLIENT_ID) -> dict[str, Any]:
        """The answer to a login that went well, without the login.

        Raises:
            ValueError: It is not a sandbox token, or one of the scopes is unknown.
        """
        if unknown := set(scope.split()) - SCOPES:
            raise ValueError(f"scope {min(unknown)!r} is none of Spotify's")
        return self._tokens(self._granted(client_id, listener, scope))

    def listener(self, form: Mapping[str, str]) -> SandboxToken | None:
        """Whose token this form asks for, if its code or refresh token is known."""
        if form.get("grant_type") == "refresh_token":
            granted = self._refresh.get(form.get("refresh_token", ""))
        else:
            code = self._codes.get(form.get("code", ""))
            granted = code.granted if code else None
        return granted.listener if granted else None

    def exchange(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The tokens for this code; it is good for one attempt.

        Raises:
            GrantError: The code, its client, its address or its verifier is wrong.
        """
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or self._age(code.granted) >= CODE_S:
            raise GrantError("invalid_grant", "Invalid authorization code")
        if form.get("client_id") != code.granted.client_id:
            raise GrantError("invalid_client", "Invalid client")
        if form.get("redirect_uri") != code.redirect_uri:
            raise GrantError("invalid_grant", "Invalid redirect URI")
        verifier = form.get("code_verifier", "")
        if not _VERIFIER.fullmatch(verifier) or challenge(verifier) != code.challenge:
            raise GrantError("invalid_grant", "code_verifier was incorrect")
        return self._tokens(code.granted)

    def refresh(self, form: Mapping[str, str], *, revoked: bool = False) -> dict[str, Any]:
        """New tokens; the refresh token that was sent is dead from now on.

        Raises:
            GrantError: It is unknown, used, too old or revoked, or another client's.
        """
        token = form.get("refresh_token", "")
        granted = self._refresh.get(token)
        if granted is None or revoked or self._age(granted) >= REFRESH_S:
            self._refresh.pop(token, None)
            raise GrantError("invalid_grant", "Refresh token revoked")
        if form.get("client_id") != granted.client_id:
            raise GrantError("invalid_client", "Invalid client")
        del self._refresh[token]
        return self._tokens(granted)

    def access(self, token: str) -> Access | None:
        """What this access token stands for; None where it is unknown or has expired."""
        found = self._access.get(token)
        return found if found and self._clock.now.timestamp() < found.expires else None

    def _granted(self, client_id: str, listener: str, scope: str) -> Authorisation:
        asker = parse_token(listener)
        withheld = withheld_scopes(asker)
        scopes = tuple(each for each in dict.fromkeys(scope.split()) if each not in withheld)
        # Faults are counted from login to login, not from one access token to the next.
        digest = token_digest(f"{listener} {self._issued}")
        who = replace(asker, digest=digest)
        return Authorisation(client_id, who, scopes, self._clock.now.timestamp())

    def _tokens(self, granted: Authorisation) -> dict[str, Any]:
        access = Access(granted, self._clock.now.timestamp() + ACCESS_S)
        return {
            "access_token": self._keep(self._access, "BQ", access, granted),
            "token_type": "Bearer",
            "scope": " ".join(granted.scopes),
            "expires_in": ACCESS_S,
            "refresh_token": self._keep(self._refresh, "AQ", granted, granted),
        }

    def _keep(
        self,
        table: OrderedDict[str, T],
        prefix: str,
        value: T,
        granted: Authorisation,
        salt: str = "",
    ) -> str:
        """Keep the value under a name of its own, the same in every run, and return the name."""
        self._issued += 1
        listener = granted.listener.digest
        name = prefix + hexadecimal(100, prefix, self._issued, listener, granted.began, salt)
        table[name] = value
        if len(table) > GRANTS_KEPT:
            table.popitem(last=False)
        return name

    def _age(self, granted: Authorisation) -> float:
        return self._clock.now.timestamp() - granted.began


def allows(endpoint: str, scopes: Collection[str]) -> bool:
    """Whether these scopes suffice for this endpoint; of a write, whether they do for some playlist."""
    if endpoint in WRITES:
        return not MODIFY.isdisjoint(scopes)
    return SCOPE_OF.get(endpoint, "") in ("", *scopes)


def withheld_scopes(listener: SandboxToken) -> frozenset[str]:
    """The scopes that this listener never grants, whatever is asked for."""
    read = frozenset(scope for name, scope in SCOPE_OF.items() if listener.withholds(name))
    return read | MODIFY if any(map(listener.withholds, WRITES)) else read


def request_error(asked: Mapping[str, str]) -> str | None:
    """The OAuth error of this authorisation request; None where it can be granted."""
    if asked.get("response_type") != "code":
        return "unsupported_response_type"
    pkce = asked.get("code_challenge_method") == "S256"
    if not (pkce and _CHALLENGE.fullmatch(asked.get("code_challenge", ""))):
        return "invalid_request"
    return None if SCOPES.issuperset(asked.get("scope", "").split()) else "invalid_scope"


def challenge(verifier: str) -> str:
    """The S256 code challenge of this verifier (RFC 7636)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
