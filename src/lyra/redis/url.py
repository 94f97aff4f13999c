"""A Redis URL, checked before anything connects.

The client library takes any option from the query and drops what it cannot read; here both stop
the start. No message repeats a part of the URL: a password with an unescaped character ends up in
the wrong part.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OPTIONS = {"redis": ("db",), "rediss": ("db", *_TLS), "unix": ("db",)}
_ESCAPE = "Characters such as / ? # @ : in a user name or password are written %2F %3F %23 %40 %3A"


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis is, and the user. Neither repr nor str shows the password."""

    scheme: str
    host: str = ""
    port: int = 6379
    path: str = ""
    db: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: dict[str, str] = field(default_factory=dict, repr=False)


def parse_address(url: str) -> Address:
    """Return the address in a `redis://`, `rediss://` or `unix://` URL.

    Raises:
        ValueError: it names none; the message says what is wrong, without the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"the Redis URL has no valid host and port. {_ESCAPE}") from None
    if parts.scheme not in _OPTIONS:
        raise ValueError("the Redis URL does not begin with redis://, rediss:// or unix://")
    if parts.fragment:
        raise ValueError(f"the Redis URL has a part after #. {_ESCAPE}")
    options = _options(parts)
    return Address(
        scheme=parts.scheme,
        host=_host(parts),
        port=6379 if port is None else port,
        path=unquote(parts.path) if parts.scheme == "unix" else "",
        db=_db(parts, options),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls={name: options[name] for name in _TLS if name in options},
    )


def tls_context(address: Address) -> ssl.SSLContext | None:
    """Return the TLS context for a `rediss` address; None for any other. Blocks.

    Raises:
        ValueError: a file that the TLS options name cannot be used; the message names its option.
    """
    if address.scheme != "rediss":
        return None
    certificate, key = address.tls.get("ssl_certfile"), address.tls.get("ssl_keyfile")
    if key and not certificate:
        raise ValueError("the Redis URL has ssl_keyfile without ssl_certfile")
    context = ssl.create_default_context()
    if "ssl_ca_certs" in address.tls:
        with _blame_option("ssl_ca_certs"):
            context.load_verify_locations(address.tls["ssl_ca_certs"])
    if certificate:
        with _blame_option("ssl_certfile or ssl_keyfile"):
            # Without a password OpenSSL would ask for one at the terminal.
            context.load_cert_chain(certificate, key, password="")
    return context


@contextmanager
def _blame_option(option: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        raise ValueError(f"the file of the Redis URL's {option} cannot be used") from None


def _host(parts: SplitResult) -> str:
    if parts.scheme == "unix":
        if parts.hostname or not parts.path:
            raise ValueError("the Redis URL has no socket path: write unix:///path/to/socket")
        return ""
    if not parts.hostname:
        raise ValueError(f"the Redis URL has no host. {_ESCAPE}")
    return parts.hostname


def _options(parts: SplitResult) -> dict[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    known = _OPTIONS[parts.scheme]
    if any(name not in known for name, _ in pairs):
        raise ValueError(
            f"the Redis URL has an option that is not one of {', '.join(known)}. {_ESCAPE}"
        )
    return dict(pairs)


def _db(parts: SplitResult, options: dict[str, str]) -> int:
    in_path = "" if parts.scheme == "unix" else parts.path.strip("/")
    text = options.get("db", in_path) or "0"
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"the Redis URL's database is not a number. {_ESCAPE}")
    return int(text)
