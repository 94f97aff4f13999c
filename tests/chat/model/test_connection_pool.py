"""A kept connection that its server has closed costs a question one unseen try, and never two.

On both event loops over real sockets: they report a closed connection in different ways.
"""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from lyra.chat.model.connection_pool import ConnectionPool, open_pool
from tests.conftest import Start
from tests.loops import LOOPS, Loop
from tests.support.calls import chat
from tests.support.certificates import self_signed
from tests.support.fault_kit import Step, Upstream, scripted
from tests.support.scripted_model import stopped, words
from tests.support.stream_grammar import read_body

pytestmark = pytest.mark.served

Script = tuple[Step, ...]

WORDS = words("Yes.") + stopped()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(WORDS), WORDS)
FAILED = b"failed"


async def answer(connections: ConnectionPool, upstream: Upstream) -> bytes:
    """What a question is answered with, or that it fails."""
    try:
        async with await connections.post(URL(upstream.url), data=b"?" * 30_000) as response:
            return await response.read()
    except aiohttp.ClientError:
        return FAILED


def ask(
    loop: Loop, *scripts: Script, times: int, tls: Path | None = None
) -> tuple[list[bytes], Upstream]:
    """Ask so many questions, one after the other, of a server that plays these scripts."""
    trust = ssl.create_default_context(cafile=tls)

    async def ask_all() -> tuple[list[bytes], Upstream]:
        async with (
            scripted(*scripts, tls=tls) as upstream,
            open_pool(8, trust, {}, None) as connections,
        ):
            return [await answer(connections, upstream) for _ in range(times)], upstream

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(ask_all())


ENDS: list[Script] = [("close",), ("reset",), ("next", "close"), ("next", "reset")]


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("end", "times"), [*zip(ENDS, (2_000, 500, 500, 500), strict=True)], ids=str
)
def test_no_question_fails_where_each_answer_ends_with_a_closed_connection(
    loop: Loop, end: Script, times: int
) -> None:
    answers, upstream = ask(loop, (ANSWER, *end), times=times)

    assert answers == [WORDS] * times
    assert len(upstream.requests) == times


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("end", ENDS, ids=" ".join)
def test_nor_does_one_over_tls(loop: Loop, end: Script, tmp_path: Path) -> None:
    answers, upstream = ask(loop, (ANSWER, *end), times=50, tls=self_signed(tmp_path))

    assert answers == [WORDS] * 50
    assert len(upstream.requests) == 50


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_question_whose_kept_connection_closes_without_a_byte_is_sent_once_more(
    loop: Loop, end: Step
) -> None:
    answers, upstream = ask(loop, (ANSWER,), (end,), (ANSWER,), times=2)

    assert answers == [WORDS] * 2
    assert len(upstream.requests) == 3


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize(
    "sent_bytes",
    [
        b"H",
        b"\r",
        b"HTTP/1.1 200 O",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 2",
        b"nonsense\r\n\r\n",
        b"\0",
    ],
)
def test_a_question_that_was_answered_with_one_byte_is_not_sent_again(
    loop: Loop, end: Step, sent_bytes: bytes
) -> None:
    answers, upstream = ask(loop, (ANSWER,), (sent_bytes, end), (ANSWER,), times=2)

    assert answers == [WORDS, FAILED]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_question_on_a_new_connection_is_sent_once(loop: Loop, end: Step) -> None:
    answers, upstream = ask(loop, (end,), (ANSWER,), times=2)

    assert answers == [FAILED, WORDS]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_question_is_sent_twice_at_most(loop: Loop, end: Step) -> None:
    answers, upstream = ask(loop, (ANSWER,), (end,), (end,), (ANSWER,), times=2)

    assert answers == [WORDS, FAILED]
    assert len(upstream.requests) == 3


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_server_that_had_time_to_think_is_not_asked_again(
    loop: Loop, end: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lyra.chat.model.connection_pool._CLOSED_WITHIN_S", 0.0)
    answers, upstream = ask(loop, (ANSWER,), (end,), (ANSWER,), times=2)

    assert answers == [WORDS, FAILED]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("loop", LOOPS)
def test_the_second_try_meets_none_of_the_other_kept_connections(loop: Loop) -> None:
    async def ask_all() -> tuple[list[bytes], int]:
        async with (
            scripted((ANSWER, "next", "close")) as upstream,
            open_pool(8, ssl.create_default_context(), {}, None) as connections,
        ):
            answers = []
            for crowd in (4, 1, 4, 1):  # each leaves connections that are dead when they are used
                asking = [answer(connections, upstream) for _ in range(crowd)]
                answers += await asyncio.gather(*asking)
            return answers, len(upstream.requests)

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(ask_all()) == ([WORDS] * 10, 10)


async def test_a_listener_hears_nothing_of_a_connection_that_was_closed(start: Start) -> None:
    async with scripted((ANSWER, "next", "close")) as upstream:
        service = await start(llm_base_url=upstream.url)
        streams = [read_body((await chat(service)).body) for _ in range(6)]

    assert [(each.ending, each.text) for each in streams] == [("stop", "Yes.")] * 6
    assert len(upstream.requests) == 6
