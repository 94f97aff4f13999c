"""Every setting of the service: its variable, default and limits, read once from a mapping."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from itertools import pairwise
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

_MAX_COUNT = 2**53  # a float holds every whole number up to this one
PositiveInt = Annotated[int, msgspec.Meta(ge=1, le=_MAX_COUNT)]
Count = Annotated[int, msgspec.Meta(ge=0, le=_MAX_COUNT)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Secret = Annotated[str, msgspec.Meta(min_length=16)]
Url = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?)"
        r"(:[0-9]{1,5})?(/[^\s?#]*)?$"
    ),
]

ANTHROPIC_URL = "https://api.anthropic.com"
_GENERATOR = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'
_LISTS = ("LYRA_CORS_ORIGINS", "LYRA_ALLOWED_HOSTS", "LYRA_TRUSTED_PROXIES")
_URLS = ("public_url", "spotify_api_url", "spotify_accounts_url", "llm_base_url")
_SECRETS = frozenset({"secret", "admin_token", "llm_api_key", "redis_url"})
_GUESSABLE = 6  # different characters, and steps between them; 16 random hex digits have about 10
# Variables that Kubernetes sets in every container for a Service whose name begins with `lyra`. Such
# a port is an address, which no port of ours is.
_OF_CLUSTER = re.compile(
    r"LYRA(_\w+)?_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)",
    re.ASCII,
)
_PORT_OF_CLUSTER = re.compile(r"LYRA(_\w+)?_PORT=(tcp|udp|sctp)://.*", re.ASCII | re.DOTALL)
# Not only dots: browsers resolve those. The path is part of a cookie and of pages, unquoted.
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]{1,80})*/?", re.ASCII)
ALIASES = {"LYRA_LLM_API_KEY": "ANTHROPIC_API_KEY", "LYRA_LLM_BASE_URL": "ANTHROPIC_BASE_URL"}


class SettingError(ValueError):
    """A setting has a value that cannot be used; the message names the variable and the cure."""


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, rename=lambda name: f"LYRA_{name.upper()}"
):
    """One process's settings. Times are seconds; empty strings in the environment mean unset."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    secret: Secret | None = None
    admin_token: Secret | None = None
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    log: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    admin_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    trusted_proxies: tuple[str, ...] = ()
    public_url: Url | None = None
    hsts_subdomains: bool = False

    cache_ttl_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 3600
    cache_max_entries: PositiveInt = 10_000
    cache_max_bytes: PositiveInt = 268_435_456
    cache_sweep_s: Seconds = 30
    redis_url: str | None = None
    cache_stale_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 600
    cache_refresh_wait_s: Seconds = 0.5

    spotify_api_url: Url = "https://api.spotify.com/v1"
    spotify_accounts_url: Url = "https://accounts.spotify.com"
    spotify_client_id: str | None = None
    max_sessions: PositiveInt = 10_000
    spotify_timeout_s: Seconds = 10
    spotify_max_fetches: PositiveInt = 1000
    fetches_per_minute: PositiveInt = 10
    tools: Literal["auto", "off"] = "auto"
    tool_timeout_s: Seconds = 8
    searches_per_answer: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    searches_per_hour: PositiveInt = 60
    searches_per_day: Count = 0
    saves_per_day: PositiveInt = 50

    llm: Literal["auto", "anthropic", "offline"] = "auto"
    llm_api_key: str | None = None
    llm_base_url: Url | None = None
    model: Annotated[str, msgspec.Meta(min_length=1)] = "claude-haiku-5-5"
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=64_000)] = 1024
    llm_context: Literal["full", "minimal", "none"] = "full"
    first_token_timeout_s: Seconds = 20
    token_timeout_s: Seconds = 15
    answer_timeout_s: Seconds = 120
    answer_max_bytes: PositiveInt = 65_536

    first_byte_s: Seconds = 1
    heartbeat_s: Seconds = 15
    body_timeout_s: Seconds = 10
    write_timeout_s: Seconds = 20
    drain_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10
    max_streams: PositiveInt = 2000
    streams_per_token: PositiveInt = 8
    rate_per_minute: PositiveInt = 60
    max_in_flight: PositiveInt = 4000
    max_waiting: Count = 500
    waiting_s: Seconds = 1
    stall_s: Seconds = 0.25
    max_connections: PositiveInt = 20_000
    bodies_max_bytes: PositiveInt = 67_108_864
    heads_max_bytes: Annotated[int, msgspec.Meta(ge=65_536)] = 33_554_432
    max_memory_bytes: Count = 0
    header_timeout_s: Seconds = 10
    daily_tokens: Count = 200_000
    resume_grace_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 15
    run_keep_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 120
    runs_max_bytes: PositiveInt = 67_108_864

    def __repr__(self) -> str:
        """Return all settings; of a secret only whether it is set."""
        shown = ", ".join(f"{name}={self._show(name)}" for name in self.__struct_fields__)
        return f"Settings({shown})"

    def _show(self, name: str) -> str:
        value: Any = getattr(self, name)
        return "***" if name in _SECRETS and value else repr(value)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Return the settings of these variables; those not set have their defaults.

        Raises:
            SettingError: a value cannot be used, or a variable LYRA_* is unknown.
        """
        variables = _read_variables(environ)
        _refuse_unknown(cls, variables)
        for name in variables:
            _refuse_unreadable(name, variables[name])
        split = {
            name: _split_list(variables[name]) if name in _LISTS else variables[name]
            for name in variables
        }
        if "LYRA_REDIS_URL" in variables and "LYRA_SECRET" not in variables:
            raise SettingError(
                "LYRA_SECRET: LYRA_REDIS_URL needs it too. Give every process the same secret of "
                "16 characters or more, or they cannot read each other's entries."
            )
        try:
            settings = msgspec.convert({n: v for n, v in split.items() if v}, cls, strict=False)
        except msgspec.ValidationError as wrong:
            raise SettingError(_format_error(str(wrong))) from None
        _refuse_unusable(settings)
        return settings

    def secrets(self) -> tuple[str, ...]:
        """Return the values that the log has to redact."""
        values = (getattr(self, name) for name in sorted(_SECRETS))
        return tuple(value for value in values if value)

    @property
    def uses_model(self) -> bool:
        """Whether answers come from a language model rather than the offline responder."""
        wanted = self.llm == "anthropic"
        return wanted or (self.llm == "auto" and bool(self.llm_api_key or self.llm_base_url))

    @property
    def provider(self) -> str | None:
        """The host, with any port, that gets the listeners' questions; None without a model."""
        if not self.uses_model:
            return None
        return (self.llm_base_url or ANTHROPIC_URL).split("/")[2].lower()

    @property
    def public_path(self) -> str:
        """The prefix that browsers put before every path of this service; empty if there is none.

        The proxy strips it, so no request that reaches the service has it.
        """
        return urlsplit(self.public_url or "").path.rstrip("/")


def named_in(wrong: str) -> str:
    """Return the variable that a SettingError's message begins with; empty if there is none."""
    match = re.match(r"LYRA_\w+", wrong, re.ASCII)
    return match[0] if match else ""


def format_address(host: str, port: int) -> str:
    """Return host and port as an address, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def cluster_variables(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that Kubernetes has set for a Service; they are no settings."""
    return tuple(sorted(name for name in environ if _is_of_cluster(name, environ[name])))


def cluster_warning(environ: Mapping[str, str]) -> str:
    """Return a warning about such variables; empty if there are none."""
    ignored = cluster_variables(environ)
    if not ignored:
        return ""
    return (
        f"{len(ignored)} variables of a Kubernetes Service are passed over, {ignored[0]} "
        "for one; `enableServiceLinks: false` in the pod's spec keeps them away"
    )


def _is_of_cluster(name: str, value: str) -> bool:
    return bool(_OF_CLUSTER.fullmatch(name) or _PORT_OF_CLUSTER.fullmatch(f"{name}={value}"))


def _read_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are set, by the names of settings, their values stripped."""
    stripped = {name: value.strip() for name, value in environ.items()}
    variables = {
        name: value
        for name, value in stripped.items()
        if name.startswith("LYRA_") and value and not _is_of_cluster(name, value)
    }
    for name, alias in ALIASES.items():
        if name not in variables and stripped.get(alias):
            variables[name] = stripped[alias]
    if "LYRA_LOG_LEVEL" in variables:
        variables["LYRA_LOG_LEVEL"] = variables["LYRA_LOG_LEVEL"].lower()
    if "LYRA_HOST" in variables and re.fullmatch(r"\[[^\[\]]*:[^\[\]]*\]", variables["LYRA_HOST"]):
        variables["LYRA_HOST"] = variables["LYRA_HOST"][1:-1]  # LYRA_ALLOWED_HOSTS has brackets
    return variables


def _split_list(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _refuse_unknown(cls: type[Settings], variables: Mapping[str, str]) -> None:
    """Refuse a misspelt variable, which would otherwise silently do nothing."""
    unknown = sorted(set(variables) - set(cls.__struct_encode_fields__))
    if unknown:
        name = ascii(unknown[0])[1:-1]
        near = get_close_matches(name, cls.__struct_encode_fields__, n=1)
        cure = f"Is {near[0]} meant?" if near else "docs/SETTINGS.md lists them all."
        raise SettingError(f"{name} is not a setting of Lyra. {cure}")


def _refuse_unreadable(name: str, value: str) -> None:
    """Refuse line breaks and invisible characters; in a secret, which gets sent, all but ASCII."""
    secret = name.removeprefix("LYRA_").lower() in _SECRETS
    if value.isprintable() and (value.isascii() or not secret):
        return
    wrong = "a line break" if len(value.splitlines()) > 1 else "a character that cannot be used"
    cure = "letters, digits and signs of ASCII" if secret else "characters that can be seen"
    raise SettingError(f"{name}: it holds {wrong}. Set it again, on one line, with {cure} only.")


def _refuse_unusable(settings: Settings) -> None:
    """Refuse what no type rules out: ports and paths of addresses, and secrets easy to guess."""
    for name in _URLS:
        if not _has_host(getattr(settings, name) or "http://none"):
            raise SettingError(f"LYRA_{name.upper()}: {_ADDRESS}.")
    if not _PATH.fullmatch(urlsplit(settings.public_url or "").path):
        raise SettingError(
            "LYRA_PUBLIC_URL: a path in it may have letters, digits, and . _ ~ - between single "
            "slashes, as in https://lyra.example/music."
        )
    for name in ("secret", "admin_token"):
        if _is_guessable(getattr(settings, name)):
            raise SettingError(
                f"LYRA_{name.upper()}: it is too easy to guess, with few different characters "
                f"or a pattern. This makes one: {_GENERATOR}"
            )


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # As a name lookup encodes it: no empty label, and none that is too long.
        return bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        return False


def _is_guessable(secret: str | None) -> bool:
    if secret is None:
        return False
    steps = {ord(later) - ord(sooner) for sooner, later in pairwise(secret)}
    repeated = secret in (secret + secret)[1:-1]
    return repeated or len(set(secret)) < _GUESSABLE or len(steps) < _GUESSABLE


_ADDRESS = "expected http:// or https:// with a host, without user name, query and fragment"


def _format_error(wrong: str) -> str:
    what, _, where = wrong.partition(" - at `$.")
    if "matching regex" in what:
        what = _ADDRESS
    return f"{where.rstrip('`').partition('[')[0]}: {what[0].lower()}{what[1:]}."
