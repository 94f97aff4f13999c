"""Randomness that is the same on every machine: integers from a counter through blake2b.

No floats and no `random`: only integer arithmetic has one answer on every platform.
"""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_EIGHT = struct.Struct(">8Q")


def hexadecimal(length: int, *parts: object) -> str:
    """A hexadecimal string of `length` characters that only these parts give; at most 128."""
    return _digest(parts, 64).hex()[:length]


def spotify_id(*parts: object) -> str:
    """22 characters of base 62, as Spotify's ids are, that only these parts give."""
    number = int.from_bytes(_digest(parts, 17), "big")
    letters = []
    for _ in range(22):
        number, rest = divmod(number, 62)
        letters.append(_BASE62[rest])
    return "".join(letters)


def cumulative(weights: Sequence[int]) -> tuple[int, ...]:
    """Running sums of the weights, as `Rng.weighted` reads them."""
    return tuple(accumulate(weights))


class Rng:
    """A stream of integers that only the seed's parts determine."""

    __slots__ = ("_counter", "_key", "_numbers")

    def __init__(self, *parts: object) -> None:
        self._key = _digest(parts, 32)
        self._counter = 0
        self._numbers: list[int] = []

    def below(self, bound: int) -> int:
        """An integer from 0 to `bound` - 1, each as likely as the others."""
        if not self._numbers:
            block = blake2b(self._counter.to_bytes(8, "big"), key=self._key).digest()
            self._numbers.extend(_EIGHT.unpack(block))
            self._counter += 1
        return (self._numbers.pop() * bound) >> 64

    def percent(self, chance: int) -> bool:
        """True in `chance` of 100 draws."""
        return self.below(100) < chance

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, each as likely as the others."""
        return items[self.below(len(items))]

    def weighted(self, sums: Sequence[int], count: int | None = None) -> int:
        """An index into the first `count` (default: all) weights whose running sums these are."""
        size = len(sums) if count is None else count
        return bisect_right(sums, self.below(sums[size - 1]), 0, size)


def _digest(parts: tuple[object, ...], size: int) -> bytes:
    return blake2b("\x1f".join(map(str, parts)).encode(), digest_size=size).digest()
