"""What a collector of traces gets to see: how a request went, and nothing of who asked what."""

import asyncio
import sys
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from lyra.sandbox import sandbox_token
from lyra.spotify.endpoints import PATHS
from tests.conftest import Start
from tests.support.calls import call, chat, init
from tests.support.stream_grammar import read_stream

SECRET_QUESTION = {"message": "Which artists did I hear in Zanzibar?"}


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("lyra")


def within(spans: Sequence[ReadableSpan], cause: ReadableSpan) -> list[ReadableSpan]:
    """The spans whose parent this is."""
    return [
        each
        for each in spans
        if each.parent and cause.context and each.parent.span_id == cause.context.span_id
    ]


def one(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    (span,) = [each for each in spans if each.name == name]
    return span


async def test_a_first_message_is_one_trace_down_to_the_model(
    start: Start, tracer: Tracer, exporter: InMemorySpanExporter
) -> None:
    """Request, fetch, five calls of Spotify and the call of the model."""
    service = await start(tracer=tracer)
    answer = await chat(service, body=SECRET_QUESTION)
    await service.stop()
    spans = exporter.get_finished_spans()

    request = one(spans, "POST /lyra/chat")
    fetch, model = one(spans, "bring a listener"), one(spans, "chat sandbox-model")
    assert {each.name for each in within(spans, request)} == {fetch.name, model.name}
    assert {each.name for each in within(spans, fetch)} == {
        f"GET {path}" for path in PATHS.values()
    }
    assert len({each.context.trace_id for each in spans if each.context}) == 1
    assert (request.kind, model.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert request.attributes is not None
    assert request.attributes["http.route"] == "/lyra/chat"
    assert request.attributes["lyra.request_id"] == answer.headers["X-Request-Id"]
    assert (fetch.attributes or {})["lyra.spotify_calls"] == 5
    assert (model.attributes or {})["gen_ai.usage.output_tokens"]


async def test_no_span_holds_a_token_a_name_or_a_word(
    start: Start, tracer: Tracer, exporter: InMemorySpanExporter
) -> None:
    service = await start(tracer=tracer, model="fault:errmid")
    payload = (await init(service)).json
    stream = read_stream(await chat(service, body=SECRET_QUESTION))
    await call(service, "GET", "/lyra/chat/my-private-chat/stream", headers=service.headers())
    await service.stop()
    seen = "".join(each.to_json() for each in exporter.get_finished_spans())

    assert stream.ending == "llm_unavailable"
    assert "POST /lyra/chat" in seen
    shown = [sandbox_token(), "Zanzibar", "my-private-chat", stream.text, payload["profile"]["id"]]
    for secret in [*shown, payload["profile"]["display_name"]]:
        assert secret
        assert secret not in seen


async def test_what_failed_says_so_by_its_code(
    start: Start, tracer: Tracer, exporter: InMemorySpanExporter
) -> None:
    service = await start(tracer=tracer, model="fault:err-401")
    answer = await chat(service, sandbox_token(7, "typical", "restricted", "scope-recent"))
    await service.stop()
    spans = exporter.get_finished_spans()

    failed = {each.name for each in spans if each.status.status_code is StatusCode.ERROR}
    model = one(spans, "chat fault:err-401")
    section = one(spans, f"GET {PATHS['recently_played']}")
    assert b"llm_misconfigured" in answer.body
    assert failed == {model.name, section.name}
    assert (model.attributes or {})["error.type"] == "llm_misconfigured"
    assert (section.attributes or {})["error.type"] == "missing_scope"


async def test_a_probe_is_no_trace(
    start: Start, tracer: Tracer, exporter: InMemorySpanExporter
) -> None:
    service = await start(tracer=tracer)
    for path in ("/healthz", "/readyz", "/metrics"):
        await call(service, "GET", path)

    assert exporter.get_finished_spans() == ()


async def test_without_a_collector_the_sdk_is_not_imported() -> None:
    # redis-py imports what there is of OpenTelemetry, and aiocache imports redis-py.
    program = (
        "import sys; sys.modules['redis'] = None; import lyra.app, lyra.cli.commands;"
        "sys.exit('opentelemetry.sdk' in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)

    assert await process.wait() == 0
