"""Numbers and lists in English sentences."""

from collections.abc import Sequence


def count(number: int, noun: str) -> str:
    """Return a number and its noun: "1 play", "1,200 plays"."""
    return f"{number:,} {noun if number == 1 else f'{noun}s'}"


def times(number: int) -> str:
    """Return how often: "once", "twice", "3 times"."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def enumerate_parts(parts: Sequence[str]) -> str:
    """Return the parts as a list: "a, b and c"."""
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def percent(part: float) -> str:
    """Return a part of one in whole percent, without rounding some to none or most to all."""
    if 0 < part < 0.005:  # noqa: PLR2004 - what rounds to nothing
        return "less than 1%"
    if 0.995 <= part < 1:  # noqa: PLR2004
        return "more than 99%"
    return f"{part:.0%}"
