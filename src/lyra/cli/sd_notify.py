"""Reports to the process manager: systemd's protocol, `sd_notify(3)`."""

import os
import socket


def sd_notify(manager: str | None, state: str) -> None:
    """Send `state` (such as `READY=1`) to the manager's datagram socket, if there is a manager.

    A failure to send is ignored: it must not stop the service.
    """
    if not manager:
        return
    address = f"\0{manager[1:]}" if manager.startswith("@") else manager
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        try:
            sock.sendto(f"{state}\nMAINPID={os.getpid()}".encode(), address)
        except OSError:
            return
