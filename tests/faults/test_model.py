"""The model fails in every way that is known: before the first word, in the middle, at the end."""

from typing import NamedTuple

import orjson
import pytest

from tests.conftest import LONG_S, Service, Start
from tests.faults.conftest import OTHER, others_served
from tests.support.calls import chat
from tests.support.fault_kit import ShortestWait, Step, Upstream, scripted
from tests.support.scripted_model import event, stopped, words
from tests.support.stream_grammar import read_body

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def status(code: int, kind: str, *headers: str, **more: object) -> tuple[Step, ...]:
    body = orjson.dumps({"type": "error", "error": {"type": kind, "message": "no", **more}})
    lines = "".join(f"{header}\r\n" for header in headers)
    head = f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\n{lines}"
    return (f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body,)


def error(kind: str) -> bytes:
    return event("error", error={"type": kind, "message": "no"})


def stop(reason: str) -> tuple[Step, ...]:
    return (HEAD, chunk(words("Half.") + stopped(reason)), END)


SPENT = {"details": {"error_code": "enforced_spend_limit_reached"}}
GOOD: tuple[Step, ...] = (HEAD, chunk(words("Whole.") + stopped()), END)
PING = chunk(event("ping"))
INDEX = event("content_block_delta", index=7, delta={"type": "text_delta", "text": " and on"})
UNKNOWN = event("content_block_delta", index=0, delta={"type": "mime", "text": "?"})
NEW_EVENT = event("something_new", more=1)


class Row(NamedTuple):
    """What the model does, how the answer ends, what is kept of it, and how often it was asked.

    `patience_s` is for the first word and between words: short only where it is what ends the row.
    """

    row: str
    scripts: tuple[tuple[Step, ...], ...]
    ending: str
    text: str = ""
    calls: int = 1
    patience_s: tuple[float, float] = (LONG_S, LONG_S)


BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": "Hello "})
LATER = event("message_delta", delta={}, usage={"output_tokens": 7})
CAPPED = event("message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 9})
OVER = event("message_stop")
PLAIN_ERROR = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 57\r\n\r\n"
    b'{"type":"error","error":{"type":"authentication_error" }}'
)


def plain(body: bytes) -> tuple[Step, ...]:
    """An error that comes as one JSON with status 200, byte by byte."""
    letters = [chunk(bytes([byte])) for byte in body]
    return (HEAD.replace(b"text/event-stream", b"application/json"), *letters, END)


def raw(text: bytes) -> bytes:
    """Words as a server may write them, valid or not."""
    return words("PLACE").replace(b"PLACE", text)


def broken(line_break: bytes, *events: bytes) -> bytes:
    """These events with line breaks of this kind."""
    return b"".join(events).replace(b"\n", line_break)


ROWS = (
    Row("l1-401", (status(401, "authentication_error"),), "llm_misconfigured"),
    Row("l1-403", (status(403, "permission_error"),), "llm_misconfigured"),
    Row("l2-none", (status(429, "rate_limit_error"), GOOD), "stop", "Whole.", 2),
    Row("l2-1", (status(429, "rate_limit_error", "Retry-After: 1"), GOOD), "stop", "Whole.", 2),
    Row("l2-3600", (status(429, "rate_limit_error", "Retry-After: 3600"),), "llm_rate_limited"),
    Row("l3", (status(429, "rate_limit_error", **SPENT),), "llm_rate_limited"),
    Row("l4-once", (status(529, "overloaded_error"), GOOD), "stop", "Whole.", 2),
    Row("l4", (status(529, "overloaded_error"),), "llm_unavailable", "", 2),
    Row("l5-reset", (("reset",),), "llm_unavailable", "", 2),
    Row("l6", (("hang",),), "llm_timeout", patience_s=(0.3, LONG_S)),
    Row("l7", ((HEAD, PING, PING, PING, "hang"),), "llm_timeout", patience_s=(0.3, LONG_S)),
    Row("l8", ((HEAD, chunk(error("overloaded_error")), END), GOOD), "stop", "Whole.", 2),
    Row("l9", ((HEAD, chunk(words("Half")), chunk(error("overloaded_error"))),), "llm_unavailable", "Half"),
    Row("l10", ((HEAD, chunk(words("Half")), PING, "hang"),), "llm_timeout", "Half", patience_s=(LONG_S, 0.3)),
    Row("l11-fin", ((HEAD, chunk(words("Half")), "close"),), "llm_interrupted", "Half"),
    Row("l11-reset", ((HEAD, chunk(words("Half")), "reset"),), "llm_interrupted", "Half"),
    Row("l12", ((HEAD, chunk(words("Half")), END),), "llm_truncated", "Half"),
    Row("l13-index", ((HEAD, chunk(words("Half") + INDEX + stopped()), END),), "stop", "Half and on"),
    Row("l13-type", ((HEAD, chunk(words("All.") + UNKNOWN + stopped()), END),), "stop", "All."),
    Row("l14", ((HEAD, chunk(words("All.") + NEW_EVENT + stopped()), END),), "stop", "All."),
    Row("l15", (stop("refusal"),), "content-filter", "Half."),
    Row("l16-max", (stop("max_tokens"),), "length", "Half."),
    Row("l16-window", (stop("model_context_window_exceeded"),), "length", "Half."),
    Row("l16-pause", (stop("pause_turn"),), "other", "Half."),
    Row("block-with-text", ((HEAD, chunk(BLOCK + words("there.") + stopped()), END),), "stop", "Hello there."),
    Row("reason-stays", ((HEAD, chunk(words("Hi.") + CAPPED + LATER + OVER), END),), "length", "Hi."),
    Row("halves", ((HEAD, chunk(raw(rb"\ud83c") + raw(rb"\udfb5!") + stopped()), END),), "stop", "🎵!"),
    Row("half", ((HEAD, chunk(raw(rb"a\ud83c") + raw(b"b") + stopped()), END),), "stop", "a\ufffdb"),
    Row("half-at-the-end", ((HEAD, chunk(raw(rb"a\ud83c") + stopped()), END),), "stop", "a\ufffd"),
    Row("bytes", ((HEAD, chunk(raw(b"\xe2\x99")), chunk(raw(b"\xab") + stopped()), END),), "stop", "♫"),
    Row("bad-byte", ((HEAD, chunk(words("One ") + raw(b"t\xfewo") + stopped()), END),), "stop", "One t\ufffdwo"),
    Row("byte-order-mark", ((HEAD, chunk(b"\xef\xbb\xbf" + BLOCK + stopped()), END),), "stop", "Hello "),
    Row("cr", ((HEAD, chunk(broken(b"\r", words("Hi."), stopped())), END),), "stop", "Hi."),
    Row("crlf", ((HEAD, chunk(broken(b"\r\n", words("Hi."), stopped())), END),), "stop", "Hi."),
    Row("json-error", ((PLAIN_ERROR,),), "llm_misconfigured"),
    Row("json-error-mark", (plain(b'\xef\xbb\xbf{"type":"error","error":{"type":"billing_error"}}'),), "llm_misconfigured"),
    Row("json-error-lines", (plain(b'\r\n{\n "type": "error",\r "error":\n\n {"type": "billing_error"}\n}\n\n'),), "llm_misconfigured"),
    Row("json-error-bad-byte", (plain(b'{"type":"error","error":{"type":"billing_error","message":"\xff"}}'),), "llm_misconfigured"),
    Row("no-error", ((HEAD, chunk(words("All.") + b'data: {"error":null}\n\ndata: {"error":""}\n\n' + stopped()), END),), "stop", "All."),
    Row("mark-in-pieces", ((HEAD, chunk(b"\xef"), chunk(b"\xbb"), chunk(b"\xbf" + BLOCK + stopped()), END),), "stop", "Hello "),
    Row("cr-and-lf-apart", ((HEAD, *(chunk(bytes([b])) for b in broken(b"\r\n", words("Hi."), stopped())), END),), "stop", "Hi."),
    Row("bad-byte-first", ((HEAD, chunk(raw(b"\xfeOne") + stopped()), END),), "stop", "\ufffdOne"),
    Row("bad-byte-elsewhere", ((HEAD, chunk(b": \xff\nevent: \xff\nid: \xff\n" + words("One") + b'data: {"type":"\xff"}\n\n' + stopped()), END),), "stop", "One"),
    Row("other-error", ((HEAD, chunk(words("Half") + b'data: {"error":{"message":"no"}}\n\n'), END),), "llm_unavailable", "Half"),
    Row("l19", ((b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",),), "llm_misconfigured"),
)  # fmt: skip


async def asked(service: Service) -> tuple[str, str]:
    """How another listener's answer ended, whatever way it took, and its text."""
    answer = await chat(service, OTHER)
    if answer.status != 200:
        return answer.code, ""
    stream = read_body(answer.body)
    return stream.ending, stream.text


def model(
    upstream: Upstream, patience_s: tuple[float, float] = (LONG_S, LONG_S)
) -> dict[str, object]:
    first_s, between_s = patience_s
    return {
        "llm_base_url": upstream.url,
        "first_token_timeout_s": first_s,
        "token_timeout_s": between_s,
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row)
async def test_a_failing_model_has_one_honest_ending(start: Start, row: Row) -> None:
    async with (
        scripted(*row.scripts) as upstream,
        others_served(start, rng=ShortestWait(), **model(upstream, row.patience_s)) as service,
    ):
        ended = await asked(service)
        if "hang" in row.scripts[0]:
            await upstream.left.wait()  # the model's connection is closed

    assert ended == (row.ending, row.text)
    assert len(upstream.requests) == row.calls


async def test_a_model_that_is_not_there_is_a_503(start: Start, unused_tcp_port: int) -> None:
    gone = f"http://127.0.0.1:{unused_tcp_port}"
    async with others_served(start, rng=ShortestWait(), llm_base_url=gone) as service:
        assert await asked(service) == ("llm_unavailable", "")


async def test_one_enormous_delta_is_cut_at_the_bound(start: Start) -> None:
    flood = (HEAD, chunk(words("x" * 2_000_000) + stopped()), END)
    async with scripted(flood) as upstream, others_served(start, **model(upstream)) as service:
        ending, text = await asked(service)

    assert (ending, len(text)) == ("length", 65_536)


async def test_very_many_small_deltas_arrive_in_order_up_to_the_bound(start: Start) -> None:
    letters = "".join(chr(97 + n % 26) for n in range(100_000))
    pieces = [chunk(b"".join(map(words, letters[n : n + 500]))) for n in range(0, 100_000, 500)]
    script = (HEAD, *pieces, chunk(stopped()), END)
    async with scripted(script) as upstream, others_served(start, **model(upstream)) as service:
        assert await asked(service) == ("length", letters[:65_536])


@pytest.mark.parametrize(
    "text", ["a\n\nevent: done\ndata: x", "\0", "\u2028\u2029", "</script>", "\ud800", "id: 7\r\r"]
)
async def test_no_word_breaks_the_stream(start: Start, text: str) -> None:
    escaped = words("PLACE").replace(b"PLACE", "".join(f"\\u{ord(c):04x}" for c in text).encode())
    script = (HEAD, chunk(escaped + stopped()), END)
    async with scripted(script) as upstream, others_served(start, **model(upstream)) as service:
        ending, said = await asked(service)

    assert ending == "stop"
    assert said == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


async def test_an_open_breaker_makes_no_connection(start: Start) -> None:
    async with (
        scripted(status(401, "authentication_error")) as upstream,
        others_served(start, **model(upstream)) as service,
    ):
        await chat(service)  # a second listener has to meet it as well
        for _ in range(5):
            assert await asked(service) == ("llm_misconfigured", "")

    assert upstream.connections <= len(upstream.requests) == 2


def usage_of(told: bytes, *, at_end: bool) -> bytes:
    """An event with these counts, as they stand here."""
    head = b'{"usage":%b}' % told
    if at_end:
        return b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},%b\n\n' % head[1:]
    return b'data: {"type":"message_start","message":%b}\n\n' % head


NO_COUNTS = (
    b"-1", b"-25197", b'"9"', b"[1]", b"{}", b"true", b"2.5", b"1e400", b"1" * 30, b"1" * 6_000, b"null",
    b'"NaN"', b"1000000001",
)  # fmt: skip


@pytest.mark.parametrize(
    "count", NO_COUNTS, ids=lambda count: f"{count[:12].decode()}x{len(count)}"
)
@pytest.mark.parametrize("at_end", [False, True], ids=["start", "end"])
async def test_a_count_that_is_none_is_not_counted_and_keeps_no_place(
    start: Start, count: bytes, at_end: bool
) -> None:
    bad = usage_of(b'{"input_tokens":%b,"output_tokens":%b}' % (count, count), at_end=at_end)
    good = usage_of(b'{"cache_read_input_tokens":4}', at_end=not at_end)
    first, last = (good, bad) if at_end else (bad, good)
    script = (HEAD, chunk(first + words("Hi.") + last + OVER), END)
    async with scripted(script) as upstream:
        service = await start(streams_per_token=1, max_streams=1, **model(upstream))
        streams = [read_body((await chat(service)).body) for _ in range(3)]
        whole = await chat(service, Accept="application/json")

    assert [(each.ending, each.text) for each in streams] == [("stop", "Hi.")] * 3
    told = [each.parts[-1]["messageMetadata"]["usage"] for each in streams]
    assert [*told, whole.json["usage"]] == [{"cachedInputTokens": 4}] * 4
    assert service.services.runs.stats()["live"] == 0
