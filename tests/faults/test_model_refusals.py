"""A refusal of the model is what its status says, whatever comes in its head and after it."""

import pytest

from tests.conftest import LONG_S, Start
from tests.support.calls import chat, init
from tests.support.error_shape import check_error
from tests.support.fault_kit import ShortestWait, Step, scripted

BODIES: dict[str, tuple[Step, ...]] = {
    "none comes": (b"Content-Length: 100\r\n\r\n", "hang"),
    "the rest does not come": (b'Content-Length: 100\r\n\r\n{"type":', "hang"),
    "no chunk comes": (b"Transfer-Encoding: chunked\r\n\r\n", "hang"),
    "it is cut": (b"Content-Length: 100\r\n\r\n{", "close"),
    "it breaks": (b"Content-Length: 100\r\n\r\n{", "reset"),
    "it is not packed": (b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",),
}
STATUSES = [
    (401, "llm_misconfigured", 1),
    (404, "llm_misconfigured", 1),
    (413, "body_too_large", 1),
    (429, "llm_rate_limited", 1),
    (500, "llm_unavailable", 1),
]
HEADERS = {
    "bytes": b"X-Word: \xff\xfe\x80\r\n",
    "utf-8": "X-Wort: schön ☃\r\n".encode(),
    "latin-1": "X-Wort: schön\r\n".encode("latin-1"),
    "cookie": "Set-Cookie: a=ö; expires=never; =;;\r\n".encode(),
    "reference": b"request-id: \xc3\x28\r\n",
    "date": b"Date: \xe9\r\n",
    "pause": b"Retry-After: \xd9\xa3\r\n",
    "type": b"Content-Type: \xff/\xff; charset=\xff\r\n",
    "twice": b"Retry-After: 1\r\nRetry-After: x\r\n",
}
RUBBISH = {
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "no status": b"HTTP/1.1 abc Fine\r\n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
    "null": b"HTTP/1.1 500 X\r\nA: \x00\r\n\r\n",
    "no length": b"HTTP/1.1 500 X\r\nContent-Length: nan\r\n\r\n",
    "two lengths": b"HTTP/1.1 500 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "long": b"HTTP/1.1 500 X\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
    "empty": b"\r\n\r\n",
}


def asked(status: int, *lines: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\n%b" % (status, b"".join(lines))


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("status", "code", "calls"), STATUSES)
async def test_a_refusal_without_its_body_is_read_by_its_status(
    start: Start, status: int, code: str, calls: int, body: str
) -> None:
    head, *rest = BODIES[body]
    assert isinstance(head, bytes)
    script = (asked(status, b"Retry-After: 30\r\n", head), *rest)
    async with scripted(script) as model:
        service = await start(llm_base_url=model.url, first_token_timeout_s=LONG_S)
        await init(service)
        answer = await chat(service)

    check_error(answer, code)
    assert len(model.requests) == calls
    assert answer.headers.get("Retry-After") == ("30" if status in (429, 500) else None)


@pytest.mark.parametrize("header", HEADERS)
async def test_a_refusal_whose_head_is_odd_is_what_its_status_says(
    start: Start, header: str
) -> None:
    script = (asked(500, HEADERS[header], b"Content-Length: 0\r\n\r\n"),)
    async with scripted(script) as model:
        service = await start(llm_base_url=model.url, rng=ShortestWait())
        await init(service)
        answer = await chat(service)

    check_error(answer, "llm_unavailable")
    assert len(model.requests) == 2


@pytest.mark.parametrize("head", RUBBISH)
async def test_a_head_that_cannot_be_read_is_a_model_that_is_not_there(
    start: Start, head: str
) -> None:
    async with scripted((RUBBISH[head], "close")) as model:
        service = await start(llm_base_url=model.url, rng=ShortestWait())
        await init(service)
        answer = await chat(service)

    check_error(answer, "llm_unavailable")
