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
from lyra.tracing import Span, SpanKind, set_error, start_span

CIRCUIT_OPEN = "circuit_open"
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
                    set_error(span, outcome)
                    _judge(call, failure)
                    raise
                outcome = "ok"
        except CircuitOpenError as open_circuit:
            outcome = CIRCUIT_OPEN
            raise _as_error(open_circuit) from None
        finally:
            with best_effort("the time of a call to the model"):
                self._metrics.model_seconds.labels(outcome).observe(time.monotonic() - began)

    def _span(self) -> AbstractContextManager[Span]:
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": self._model}
        tracer = self._metrics.tracer
        return start_span(tracer, f"chat {self._model}", attributes, kind=SpanKind.CLIENT)

    @property
    def retry_in_s(self) -> float:
        """Seconds until the model is called again; 0 while the circuit is closed."""
        return self._breaker.retry_in_s


def _judge(call: Call, failure: LyraError) -> None:
    if isinstance(failure, LlmMisconfiguredError) and failure.reason == CREDENTIALS:
        call.record_refusal(failure)
    elif isinstance(failure, LlmRateLimitedError) and failure.reason == SPEND_LIMIT:
        call.record_refusal(failure, _SPENT_REST_S)
    elif isinstance(failure, _FAULTS):
        call.record_failure()


def _as_error(open_circuit: CircuitOpenError) -> LyraError:
    if isinstance(open_circuit.cause, LlmMisconfiguredError):
        return open_circuit.cause.copy()  # waiting does not help
    kind = (
        type(open_circuit.cause)
        if isinstance(open_circuit.cause, LyraError)
        else LlmUnavailableError
    )
    return kind(retry_after_s=open_circuit.retry_after_s, reason=CIRCUIT_OPEN)
