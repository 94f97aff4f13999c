"""A listener at hand who looks every few milliseconds. Run as a process: PORT TOKEN SECONDS.

Prints the median and the longest wait in seconds, how many looks there were, and how many of them
were not answered with 200. A process of its own waits for nobody's load but the service's.
"""

import socket
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import orjson

from bench.client import request

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
    from bench.harness import PYTHON_PATH, module  # noqa: PLC0415 - not for the process itself
    from bench.processes import output_of  # noqa: PLC0415

    command = module("bystander", str(port), token, str(seconds))
    return Waits(*orjson.loads(await output_of(*command, cwd=Path(), environment=PYTHON_PATH)))


def _look(port: int, token: str, seconds: float) -> Waits:
    sent = request("POST", "/lyra/init", token)
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
