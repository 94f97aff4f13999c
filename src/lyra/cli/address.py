"""Where the service listens, as people read it, and which setting is to blame where it cannot."""

import errno
import os

from lyra.settings import SettingError, Settings, format_address


def reachable_address(host: str, port: int) -> str:
    """Host and port for somebody on this machine to connect to."""
    return format_address("127.0.0.1" if host in ("", "0.0.0.0", "::") else host, port)  # noqa: S104


def listen_error(settings: Settings, failure: OSError | UnicodeError) -> SettingError:
    """The error that names the setting to change: the port is no fault of a host that is none."""
    # What looks a name up has errors below zero, of no kind of their own in `create_server`.
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
