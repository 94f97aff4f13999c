"""`lyra reload`: asks a supervisor to replace its workers, and waits for what becomes of it."""

import os
import select
import socket
import time

from lyra.cli.console import complain
from lyra.cli.inbox import LINUX, RELOAD, name_of, received, want_senders

_NO_SUPERVISOR = 2


def reload(pid: int, within_s: float) -> int:
    """0 when all workers are replaced, 1 when not all are, 2 when no supervisor is there."""
    if not LINUX:
        return _complain("this needs Linux; elsewhere send SIGHUP.", _NO_SUPERVISOR)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        want_senders(asking)
        asking.bind("")  # any free name, for the answer
        try:
            alive = os.pidfd_open(pid)
            asking.sendto(RELOAD, name_of(pid))
        except OSError:
            told = f"process {pid} is no supervisor of yours (`lyra serve --workers 2` or more)."
            return _complain(told, _NO_SUPERVISOR)
        try:
            return _outcome(asking, alive, pid, within_s)
        finally:
            os.close(alive)


def _outcome(asking: socket.socket, alive: int, pid: int, within_s: float) -> int:
    until = time.monotonic() + within_s
    sources: list[socket.socket | int] = [asking, alive]
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select(sources, [], [], left)
        if asking in ready:
            message = received(asking)
            if message.sender != pid:
                continue
            code, _, words = message.text.decode("utf-8", "replace").partition(" ")
            if code == "0":
                print(f"lyra: {words}")
                return 0
            return _complain(words, 1)
        if ready:
            return _complain("the supervisor has ended.", 1)
    return _complain(f"not done within {within_s:.0f} s; it may still be under way.", 1)


def _complain(words: str, code: int) -> int:
    complain(words)
    return code
