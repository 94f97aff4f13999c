"""Every setting of the service: its variable, default and limits, read once from a mapping."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
Secret = Annotated[str, msgspec.Meta(min_length=16)]
Url = Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]

ANTHROPIC_URL = "https://api.anthropic.com"

_LISTS = ("LYRA_CORS_ORIGINS", "LYRA_ALLOWED_HOSTS", "LYRA_TRUSTED_PROXIES")
_SECRETS = frozenset({"secret", "admin_token", "llm_api_key", "redis_url"})
_ALIASES = {"LYRA_LLM_API_KEY": "ANTHROPIC_API_KEY", "LYRA_LLM_BASE_URL": "ANTHROPIC_BASE_URL"}


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
    admin_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    trusted_proxies: tuple[str, ...] = ()
    public_url: Url | None = None

    cache_ttl_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 3600
    cache_max_entries: PositiveInt = 10_000
    cache_max_bytes: PositiveInt = 268_435_456
    cache_sweep_s: Seconds = 30
    redis_url: str | None = None
    cache_stale_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 600
    cache_patience_s: Seconds = 0.5

    spotify_api_url: Url = "https://api.spotify.com/v1"
    spotify_accounts_url: Url = "https://accounts.spotify.com"
    spotify_client_id: str | None = None
    max_sessions: PositiveInt = 10_000
    spotify_timeout_s: Seconds = 10
    spotify_max_fetches: PositiveInt = 1000
    fetches_per_minute: PositiveInt = 10

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
    max_waiting: Annotated[int, msgspec.Meta(ge=0)] = 500
    waiting_s: Seconds = 1
    stall_s: Seconds = 0.25
    max_connections: PositiveInt = 20_000
    bodies_max_bytes: PositiveInt = 67_108_864
    heads_max_bytes: Annotated[int, msgspec.Meta(ge=65_536)] = 33_554_432
    max_memory_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    header_timeout_s: Seconds = 10
    daily_tokens: Annotated[int, msgspec.Meta(ge=0)] = 200_000
    resume_grace_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 15
    run_keep_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 120
    runs_max_bytes: PositiveInt = 67_108_864

    def __repr__(self) -> str:
        """Every setting but the secrets, of which it is only told whether they are set."""
        shown = ", ".join(f"{name}={self._shown(name)}" for name in self.__struct_fields__)
        return f"Settings({shown})"

    def _shown(self, name: str) -> str:
        value: Any = getattr(self, name)
        return "***" if name in _SECRETS and value else repr(value)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """The settings that these variables describe; those not set have their defaults.

        Raises:
            SettingError: a value cannot be used, or a variable LYRA_* is unknown.
        """
        given: dict[str, Any] = {
            name: value for name, value in environ.items() if name.startswith("LYRA_") and value
        }
        for name, alias in _ALIASES.items():
            if name not in given and environ.get(alias):
                given[name] = environ[alias]
        for name in _LISTS:
            if name in given:
                given[name] = [part.strip() for part in given[name].split(",") if part.strip()]
        _refuse_unknown(cls, given)
        if "LYRA_REDIS_URL" in given and "LYRA_SECRET" not in given:
            raise SettingError(
                "LYRA_SECRET: LYRA_REDIS_URL needs it too. Give every process the same secret of "
                "16 characters or more, or they cannot read each other's entries."
            )
        try:
            return msgspec.convert(given, cls, strict=False)
        except msgspec.ValidationError as wrong:
            raise SettingError(_blame(str(wrong))) from None

    def secrets(self) -> tuple[str, ...]:
        """The values that nobody may see, for the log to blacken."""
        values = (getattr(self, name) for name in sorted(_SECRETS))
        return tuple(value for value in values if value)

    @property
    def uses_model(self) -> bool:
        """Whether answers come from a language model rather than the offline responder."""
        wanted = self.llm == "anthropic"
        return wanted or (self.llm == "auto" and bool(self.llm_api_key or self.llm_base_url))

    @property
    def provider(self) -> str | None:
        """The host that a listener's questions go to, with its port if it is named; None if to none."""
        if not self.uses_model:
            return None
        return (self.llm_base_url or ANTHROPIC_URL).split("/")[2].lower()


def _refuse_unknown(cls: type[Settings], given: dict[str, Any]) -> None:
    """A misspelt variable would otherwise be a setting that silently does nothing."""
    unknown = sorted(set(given) - set(cls.__struct_encode_fields__))
    if unknown:
        raise SettingError(f"{unknown[0]} is not a setting of Lyra. See .env.example for the list.")


def _blame(wrong: str) -> str:
    what, _, where = wrong.partition(" - at `$.")
    return f"{where.rstrip('`').partition('[')[0]}: {what[0].lower()}{what[1:]}."
