"""The body of a response is handed over as it arrives, and the connection goes back whole."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from lyra.chat.model.body_reader import push_body
from tests.support.fault_kit import Step, scripted

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def heard(http: aiohttp.ClientSession, url: str, enough: bytes = b"nothing") -> bytes:
    """All of the answer up to its end, or until this has come."""
    body = b""

    def hear(read: bytes) -> bool:
        nonlocal body
        body += read
        return enough in body

    async with http.get(url) as response:
        await push_body(response, hear)
    return body


@asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


@pytest.mark.parametrize(
    "script",
    [
        (HEAD + chunk(b"one ") + chunk(b"two") + END,),
        (HEAD, chunk(b"one "), chunk(b"two"), END),
        (HEAD + chunk(b"one ") + b"3\r\nt", b"wo", b"\r\n0\r", b"\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\none", b" two"),
    ],
    ids=["at once", "piece by piece", "cut anywhere", "by length"],
)
async def test_an_answer_is_heard_whole_and_its_connection_serves_the_next(
    script: tuple[Step, ...],
) -> None:
    async with scripted(script) as upstream, client() as http:
        bodies = [await heard(http, upstream.url) for _ in range(3)]

    assert bodies == [b"one two"] * 3
    assert upstream.connections == 1


async def test_what_ends_with_its_connection_is_heard_whole() -> None:
    script: tuple[Step, ...] = (b"HTTP/1.1 200 OK\r\n\r\none", b" two", "close")
    async with scripted(script) as upstream, client() as http:
        assert await heard(http, upstream.url) == b"one two"


async def test_what_was_heard_enough_of_is_closed() -> None:
    script: tuple[Step, ...] = (HEAD + chunk(b"one "), chunk(b"two"), "hang")
    async with scripted(script) as upstream, client() as http:
        assert (await heard(http, upstream.url, enough=b"one")).startswith(b"one")
        await upstream.left.wait()


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_body_that_breaks_off_raises(end: Step) -> None:
    async with scripted((HEAD, chunk(b"one "), end)) as upstream, client() as http:
        with pytest.raises(aiohttp.ClientError):
            await heard(http, upstream.url)


async def test_what_the_hearer_raises_is_the_callers() -> None:
    def hear(_: bytes) -> bool:
        raise LookupError

    async with scripted((HEAD, chunk(b"one "), "hang")) as upstream, client() as http:
        async with http.get(upstream.url) as response:
            with pytest.raises(LookupError):
                await push_body(response, hear)
        await upstream.left.wait()


async def test_a_caller_who_is_cancelled_leaves_the_connection_closed() -> None:
    began = asyncio.Event()

    def hear(_: bytes) -> bool:
        began.set()
        return False

    async with scripted((HEAD, chunk(b"one "), "hang")) as upstream, client() as http:
        async with http.get(upstream.url) as response, asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(push_body(response, hear))
            await began.wait()
            hearing.cancel()
        await upstream.left.wait()
