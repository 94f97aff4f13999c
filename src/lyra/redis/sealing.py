"""Sealing (authenticated encryption) of values that only the listener's own token opens.

Each is encrypted with AES-GCM under a key derived from the server's secret and the token, neither
of which is in Redis: a dump of it reveals nothing. The cache key is authenticated as well, so that
a value moved to another key is refused. cryptography is imported at the first use; `open_redis` has
done so before.
"""

import os

_VERSION = b"\x01"
_NONCE = 12
_TAG = 16


def seal(secret: str, token_text: str, key: str, plain: bytes) -> bytes:
    """Return `plain` encrypted for this secret, token and key. Costs some 10 us for 30 kB."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

    nonce = os.urandom(_NONCE)
    cipher = AESGCM(_derive_key(secret, token_text))
    return _VERSION + nonce + cipher.encrypt(nonce, plain, key.encode())


def open_sealed(secret: str, token_text: str, key: str, sealed: bytes) -> bytes | None:
    """Return what was sealed; None for anything not sealed with exactly these three."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    head = len(_VERSION) + _NONCE
    if not sealed.startswith(_VERSION) or len(sealed) < head + _TAG:
        return None
    cipher = AESGCM(_derive_key(secret, token_text))
    try:
        return cipher.decrypt(sealed[len(_VERSION) : head], sealed[head:], key.encode())
    except InvalidTag:
        return None


def _derive_key(secret: str, token_text: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    hkdf = HKDF(algorithm=SHA256(), length=32, salt=secret.encode(), info=b"lyra:v2:entry")
    return hkdf.derive(token_text.encode())
