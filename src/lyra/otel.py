"""Traces for a collector, through OpenTelemetry: the one door to it.

Import this module lazily: only where somebody collects does it have to be loaded.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Thread

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode, TracerProvider

from lyra import __version__
from lyra.tracing import Kind, Span, Told, Tracer

_KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
_LAST_SPANS_S = 3.0  # a collector that is away does not hold the process


class OtelTracer(Tracer):
    """Spans for this provider."""

    collected = True

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("lyra", __version__)

    @contextmanager
    def span(
        self,
        name: str,
        told: Told | None = None,
        *,
        kind: Kind = "internal",
        cause: object = None,
    ) -> Iterator[Span]:
        """See Traces.span."""
        within = cause if isinstance(cause, context.Context) else None
        span = self._tracer.start_span(name, within, kind=_KINDS[kind], attributes=told)
        # What OpenTelemetry would record of an exception is its text, and the values around it.
        with trace.use_span(
            span, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ):
            yield _OtelSpan(span)

    def current_context(self) -> object:
        """See Traces.here."""
        return context.get_current()

    def annotate(self, told: Told) -> None:
        """See Traces.note."""
        trace.get_current_span().set_attributes(told)


class _OtelSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set_attributes(self, told: Told) -> None:
        """See Span.tell."""
        self._span.set_attributes(told)
        if "error.type" in told:
            self._span.set_status(StatusCode.ERROR)


@asynccontextmanager
async def exporting() -> AsyncIterator[Tracer]:
    """Traces that go where the variables OTEL_EXPORTER_OTLP_* say; the last ones at the end.

    Raises:
        ImportError: OpenTelemetry's SDK or its exporter is not installed.
    """
    provider, shut_down = await asyncio.to_thread(_open_exporter)
    try:
        yield OtelTracer(provider)
    finally:
        last = Thread(target=shut_down, name="last spans", daemon=True)
        last.start()
        await asyncio.to_thread(last.join, _LAST_SPANS_S)


def _open_exporter() -> tuple[TracerProvider, Callable[[], None]]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider as Provider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = Provider(
        resource=Resource.create({"service.name": "lyra", "service.version": __version__}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider, provider.shutdown
