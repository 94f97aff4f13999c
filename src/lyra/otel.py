"""The exporter of spans: OpenTelemetry's SDK, an optional extra.

Import this module lazily: it is needed only where an endpoint for traces is configured.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Thread

from opentelemetry.trace import Tracer, TracerProvider

from lyra import __version__

_LAST_SPANS_S = 3.0  # a collector that is away does not hold the process


@asynccontextmanager
async def exporting() -> AsyncIterator[Tracer]:
    """Yield a tracer that exports to where the variables OTEL_EXPORTER_OTLP_* say.

    At the end it flushes the last spans, within a bounded time.

    Raises:
        ImportError: OpenTelemetry's SDK or its exporter is not installed.
    """
    provider, shut_down = await asyncio.to_thread(_open_exporter)
    try:
        yield provider.get_tracer("lyra", __version__)
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
