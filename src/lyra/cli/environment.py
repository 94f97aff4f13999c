"""Reads the environment and `.env`, once, for everything else."""

import os
from collections.abc import Mapping

from dotenv import dotenv_values

from lyra.settings import Settings


def settings_from_environment(**given: str | int | None) -> Settings:
    """The settings of this process: the command line over the environment over `.env`."""
    return Settings.from_environ(variables(**given))


def variables(**given: str | int | None) -> dict[str, str]:
    """What the settings are made of, not looked at yet; `port=1` stands for LYRA_PORT."""
    told = {
        f"LYRA_{name.upper()}": str(value) for name, value in given.items() if value is not None
    }
    return {**_environment(), **told}


def spotify_token() -> str | None:
    """The listener's token for `lyra chat`: a variable, unlike an argument, is not seen in `ps`."""
    return _environment().get("SPOTIFY_TOKEN") or None


def process_manager() -> str | None:
    """The socket on which systemd, or Lyra's own supervisor, hears how the service is."""
    return os.environ.get("NOTIFY_SOCKET")  # noqa: TID251 - as below


def wants_traces() -> bool:
    """Whether OpenTelemetry's own variables name a collector; its exporter reads them itself."""
    told = os.environ  # noqa: TID251 - as below
    off = told.get("OTEL_SDK_DISABLED", "").lower() == "true"
    named = any(told.get(f"OTEL_EXPORTER_OTLP_{name}") for name in ("ENDPOINT", "TRACES_ENDPOINT"))
    exporter = told.get("OTEL_TRACES_EXPORTER", "otlp" if named else "none")
    return exporter == "otlp" and not off


def _environment() -> Mapping[str, str]:
    written = {name: value for name, value in dotenv_values(".env").items() if value}
    return {**written, **os.environ}  # noqa: TID251 - the one place that reads it
