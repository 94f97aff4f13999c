"""Figures of this machine to hold others against: pieces of work that are the same everywhere.

Whole programs that Lyra is compared with are in `servers/` and `peers/`.
"""

import time
from collections.abc import Callable

import orjson

_MIB = 2**20
_ROUNDS = 9
_MESSAGE = b'{"role":"user","parts":[{"type":"text","text":"a"}]},'


def lowest_s(work: Callable[[], object], rounds: int = _ROUNDS) -> float:
    """Processor time of a piece of work, the lowest of some rounds: what others add is not its own."""
    took = []
    for _ in range(rounds):
        began = time.thread_time()
        work()
        took.append(time.thread_time() - began)
    return min(took)


def decode_s() -> float:
    """Processor time in which orjson decodes a mebibyte of small messages into dicts.

    What a service cannot do without that takes a body of this size as plain JSON.
    """
    body = b"[%b{}]" % (_MESSAGE * (_MIB // len(_MESSAGE)))
    return lowest_s(lambda: orjson.loads(body))
