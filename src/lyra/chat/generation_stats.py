"""What one answer has taken: time, bytes and tokens, for its metadata and for the metrics."""

import math
import time
from typing import Any

import msgspec
from msgspec.structs import replace

from lyra.chat.best_effort import best_effort
from lyra.chat.model.port import Usage
from lyra.errors import LyraError
from lyra.metrics import Metrics

_BYTES_PER_TOKEN = 4  # of English; only for what the model had no time to count


class GenerationStats:
    """Measures one answer from its creation on. Nothing here may fail an answer, or wait."""

    def __init__(self, metrics: Metrics) -> None:
        self.bytes = 0  # of text
        self.any_text = False
        self.round_usage = Usage()  # as the model counted it last, or as it was estimated
        self._rounds = Usage()  # those before this one
        self._rounds_bytes = 0
        self._metrics = metrics
        self._ending = LyraError.code  # what the metrics call the ending
        self._began = time.monotonic()
        self._first_text_s: float | None = None
        self._last_text_at = 0.0
        self._longest_gap_s = 0.0

    def on_text(self, size: int) -> None:
        """Note that text of so many bytes has come at this moment."""
        now = time.monotonic()
        self.bytes += size
        if self._first_text_s is None:
            self.any_text = True
            self._first_text_s = now - self._began
            with best_effort("the metrics of an answer"):
                self._metrics.first_token_seconds.observe(self._first_text_s)
        elif now - self._last_text_at > self._longest_gap_s:
            self._longest_gap_s = now - self._last_text_at
        self._last_text_at = now

    @property
    def usage(self) -> Usage:
        """What all rounds together have cost, as far as it is known."""
        return _add(self._rounds, self.round_usage)

    def on_usage(self, usage: Usage) -> None:
        """Note what the model has counted so far of this round."""
        self.round_usage = usage

    def end_round(self, usage: Usage) -> None:
        """Note what a round has cost that is not the last."""
        self._rounds, self.round_usage = _add(self._rounds, usage), Usage()
        self._rounds_bytes = self.bytes
        self._last_text_at = math.inf  # the time of the tools is no gap between two words

    def estimate_usage(self) -> Usage:
        """Return what the model has counted of this round, its output estimated where that is more."""
        estimate = -(-(self.bytes - self._rounds_bytes) // _BYTES_PER_TOKEN)
        counted = self.round_usage
        return replace(counted, output_tokens=max(counted.output_tokens, estimate))

    def end(self, name: str, usage: Usage) -> dict[str, Any]:
        """Note the ending, as metrics name it, and what the last round has cost.

        Return the usage of all rounds and the times, to be shown.
        """
        self._ending, self.round_usage = name, usage
        first = self._first_text_s
        return {
            "usage": msgspec.to_builtins(self.usage),
            "first_token_ms": None if first is None else round(first * 1000, 2),
            "duration_ms": round((time.monotonic() - self._began) * 1000, 2),
        }

    def report(self) -> None:
        """Count an answer that has ended in the metrics."""
        self._metrics.answers.labels(self._ending).inc()
        if self.any_text:
            self._metrics.longest_gap_seconds.observe(self._longest_gap_s)
        for kind, tokens in msgspec.structs.asdict(self.usage).items():
            self._metrics.tokens.labels(kind.removesuffix("_tokens")).inc(tokens)


def _add(one: Usage, other: Usage) -> Usage:
    totals = map(
        sum, zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    )
    return Usage(*totals)
