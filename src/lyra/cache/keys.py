"""Cache keys: a keyed hash of a listener's identity, useless without this server's secret."""

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
        key = hashlib.sha256(seed).digest()
        self._hash = hashlib.blake2b(digest_size=20, key=key, person=b"lyra-token")
        self._accounts = hashlib.blake2b(digest_size=32, key=key, person=b"lyra-account")

    def key(self, token: Token) -> Key:
        """Return 40 hexadecimal digits for this identity alone. Costs about a microsecond."""
        return self._hash_text(token.identity)

    def account(self, account: str) -> Key:
        """Return the key of an account by its Spotify id; no identity has a space, so none collides."""
        return self._hash_text(f"account {account}")

    def address(self, address: str) -> Key:
        """Return the key of a client's address."""
        return self._hash_text(f"address {address}")

    def search(self, text: str) -> Key:
        """Return the key of a search of the catalogue."""
        return self._hash_text(f"search {text}")

    def request(self, token: Token, *words: str) -> Key:
        """Return the key of what this token's owner asks for in these words, the same each time."""
        return self._hash_text(f"request {self.identity(token.identity, *words)}")

    def _hash_text(self, text: str) -> Key:
        hasher = self._hash.copy()
        hasher.update(text.encode("utf-8", "surrogatepass"))
        return Key(hasher.hexdigest())

    def identity(self, *account: str) -> str:
        """Return the secret of the account that these words name, for all its log-ins."""
        hasher = self._accounts.copy()
        for word in account:
            data = word.encode("utf-8", "surrogatepass")
            # With its length, so that no two lists of words run into the same bytes.
            hasher.update(b"%d:%b" % (len(data), data))
        return f"account:{hasher.hexdigest()}"
