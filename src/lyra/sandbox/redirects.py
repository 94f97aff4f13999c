"""Spotify's rules for redirect addresses: https, or a loopback address by its number."""

from urllib.parse import SplitResult, urlsplit

_LOOPBACK = ("127.0.0.1", "::1")


def secure(uri: str) -> bool:
    """Whether Spotify lets an app register this address; `localhost` is refused."""
    parts = _split(uri)
    if parts is None or not parts.hostname or parts.hostname == "localhost" or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def matches(uri: str, registered: str) -> bool:
    """Whether this address is the registered one.

    To the letter, except that a loopback address that was registered without a port may have any.
    """
    if uri == registered:
        return True
    given, known = _split(uri), _split(registered)
    if given is None or known is None or given.username is not None:
        return False
    if known.scheme != "http" or known.hostname not in _LOOPBACK:
        return False
    host = f"[{given.hostname}]" if ":" in str(given.hostname) else str(given.hostname)
    return given._replace(netloc=host).geturl() == registered


def _split(uri: str) -> SplitResult | None:
    """The parts of this address; None where it is none."""
    try:
        parts = urlsplit(uri)
        _ = parts.port  # checked only when it is read
    except ValueError:
        return None
    return parts
