"""Cache keys: a keyed hash of a listener's token, useless without this server's secret."""

import hashlib
import secrets
from typing import NewType

from lyra.spotify.token import Token

Key = NewType("Key", str)


class KeyMaker:
    """Turns tokens into keys. Two with the same secret agree, in any process."""

    def __init__(self, secret: str | None = None) -> None:
        # Without a secret the keys last as long as the process, which memory alone does too.
        seed = secret.encode() if secret else secrets.token_bytes(32)
        self._hash = hashlib.blake2b(
            digest_size=20, key=hashlib.sha256(seed).digest(), person=b"lyra-token"
        )

    def key(self, token: Token) -> Key:
        """40 hexadecimal digits that stand for this token alone. Costs about a microsecond."""
        return self._keyed(token.reveal())

    def account(self, account: str) -> Key:
        """The same for a Spotify account: no token has this form, so the two never meet."""
        return self._keyed(f"account {account}")

    def _keyed(self, text: str) -> Key:
        keyed = self._hash.copy()
        keyed.update(text.encode())
        return Key(keyed.hexdigest())
