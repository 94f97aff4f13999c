"""What a request brings: tokens and bodies that are odd, and that no secret of theirs gets out."""

import gzip
import tracemalloc
from io import BytesIO
from typing import Any

import orjson
import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import (
    QUESTION,
    Answer,
    auth_line,
    call,
    chat,
    connected,
    init,
    raw,
    read_answer,
    request_bytes,
)
from tests.support.error_shape import check_error

CANARY = "CANARY0123456789canary"
JSON = "Content-Type: application/json"


def lacks_canary(answer: Answer, logged: pytest.LogCaptureFixture, canary: str = CANARY) -> bool:
    """Whether the canary is neither in the answer nor in any record of any logger."""
    text = logged.text + repr([(each.msg, each.args) for each in logged.records])
    assert text.strip("[]"), "nothing was logged, so nothing was checked"
    return canary not in text and canary.encode() not in answer.everything


BAD_HEADERS: dict[str, tuple[list[str | bytes], str]] = {
    "none": ([f"X-Other: {CANARY}"], "missing_token"),
    "in the query": ([], "missing_token"),
    "basic": ([f"Authorization: Basic {CANARY}"], "malformed_token"),
    "bare": ([f"Authorization: {CANARY}"], "malformed_token"),
    "no token": (["Authorization: Bearer"], "malformed_token"),
    "empty": (["Authorization:"], "malformed_token"),
    "short": (["Authorization: Bearer abc"], "malformed_token"),
    "two words": ([f"Authorization: Bearer {CANARY} {CANARY}"], "malformed_token"),
    "two headers": (
        [f"Authorization: Bearer {CANARY}", f"Authorization: Bearer {CANARY}2"],
        "malformed_token",
    ),
    "tab": ([f"Authorization: Bearer\t{CANARY}"], "malformed_token"),
    "quotes": ([f'Authorization: Bearer "{CANARY}"'], "malformed_token"),
    "comma": ([f"Authorization: Bearer {CANARY},{CANARY}"], "malformed_token"),
    "not ascii": ([b"Authorization: Bearer \xff\xfe" + CANARY.encode()], "malformed_token"),
    "2 KB": ([f"Authorization: Bearer {CANARY}{'x' * 2000}"], "malformed_token"),
    "10 KB": ([f"Authorization: Bearer {CANARY}{'x' * 10_000}"], "invalid_request"),
    "control character": ([f"Authorization: Bearer {CANARY}\x01"], "invalid_request"),
    "bare CR": ([f"Authorization: Bearer {CANARY}\rX: y"], "invalid_request"),
    "NUL": ([f"Authorization: Bearer {CANARY}\x00"], "invalid_request"),
    "obs-fold": (["Authorization: Bearer", f" {CANARY}"], "invalid_request"),
    "space before colon": ([f"Authorization : Bearer {CANARY}"], "invalid_request"),
    "no colon": ([f"Authorization Bearer {CANARY}"], "invalid_request"),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
async def test_a_bad_authorization_header_is_refused_and_not_echoed(
    service: Service, everything_logged: pytest.LogCaptureFixture, sandbox: Sandbox, name: str
) -> None:
    lines, code = BAD_HEADERS[name]
    path = f"/lyra/status?access_token={CANARY}" if name == "in the query" else "/lyra/status"

    answer = await raw(service, request_bytes(service, "GET", path, *lines))

    check_error(answer, code)
    assert lacks_canary(answer, everything_logged)
    assert "Traceback" not in everything_logged.text
    assert sandbox.stats.total == 0


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
async def test_the_scheme_is_read_in_any_case(service: Service, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {sandbox_token()}"}

    assert (await call(service, "GET", "/lyra/status", headers=headers)).status == 200


@pytest.mark.parametrize(
    ("persona", "faults"), [("typical", ()), ("expired", ()), ("typical", ("503",))]
)
async def test_no_token_is_in_any_answer_or_log(
    service: Service,
    everything_logged: pytest.LogCaptureFixture,
    persona: str,
    faults: tuple[str, ...],
) -> None:
    canary = "4815162342"
    token = sandbox_token(int(canary), persona, "legacy", *faults)

    answers = [
        await init(service, token),
        await init(service, token, Accept="text/event-stream"),
        await chat(service, token),
        await call(service, "GET", "/lyra/profile", headers=service.headers(token)),
        await call(service, "DELETE", "/lyra/session", headers=service.headers(token)),
    ]

    assert all(lacks_canary(answer, everything_logged, f"sandbox.{canary}") for answer in answers)


BODY = orjson.dumps(QUESTION)


async def post(service: Service, body: bytes, **headers: str) -> Answer:
    sent = service.headers(**headers)
    skipped = [] if "Content-Type" in headers else ["Content-Type"]
    return await call(
        service,
        "POST",
        "/lyra/chat",
        data=BytesIO(body) if body else None,
        headers=sent,
        skip_auto_headers=skipped,
    )


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/json",
        "*/*",
    ],
)
async def test_a_body_that_does_not_say_it_is_json_is_refused(
    service: Service, content_type: str
) -> None:
    answer = await post(service, BODY, **{"Content-Type": content_type})

    check_error(answer, "unsupported_media_type")


async def test_a_body_without_a_content_type_is_refused(service: Service) -> None:
    check_error(await post(service, BODY), "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
)
async def test_json_is_taken_however_it_is_spelt(service: Service, content_type: str) -> None:
    answer = await post(service, BODY, **{"Content-Type": content_type})

    assert answer.status == 200


async def test_the_content_type_of_an_empty_body_is_ignored(service: Service) -> None:
    headers = service.headers(**{"Content-Type": "text/plain"})

    loaded = await call(service, "POST", "/lyra/init", headers=headers)
    response = await post(service, b"", **{"Content-Type": "text/plain"})

    assert loaded.status == 200
    check_error(response, "invalid_json")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, identity", "x"])
async def test_a_compressed_body_is_refused(service: Service, coding: str) -> None:
    lines = (f"Content-Encoding: {coding}", auth_line(service), JSON)

    answer = await raw(
        service, request_bytes(service, "POST", "/lyra/chat", *lines, body=gzip.compress(BODY))
    )

    check_error(answer, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/lyra/chat", "/lyra/init", "/nowhere", "/healthz"])
async def test_no_route_inflates_a_body(
    service: Service, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    inflated: list[object] = []

    class Inflater:
        def __init__(self, *args: object, **_: object) -> None:
            inflated.append(args)

    monkeypatch.setattr("aiohttp.http_parser.DeflateBuffer", Inflater)
    monkeypatch.setattr("aiohttp.http_parser.ZLibDecompressor", Inflater)
    bomb = gzip.compress(b"\0" * 2**20)
    lines = ("Content-Encoding: gzip", auth_line(service), JSON)

    await raw(service, request_bytes(service, "POST", path, *lines, body=bomb))

    assert inflated == []


MIB = 2**20


def padded(size: int) -> bytes:
    return BODY + b" " * (size - len(BODY))


async def test_a_body_of_exactly_one_mebibyte_is_read(service: Service) -> None:
    answer = await post(service, padded(MIB), **{"Content-Type": "application/json"})

    assert answer.status == 200


async def test_a_body_announced_too_large_is_refused_before_it_comes(service: Service) -> None:
    lines = (auth_line(service), JSON, f"Content-Length: {MIB + 1}")

    answer = await raw(service, request_bytes(service, "POST", "/lyra/chat", *lines))

    check_error(answer, "body_too_large")


async def test_a_chunked_body_is_refused_once_it_is_larger(service: Service) -> None:
    lines = (auth_line(service), JSON, "Transfer-Encoding: chunked")
    chunk = b"%x\r\n%b\r\n" % (MIB + 1, padded(MIB + 1))

    answer = await raw(service, request_bytes(service, "POST", "/lyra/chat", *lines) + chunk)

    check_error(answer, "body_too_large")


@pytest.mark.parametrize("half", [b"", b'{"message":'], ids=["nothing", "half"])
async def test_a_body_that_does_not_come_is_not_waited_for(start: Start, half: bytes) -> None:
    service = await start(body_timeout_s=0.1)
    lines = (auth_line(service), JSON, "Content-Length: 100")
    async with connected(service) as (reader, writer):
        writer.write(request_bytes(service, "POST", "/lyra/chat", *lines) + half)
        answer = await read_answer(reader)
        rest = await reader.read()

    check_error(answer, "request_timeout")
    assert rest == b""


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /healthz HTTP/9.9\r\nHost: localhost",
        b"get /healthz HTTP/1.1\r\nHost: localhost",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /healthz HTTP/1.1",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked",
        b"POST /lyra/init HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1",
        b"POST /lyra/init HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 5",
    ],
)
async def test_malformed_http_is_refused_in_the_error_shape(
    service: Service, everything_logged: pytest.LogCaptureFixture, request_line: bytes
) -> None:
    """Without a traceback in the log."""
    async with connected(service) as (reader, writer):
        writer.write(request_line + b"\r\nX-Canary: " + CANARY.encode() + b"\r\n\r\n")
        answer = await read_answer(reader)
        rest = await reader.read()

    check_error(answer, "invalid_request")
    assert answer.headers["Server"] == "lyra"
    assert rest == b"", "the connection is closed"
    assert lacks_canary(answer, everything_logged)
    assert "Traceback" not in everything_logged.text


async def test_too_many_headers_are_refused(service: Service) -> None:
    lines = [f"X-{number}: y" for number in range(65)]

    answer = await raw(service, request_bytes(service, "GET", "/healthz", *lines))

    check_error(answer, "invalid_request")


async def test_a_malformed_request_has_an_id_of_its_own(service: Service) -> None:
    good = request_bytes(service, "GET", "/healthz", "X-Request-Id: the-first")
    async with connected(service) as (reader, writer):
        writer.write(good)
        first = await read_answer(reader)
        writer.write(b"nonsense\r\n\r\n")
        second = await read_answer(reader)

    assert first.headers["X-Request-Id"] == "the-first"
    assert second.headers["X-Request-Id"] not in ("the-first", "-")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"message"',
        b"{}",
        b'{"message": null}',
        b'{"message": 7}',
        b'{"message": ["x"]}',
        b'{"message": ""}',
        b'{"message": " \\t\\n "}',
        b'{"message": "\\ud800"}',
        b'{"message": "x", "history": {}}',
        b'{"message": "x", "stream": "no"}',
        b"[" * 100_000,
        b'{"message": "x", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b"\xff\xfe",
        b'\xef\xbb\xbf{"message": "x"}',
    ],
)
async def test_a_body_of_another_shape_costs_neither_fetch_nor_call(
    service: Service, sandbox: Sandbox, body: bytes
) -> None:
    answer: Any = await post(service, body, **{"Content-Type": "application/json"})

    assert answer.status == 400
    assert answer.code in ("invalid_json", "invalid_request")
    assert (sandbox.stats.total, sandbox.stats.model_calls) == (0, 0)


@pytest.mark.parametrize("path", ["/lyra/chat", "/v1/chat/completions", "/lyra/agui"])
async def test_a_long_talk_is_not_held_for_as_long_as_its_answer_takes(
    start: Start, path: str
) -> None:
    service = await start(model="fault:hang")
    await init(service)
    said = [{"id": "m", "role": "user", "content": "a" * 900}] * 1000
    body = orjson.dumps({"threadId": "t", "runId": "r", "stream": True, "messages": said})
    auth_line = f"Authorization: {service.headers()['Authorization']}"
    sent = request_bytes(service, "POST", path, auth_line, JSON, body=body)
    async with connected(service) as (reader, writer):
        tracemalloc.start()
        try:
            writer.write(sent)
            await reader.readuntil(b"One")  # of an answer that now goes on for ever
            held, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak > len(body)
    assert held < len(body)
