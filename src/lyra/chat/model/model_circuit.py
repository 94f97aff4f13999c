"""The circuit breaker before the model: open when the model fails for everybody; with metrics."""

import time
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager

from lyra.chat.best_effort import best_effort
from lyra.circuit_breaker import Call, CircuitBreaker, CircuitOpenError
from lyra.errors import (
    LlmInterruptedError,
    LlmMisconfiguredError,
    LlmRateLimitedError,
    LlmTimeoutError,
    LlmTruncatedError,
    LlmUnavailableError,
    LyraError,
)
from lyra.metrics import Metrics
from lyra.tracing import Span

RESTING = "resting"
CREDENTIALS = "credentials"
SPEND_LIMIT = "spend_limit"

_FAULTS = (LlmUnavailableError, LlmTimeoutError, LlmInterruptedError, LlmTruncatedError)
_SPENT_REST_S = 600.0  # a spend limit is not raised within a minute


class ModelCircuit:
    """One model's circuit. A rejected key or a spent budget opens it once two owners see it."""

    def __init__(self, breaker: CircuitBreaker, metrics: Metrics, *, model: str = "") -> None:
        self._breaker = breaker
        self._metrics = metrics
        self._model = model

    @contextmanager
    def call(self, owner: Hashable) -> Iterator[Call]:
        """Admit the block's call of the model for this owner, and record how it ends.

        The owner is an account. None stands for all whose account is unknown: one account may
        have any number of access tokens, and must not count as many owners.

        Raises:
            LyraError: the circuit is open: raised at once, with the cause that opened it.
        """
        began, outcome = time.monotonic(), "abandoned"
        try:
            with self._breaker.call(owner) as call, self._span() as span:
                try:
                    yield call
                except LyraError as failure:
                    outcome = failure.code
                    span.set_attributes({"error.type": outcome})
                    _judge(call, failure)
                    raise
                outcome = "ok"
        except CircuitOpenError as resting:
            outcome = RESTING
            raise _as_error(resting) from None
        finally:
            with best_effort("the time of a call to the model"):
                self._metrics.model_seconds.observe(time.monotonic() - began, outcome)

    def _span(self) -> AbstractContextManager[Span]:
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": self._model}
        return self._metrics.traces.span(f"chat {self._model}", attributes, kind="client")

    @property
    def retry_in_s(self) -> float:
        """Seconds until the model is called again; 0 while the circuit is closed."""
        return self._breaker.retry_in_s


def _judge(call: Call, failure: LyraError) -> None:
    if isinstance(failure, LlmMisconfiguredError) and failure.reason == CREDENTIALS:
        call.refused(failure)
    elif isinstance(failure, LlmRateLimitedError) and failure.reason == SPEND_LIMIT:
        call.refused(failure, _SPENT_REST_S)
    elif isinstance(failure, _FAULTS):
        call.failed()


def _as_error(resting: CircuitOpenError) -> LyraError:
    if isinstance(resting.cause, LlmMisconfiguredError):
        return resting.cause.copy()  # waiting does not help
    kind = type(resting.cause) if isinstance(resting.cause, LyraError) else LlmUnavailableError
    return kind(retry_after_s=resting.retry_after_s, reason=RESTING)
