"""Spans through OpenTelemetry's API, which does nothing unless the tracer has its SDK behind it.

What a span holds comes from closed sets (routes, sections, codes) or is a number: never a token, a
key, a name or a word of a listener. `lyra.otel` makes the tracer that exports.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager

from opentelemetry import trace
from opentelemetry.context import Context, get_current as current_context
from opentelemetry.trace import NoOpTracer, Span, SpanKind, StatusCode, Tracer

__all__ = (
    "Attributes",
    "NoOpTracer",
    "Span",
    "SpanKind",
    "Tracer",
    "annotate",
    "current_context",
    "exports",
    "set_error",
    "start_span",
)

Attributes = Mapping[str, str | int | float]


def exports(tracer: Tracer) -> bool:
    """Return whether the spans of this tracer go anywhere."""
    return not isinstance(tracer, NoOpTracer)


def start_span(
    tracer: Tracer,
    name: str,
    attributes: Attributes | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
) -> AbstractContextManager[Span]:
    """Return a span for the block: a child of the current span, or of `parent` if that is given."""
    # What OpenTelemetry would record of an exception is its text, and the values around it.
    return tracer.start_as_current_span(
        name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
    )


def annotate(attributes: Attributes) -> None:
    """Set attributes of the current span."""
    trace.get_current_span().set_attributes(attributes)


def set_error(span: Span, code: str) -> None:
    """Mark the span as failed, with the code of the failure."""
    span.set_attribute("error.type", code)
    span.set_status(StatusCode.ERROR)
