"""The sandbox's own time, by which tokens expire and quotas are counted."""

import math
from datetime import datetime, timedelta


class Clock:
    """A clock that stands still until it is advanced, so that nothing depends on how fast a test is."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    @property
    def now(self) -> datetime:
        """The present moment, in UTC."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let this much time pass, at once.

        Raises:
            ValueError: The number is negative or not a number, or the calendar ends before.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"the clock cannot be advanced by {seconds} seconds")
        try:
            self._now += timedelta(seconds=seconds)
        except OverflowError:
            raise ValueError("the clock cannot be advanced past the year 9999") from None
