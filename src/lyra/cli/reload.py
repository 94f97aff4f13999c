"""`lyra reload`: asks a supervisor to replace its workers, and waits for the outcome."""

import os
import select
import socket
import time

from lyra.cli.console import complain
from lyra.cli.inbox import LINUX, RELOAD, enable_credentials, receive, socket_name

_NO_SUPERVISOR = 2


def reload(pid: int, within_s: float) -> int:
    """Return 0 if all workers are replaced, 1 if not all are, 2 if there is no supervisor."""
    if not LINUX:
        return _fail("this needs Linux; elsewhere send SIGHUP.", _NO_SUPERVISOR)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        enable_credentials(sock)
        sock.bind("")  # any free name, for the answer
        try:
            pidfd = os.pidfd_open(pid)
            sock.sendto(RELOAD, socket_name(pid))
        except OSError:
            problem = f"process {pid} is no supervisor of yours (`lyra serve --workers 2` or more)."
            return _fail(problem, _NO_SUPERVISOR)
        try:
            return _wait_for_outcome(sock, pidfd, pid, within_s)
        finally:
            os.close(pidfd)


def _wait_for_outcome(sock: socket.socket, pidfd: int, pid: int, within_s: float) -> int:
    deadline = time.monotonic() + within_s
    sources: list[socket.socket | int] = [sock, pidfd]
    while (remaining_s := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select(sources, [], [], remaining_s)
        if sock in ready:
            message = receive(sock)
            if message.sender != pid:
                continue
            code, _, words = message.text.decode("utf-8", "replace").partition(" ")
            if code == "0":
                print(f"lyra: {words}")
                return 0
            return _fail(words, 1)
        if ready:
            return _fail("the supervisor has ended.", 1)
    return _fail(f"not done within {within_s:.0f} s; it may still be under way.", 1)


def _fail(words: str, code: int) -> int:
    complain(words)
    return code
