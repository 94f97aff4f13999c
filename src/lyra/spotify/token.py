"""A listener's Spotify access token, kept from being printed by accident."""

import re
from typing import NoReturn

# RFC 6750's b68token; Spotify's are a few hundred characters long.
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]{8,1024}=*", re.ASCII)


class Token:
    """A bearer token that shows itself only to `reveal`: not to repr, str, pickle or JSON."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not _TOKEN68.fullmatch(text):
            # No value in the message: whatever was sent may be somebody's token.
            raise ValueError("not a bearer token")
        self._text = text

    def reveal(self) -> str:
        """The token itself, for the Authorization header and the cache key alone."""
        return self._text

    def __repr__(self) -> str:
        return "Token(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is never pickled or copied")
