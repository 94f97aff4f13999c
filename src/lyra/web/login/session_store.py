"""What a secret store keeps of log-ins: the sessions, and the log-ins that have begun."""

from collections.abc import Awaitable, Callable

import msgspec
from msgspec.structs import replace

from lyra.secret_store import name_of
from lyra.spotify.oauth import SCOPES, Grant
from lyra.spotify.token import LoginToken

SESSION_S = 30 * 86_400.0
PENDING_S = 600.0


class Session(msgspec.Struct, frozen=True, array_like=True):
    """One log-in. Times are in seconds since 1970; `agreed` holds the terms that were consented to.

    `forgotten` counts how often the listener's data were forgotten. `renewer` is the process that
    has asked for new tokens last. Of the account only keyed hashes are kept: `identity` is one for
    each choice of scopes that read, `account` the same for all of them. Version 0.1.0 had the name in the
    second place too, which is empty now, and nothing in the last.
    """

    identity: str
    name: str | None
    scopes: tuple[str, ...]
    access: str
    refresh: str
    issued_at: float
    access_until: float
    until: float
    agreed: str = ""
    forgotten: int = 0
    renewer: str = ""
    renewing_since: float = 0.0
    account: str = ""

    def __repr__(self) -> str:
        return "Session(***)"

    def with_grant(self, grant: Grant, now: float) -> "Session":
        """Return this session with new tokens.

        What the grant does not name stays: the old refresh token, and the scopes.
        """
        return replace(
            self,
            name=None,
            scopes=grant.scopes(requested=self.scopes),
            access=grant.access_token,
            refresh=grant.refresh_token or self.refresh,
            issued_at=now,
            access_until=now + grant.expires_in,
            renewer="",
        )

    @property
    def owner(self) -> str:
        """The account, for counting its sessions: a hash that does not reveal the identity.

        The scopes are no part of it: a listener may change them in the address at Spotify.
        """
        return name_of(self.account or self.identity)

    def token(
        self, now: float, *, confirm: Callable[[], Awaitable[None]] | None = None
    ) -> LoginToken:
        """Return the token to read this listener with."""
        return LoginToken(self.access, self.identity, self.until - now, confirm=confirm)


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """A log-in that has begun. `until` is in seconds since 1970. Version 0.1.0 had no scopes."""

    verifier: str
    redirect_uri: str
    until: float
    owner: str = ""  # a hash of the address that it was begun from
    scopes: tuple[str, ...] = SCOPES  # that Spotify was asked for

    def __repr__(self) -> str:
        return "Pending(***)"
