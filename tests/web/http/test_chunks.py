"""A chunked body that is not HTTP is refused at once, and nothing behind it is heard."""

import asyncio
import logging
from unittest.mock import create_autospec

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParserPy
from hypothesis import given, strategies as st

from lyra.web.http.chunks import Chunks
from tests.conftest import LONG_S, Service, Start
from tests.support.calls import AUTH, BODY, JSON, connected, init, read_answer, request_bytes
from tests.support.error_shape import check_error
from tests.support.waits import until

CHUNKED = "Transfer-Encoding: chunked"
WHOLE = b"%x\r\n%b\r\n" % (len(BODY), BODY)
BAD = {
    "no size": b"zz\r\n",
    "empty size": b"\r\n",
    "signed": b"-1\r\n",
    "hex prefix": b"0x5\r\n",
    "space": b"5 \r\n",
    "huge size": b"f" * 20 + b"\r\n",
    "bare LF": b"2\nab\n0\n\n",
    "no break behind": b"2\r\nabX",
    "longer than told": b"2\r\nabcd\r\n",
    "shorter than told": b"5\r\nab\r\n0\r\n\r\n",
    "second size": WHOLE + b"zz\r\n",
    "null in an extension": b"2;a\x00=1\r\nab\r\n",
    "long extension": b"2;" + b"x" * 40_000,
    "trailer without a colon": WHOLE + b"0\r\nno trailer\r\n\r\n",
    "long trailer": WHOLE + b"0\r\nA: " + b"x" * 9_000 + b"\r\n\r\n",
    "many trailers": WHOLE + b"0\r\n" + b"A: 1\r\n" * 200 + b"\r\n",
    "a head for a chunk": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a CR too many": b"2\r\r\nab\r\n",
    "half a break behind": b"2\r\nab\r0\r\n",
    "LF in an extension": b"2;a\nb\r\nab\r\n",
    "extension without a name": b"2;\r\nab\r\n",
    "extension with two values": b"2;a=b=c\r\nab\r\n",
    "extension behind a quote": b'2;a="b"c\r\nab\r\n',
    "trailer with a gap": WHOLE + b"0\r\nA : 1\r\n\r\n",
    "folded trailer": WHOLE + b"0\r\nA: 1\r\n 2\r\n\r\n",
    "length in the trailers": WHOLE + b"0\r\nContent-Length: 4\r\n\r\n",
    "LF for the end": WHOLE + b"0\r\n\n",
}
GOOD = {
    "extensions": b'%x;a;b=c;d="e \\" ;f";g\r\n%b\r\n0;h\r\n\r\n' % (len(BODY), BODY),
    "extension": b"%x;a=1\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "capitals": b"%X\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "zeros": b"0000%x\r\n%b\r\n000\r\n\r\n" % (len(BODY), BODY),
    "trailers": WHOLE + b"0\r\nA: 1\r\nB: 2\r\n\r\n",
}


MAX_LINE, MAX_FIELDS = 4096, 64
FIELDS = 2  # of the head before the body
PROTOCOL, LOOP = create_autospec(BaseProtocol), create_autospec(asyncio.AbstractEventLoop)


@given(st.sampled_from([*GOOD.values(), *BAD.values()]), st.data())
def test_however_a_body_is_cut_the_verdict_is_the_same(body: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=8)))
    chunks = Chunks(max_line=MAX_LINE, max_trailers=MAX_FIELDS - FIELDS)
    verdicts = [
        chunks.take(body[start:end])
        for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)
    ]

    assert verdicts[-1] is (body in GOOD.values())
    assert verdicts == sorted(verdicts, reverse=True), "what is broken stays so"


@pytest.mark.parametrize("parser", [HttpRequestParser, HttpRequestParserPy], ids=["C", "Python"])
@given(st.sampled_from([*GOOD.values(), *BAD.values()]), st.data())
def test_what_passes_is_taken_by_the_parser_behind(
    parser: type[HttpRequestParserPy], body: bytes, data: st.DataObject
) -> None:
    """A few bytes of a body are changed: the parser would refuse none that is let through."""
    changed = bytearray(body[:1500])
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(changed)))
        odd = data.draw(st.sampled_from([b"", b"\r", b"\n", b"\0", b" ", b";", b"=", b'"', b"g"]))
        changed[at : at + data.draw(st.integers(0, 1))] = odd
    reading = parser(PROTOCOL, LOOP, 2**16, max_field_size=MAX_LINE, max_headers=MAX_FIELDS)
    reading.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunks = Chunks(max_line=MAX_LINE, max_trailers=MAX_FIELDS - FIELDS)
    for each in changed:
        if not chunks.take(bytes([each])) or chunks.over:
            return
        try:
            reading.feed_data(bytes([each]))
        except HttpProcessingError as refused:
            raise AssertionError(bytes(changed)) from refused


def head(service: Service, path: str) -> bytes:
    return request_bytes(service, "POST", path, AUTH, JSON, CHUNKED)


async def all_of(service: Service, *pieces: bytes) -> bytes:
    """All that is answered to these until the server ends the connection."""
    async with connected(service) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        return await reader.read()


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("bad", BAD)
async def test_a_chunk_that_is_none_is_a_400_and_the_last_answer(
    start: Start, bad: str, cut: bool
) -> None:
    service = await start(body_timeout_s=LONG_S, header_timeout_s=LONG_S)
    async with connected(service) as (reader, writer):
        writer.write(head(service, "/lyra/chat"))
        if cut:
            await until(lambda: service.services.awaited_bodies.stats()["waiting"] == 1)
        writer.write(BAD[bad])
        answer = await read_answer(reader)
        behind = await reader.read()

    check_error(answer, "invalid_request")
    assert answer.headers["Connection"] == "close"
    assert behind == b""


@pytest.mark.parametrize("path", ["/lyra/init", "/lyra/chat", "/nowhere"])
async def test_what_comes_behind_a_bad_chunk_is_no_request(
    start: Start, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    service = await start(body_timeout_s=LONG_S, header_timeout_s=LONG_S)
    behind = request_bytes(service, "GET", "/healthz")

    answered = await all_of(service, head(service, path) + b"zz\r\n" + behind)

    assert answered.count(b"HTTP/1.1 ") == 1
    assert b"alive" not in answered
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("good", GOOD)
async def test_chunk_extensions_and_trailers_keep_the_connection(
    service: Service, good: str
) -> None:
    await init(service)
    async with connected(service) as (reader, writer):
        writer.write(head(service, "/lyra/chat") + GOOD[good])
        told = await reader.readuntil(b"[DONE]\n\n")
        writer.write(request_bytes(service, "GET", "/healthz"))
        await reader.readuntil(b'{"alive":true}')

    assert told.startswith(b"HTTP/1.1 200 ")
