"""Reads the environment and `.env`, once, for everything else."""

import os
from collections.abc import Mapping

from dotenv import dotenv_values

from lyra.settings import Settings


def settings_from_environment(*, host: str | None = None, port: int | None = None) -> Settings:
    """The settings of this process: the command line over the environment over `.env`."""
    return Settings.from_environ(variables(host=host, port=port))


def variables(*, host: str | None = None, port: int | None = None) -> dict[str, str]:
    """What the settings are made of, not looked at yet."""
    given = dict(_environment())
    if host is not None:
        given["LYRA_HOST"] = host
    if port is not None:
        given["LYRA_PORT"] = str(port)
    return given


def spotify_token() -> str | None:
    """The listener's token for `lyra chat`: a variable, unlike an argument, is not seen in `ps`."""
    return _environment().get("SPOTIFY_TOKEN") or None


def _environment() -> Mapping[str, str]:
    written = {name: value for name, value in dotenv_values(".env").items() if value}
    return {**written, **os.environ}  # noqa: TID251 - the one place that reads it
