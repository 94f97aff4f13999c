"""The address of the service for people, and the setting to change where it cannot listen."""

import errno
import os

from lyra.settings import SettingError, Settings, format_address


def reachable_address(host: str, port: int) -> str:
    """Return host and port for a client on this machine to connect to."""
    return format_address("127.0.0.1" if host in ("", "0.0.0.0", "::") else host, port)  # noqa: S104


def listen_error(settings: Settings, failure: OSError | UnicodeError) -> SettingError:
    """Return the error that names the setting to change: LYRA_HOST or LYRA_PORT."""
    # A failed name lookup has an errno below zero; `create_server` has no class for it.
    if isinstance(failure, UnicodeError) or (failure.errno or 0) < 0:
        return SettingError(
            f"LYRA_HOST: no address is known for {settings.host!a}. Set an address of this machine."
        )
    where = format_address(settings.host, settings.port)
    why = os.strerror(failure.errno or 0)
    if failure.errno == errno.EADDRNOTAVAIL:
        return SettingError(
            f"LYRA_HOST: cannot listen on {where} ({why}). Set an address of this machine."
        )
    return SettingError(
        f"LYRA_PORT: cannot listen on {where} ({why}). Stop what uses it, or set another LYRA_PORT."
    )
