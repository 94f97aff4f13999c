"""A listener's Spotify access token, kept from being printed by accident."""

import re
from collections.abc import Awaitable, Callable
from typing import NoReturn

# RFC 6750's b68token; Spotify's are a few hundred characters long.
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]{8,1024}=*", re.ASCII)


TOKEN_LIFE_S = 3600.0  # Spotify's access tokens live an hour


class Token:
    """A bearer token that shows itself only to `reveal`: not to repr, str, pickle or JSON.

    `life_s` is how long after it was first accepted its data may be shown, in seconds.
    """

    __slots__ = ("_text",)
    life_s = TOKEN_LIFE_S
    renewed = False  # whether other tokens replace it, under the same identity
    granted = False  # whether Spotify granted it to the operator's own app

    def __init__(self, text: str) -> None:
        if not _TOKEN68.fullmatch(text):
            # No value in the message: it may be somebody's token.
            raise ValueError("not a bearer token")
        self._text = text

    def reveal(self) -> str:
        """Return the token itself, for the Authorization header alone."""
        return self._text

    @property
    def identity(self) -> str:
        """The secret that the listener's data are kept and sealed under."""
        return self._text

    async def confirm(self) -> None:
        """Return if Spotify may still be read with this token; await it right before reading.

        Raises:
            LyraError: its owner has signed out meanwhile, or had all data forgotten.
        """

    def __repr__(self) -> str:
        return "Token(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is never pickled or copied")


class GrantedToken(Token):
    """An access token that was granted to Lyra itself, for the app of its own client id."""

    __slots__ = ()
    granted = True


class LoginToken(GrantedToken):
    """The access token of a log-in. Its identity is the account's, so that it outlives a refresh.

    `life_s` is what is left of the session. `confirm` asks whether the session is still there.
    """

    __slots__ = ("_confirm", "_identity", "life_s")
    renewed = True

    def __init__(
        self,
        text: str,
        identity: str,
        life_s: float,
        *,
        confirm: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(text)
        if _TOKEN68.fullmatch(identity):
            # A client that sent it as a bearer token would get this account's data.
            raise ValueError("an identity must not look like a token")
        self._identity = identity
        self._confirm = confirm
        self.life_s = life_s

    @property
    def identity(self) -> str:
        """The account's own secret."""
        return self._identity

    async def confirm(self) -> None:
        """See Token.confirm."""
        if self._confirm is not None:
            await self._confirm()
