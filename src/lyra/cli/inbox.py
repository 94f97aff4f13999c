"""The supervisor's socket: workers report here that they are ready, `lyra reload` asks for a roll.

On Linux its name is no file, so that no folder has to be writable, and the kernel vouches for the
sender.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

from lyra.settings import SettingError

LINUX = sys.platform == "linux"
RELOAD = b"RELOAD=1"
_MAX_BYTES = 4096
_SENDER = struct.Struct("3i")  # process, user, group


@dataclass(frozen=True, slots=True)
class Message:
    """A datagram and its sender: a process id, or 0 if none is known."""

    text: bytes
    sender: int
    user: int
    address: str | bytes


def socket_name(pid: int) -> str:
    """Return the name of the socket of the supervisor with this process id."""
    return f"\0lyra-{pid}"


@contextmanager
def open_inbox() -> Iterator[tuple[socket.socket, str]]:
    """Yield a datagram socket that never blocks, and its name as NOTIFY_SOCKET has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as inbox:
        if LINUX:
            enable_credentials(inbox)
            yield inbox, f"@{_bind(inbox)[1:]}"
            return
        try:
            folder = TemporaryDirectory(prefix="lyra-")
        except OSError as failure:
            raise SettingError(
                f"LYRA_WORKERS: more than one needs a folder that can be written, and there is "
                f"none ({failure.strerror}). Set TMPDIR."
            ) from None
        with folder:
            path = str(Path(folder.name) / "notify")
            inbox.bind(path)
            yield inbox, path


def enable_credentials(sock: socket.socket) -> None:
    """Have the kernel add the sender's process id to every datagram."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)


def receive(sock: socket.socket) -> Message:
    """Return the next message."""
    text, ancillary, _, address = sock.recvmsg(_MAX_BYTES, socket.CMSG_SPACE(_SENDER.size))
    for level, kind, content in ancillary:
        if LINUX and level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            sender, user, _ = _SENDER.unpack(content[: _SENDER.size])
            return Message(text, sender, user, address)
    return Message(text, _claimed_pid(text), os.getuid(), address)


def _bind(inbox: socket.socket) -> str:
    name = socket_name(os.getpid())
    try:
        inbox.bind(name)
    except OSError:  # another process took the name; `lyra reload` notices by its process id
        name = f"{name}-{token_hex(8)}"
        inbox.bind(name)
    return name


def _claimed_pid(text: bytes) -> int:
    lines = dict(line.partition(b"=")[::2] for line in text.splitlines())
    number = lines.get(b"MAINPID", b"")
    return int(number) if number.isdigit() else 0
