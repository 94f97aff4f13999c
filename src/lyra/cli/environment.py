"""Reads the environment and `.env`, once, for everything else."""

import os
from collections.abc import Mapping

from dotenv import dotenv_values

from lyra.settings import Settings


def settings_from_environment(*, host: str | None = None, port: int | None = None) -> Settings:
    """The settings of this process: the command line over the environment over `.env`."""
    given = dict(_environment())
    if host is not None:
        given["LYRA_HOST"] = host
    if port is not None:
        given["LYRA_PORT"] = str(port)
    return Settings.from_environ(given)


def _environment() -> Mapping[str, str]:
    written = {name: value for name, value in dotenv_values(".env").items() if value}
    return {**written, **os.environ}  # noqa: TID251 - the one place that reads it
