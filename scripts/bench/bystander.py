"""A listener at hand who looks every few milliseconds. Run as a process: PORT TOKEN SECONDS.

Prints the median and the longest wait in seconds, how many looks there were, and how many of them
were not answered with 200. A process of its own waits for nobody's load but the service's.
"""

import asyncio
import socket
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import orjson

PAUSE_S = 0.005
PATIENCE_S = 5.0


class Waits(NamedTuple):
    """What a bystander saw."""

    median_s: float
    longest_s: float
    looks: int
    wrong: int


async def look_on(port: int, token: str, seconds: float) -> Waits:
    """What a bystander in a process of its own sees for so long."""
    arguments = (str(Path(__file__)), str(port), token, str(seconds))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Waits(*orjson.loads(told))


def _look(port: int, token: str, seconds: float) -> Waits:
    sent = (
        f"POST /lyra/init HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
    waits, wrong, until = [], 0, time.monotonic() + seconds
    connection: socket.socket | None = None
    while time.monotonic() < until:
        began = time.monotonic()
        connection = connection or socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        try:
            connection.sendall(sent)
            answer = connection.recv(65_536)
        except OSError:
            answer = b""
        waits.append(time.monotonic() - began)
        if not answer.startswith(b"HTTP/1.1 200"):
            wrong += 1
            connection.close()
            connection = None
        time.sleep(PAUSE_S)
    return Waits(median(waits), max(waits), len(waits), wrong)


if __name__ == "__main__":
    PORT, TOKEN, SECONDS = sys.argv[1:]
    sys.stdout.buffer.write(orjson.dumps(tuple(_look(int(PORT), TOKEN, float(SECONDS)))))
