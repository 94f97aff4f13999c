"""Promise 7 where it is hardest: aiohttp's own errors show the Authorization header."""

import asyncio
import logging
import traceback
from typing import Any

import pytest
from aiohttp import web

from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token

CANARY = "canary-7f3a9c51-never-shown"


def reply(status: int, body: bytes = b"") -> Any:
    async def answer(request: web.Request) -> web.StreamResponse:
        # A server that repeats what it was sent must not make Lyra repeat it.
        return web.Response(status=status, body=body + request.headers["Authorization"].encode())

    answer.__name__ = f"{status}-{len(body)}"
    return answer


async def garbage(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 999999 \x00 nonsense\r\n\r\n")
    request.transport.close()
    return web.Response()


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def silence(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


def refuse(_: bytes) -> None:
    raise SpotifyFailure("unexpected_shape")


def everything_shown(failure: BaseException) -> str:
    report = traceback.TracebackException.from_exception(failure, capture_locals=True)
    chain = [failure, failure.__cause__, failure.__context__]
    return "".join([*report.format(), *(f"{each!r}{each}{vars(each)}" for each in chain if each)])


@pytest.mark.parametrize(
    "fault",
    [
        reply(200),
        reply(200, b" " * 3_000_000),
        reply(204),
        reply(302),
        reply(401),
        reply(403),
        reply(404),
        reply(429),
        reply(500),
        garbage,
        reset,
        silence,
    ],
)
async def test_no_failure_and_no_log_line_shows_the_token(
    spotify: Any, open_client: Any, caplog: pytest.LogCaptureFixture, fault: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    spotify.script["/me"] = [fault]
    async with open_client(timeout_s=0.3) as client:
        with pytest.raises(SpotifyFailure) as caught:
            await client.reader(Token(CANARY)).get("profile", refuse)

    assert CANARY not in everything_shown(caught.value)
    assert CANARY not in caplog.text
    assert caught.value.__context__ is None


async def test_a_refused_connection_shows_no_token(
    open_client: Any, unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_client(url=f"http://127.0.0.1:{unused_tcp_port}") as client:
        with pytest.raises(SpotifyFailure) as caught:
            await client.reader(Token(CANARY)).get("profile", refuse)

    assert CANARY not in everything_shown(caught.value)
    assert CANARY not in caplog.text
