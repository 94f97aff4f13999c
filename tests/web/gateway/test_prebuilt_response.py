"""A listener at hand, asked for in every odd way: the same refusals, order and endings as ever."""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Service, Start, settle
from tests.support.calls import (
    Answer,
    connected,
    init,
    narrow,
    raw,
    read_answer,
    request_bytes,
    reset,
)
from tests.support.waits import until

AUTH = f"Authorization: Bearer {sandbox_token()}"
SLOW = f"Authorization: Bearer {sandbox_token(8, 'typical', 'legacy', 'slow-100-me')}"
OWN = {"Date", "X-Request-Id"}  # what differs from answer to answer


def asked(service: Service, *lines: str) -> bytes:
    return request_bytes(service, "POST", "/lyra/init", *lines)


@pytest.fixture
async def warm(service: Service) -> Service:
    """A service that has this listener at hand."""
    assert (await init(service)).status == 200
    return service


async def test_an_answer_that_is_ready_made_is_like_any_other(warm: Service) -> None:
    """HTTP/1.0 has its answers from aiohttp."""
    ready = await raw(warm, asked(warm, AUTH, "Connection: close"))
    usual = await raw(warm, asked(warm, AUTH).replace(b" HTTP/1.1", b" HTTP/1.0"))

    assert ready.headers["Connection"] == "close"
    assert without_ages(ready) == without_ages(usual)
    assert fixed(ready) == fixed(usual)


def without_ages(answer: Answer) -> dict[str, Any]:
    payload: dict[str, Any] = answer.json
    assert payload["cache"].pop("age_s") in range(60)
    assert payload["cache"].pop("expires_in_s") in range(1, 3601)
    return payload


def fixed(answer: Answer) -> dict[str, str]:
    lengths = {"Content-Length", "Connection"}  # the ages may have another digit
    return {name: value for name, value in answer.headers.items() if name not in OWN | lengths}


@pytest.mark.parametrize(
    ("lines", "status", "code"),
    [
        ((), 401, "missing_token"),
        ((AUTH, AUTH), 401, "malformed_token"),
        (("Authorization: Basic abcdefgh",), 401, "malformed_token"),
        (("Authorization: Bearer a b",), 401, "malformed_token"),
        ((AUTH, "Expect: wonders"), 400, "invalid_request"),
    ],
)
async def test_what_is_refused_is_refused_of_a_listener_at_hand_too(
    warm: Service, lines: tuple[str, ...], status: int, code: str
) -> None:
    answer = await raw(warm, asked(warm, *lines))

    assert (answer.status, answer.code) == (status, code)


async def test_a_foreign_host_is_misdirected_of_a_listener_at_hand_too(warm: Service) -> None:
    answer = await raw(warm, asked(warm, AUTH).replace(b"Host: 127.0.0.1", b"Host: elsewhere"))

    assert (answer.status, answer.code) == (421, "misdirected_request")


async def test_a_stream_that_is_asked_for_is_given(warm: Service) -> None:
    async with connected(warm) as (reader, writer):
        writer.write(asked(warm, AUTH, "Accept: text/event-stream"))
        head = await reader.readuntil(b"\r\n\r\n")

    assert b"text/event-stream" in head


@pytest.mark.parametrize("old", [False, True], ids=["asks to close", "HTTP/1.0"])
async def test_a_last_request_closes_its_connection(warm: Service, old: bool) -> None:
    request = asked(warm, AUTH) if old else asked(warm, AUTH, "Connection: close")
    async with connected(warm) as (reader, writer):
        writer.write(request.replace(b" HTTP/1.1", b" HTTP/1.0") if old else request)
        answer = await read_answer(reader)
        assert await reader.read() == b""

    assert answer.json["cache"]["state"] == "hit"


async def test_a_draining_process_closes_after_every_answer(
    warm: Service, sandbox: Sandbox
) -> None:
    known = sandbox.stats.total
    async with connected(warm) as waiting, connected(warm) as at_hand:
        waiting[1].write(asked(warm, SLOW))
        await until(lambda: sandbox.stats.total > known)
        warm.services.shutting_down.set()
        at_hand[1].write(asked(warm, AUTH))
        for reader, _ in (at_hand, waiting):
            answer = await read_answer(reader)
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
            assert await reader.read() == b""


async def test_a_listed_origin_is_named_of_a_listener_at_hand_too(start: Start) -> None:
    service = await start(cors_origins=("https://app.example.org",))
    await init(service)

    answer = await raw(service, asked(service, AUTH, "Origin: https://app.example.org"))

    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.org"


async def test_its_line_in_the_metrics_and_its_id_are_like_any_others(warm: Service) -> None:
    before = answered(warm)
    kept = await raw(warm, asked(warm, AUTH, "X-Request-Id: mine-1"))
    replaced = await raw(warm, asked(warm, AUTH, "X-Request-Id: not mine"))

    assert kept.headers["X-Request-Id"] == "mine-1"
    assert replaced.headers["X-Request-Id"] not in {"not mine", "", "-"}
    assert answered(warm) == before + 2


def answered(service: Service) -> float:
    of = {"route": "/lyra/init", "status": "200"}
    return service.services.metrics.registry.get_sample_value("lyra_requests_total", of) or 0


async def test_of_many_who_ask_in_one_turn_each_gets_its_own_answer(warm: Service) -> None:
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(connected(warm)) for _ in range(30)]
        for number, (_, writer) in enumerate(wires):
            writer.write(asked(warm, AUTH, f"X-Request-Id: number-{number}"))
        for _, writer in wires[::3]:
            reset(writer)
        stayed = [(number, reader) for number, (reader, _) in enumerate(wires) if number % 3]
        answers = [(number, await read_answer(reader)) for number, reader in stayed]

    assert [answer.headers["X-Request-Id"] for _, answer in answers] == [
        f"number-{number}" for number, _ in answers
    ]


async def test_answers_keep_the_order_of_their_requests(warm: Service) -> None:
    async with connected(warm) as (reader, writer):
        for request in (asked(warm, SLOW), asked(warm, AUTH), asked(warm, AUTH) * 40):
            writer.write(request)
            await settle()  # they come one after another, while the first waits for Spotify
        states = [(await read_answer(reader)).json["cache"]["state"] for _ in range(42)]

    assert states == ["miss", *["hit"] * 41]


async def test_a_head_in_pieces_is_answered_once_it_is_whole(warm: Service) -> None:
    request = asked(warm, AUTH)
    async with connected(warm) as (reader, writer):
        for at in range(0, len(request), 7):
            writer.write(request[at : at + 7])
            await settle()
        assert (await read_answer(reader)).status == 200


async def test_a_reader_that_takes_no_answers_is_paused_and_loses_none(warm: Service) -> None:
    asking = 0
    async with narrow(warm) as (reader, writer):
        seen = answered(warm)
        while asking < 2_000:
            writer.write(asked(warm, AUTH))
            asking += 1
            if seen == (seen := await more_answered(warm, seen)):
                break
        assert asking < 2_000
        reader_takes(writer)
        for _ in range(asking):
            assert (await read_answer(reader)).status == 200


async def more_answered(service: Service, seen: float) -> float:
    """How many are answered once another one is, or when that has taken too long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await until(lambda: answered(service) > seen)
    return answered(service)


def reader_takes(writer: asyncio.StreamWriter) -> None:
    writer.transport.resume_reading()  # type: ignore[attr-defined]


async def test_a_connection_is_closed_after_its_rest(
    warm: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, skipped_s = asyncio.get_running_loop(), [0.0]
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + skipped_s[0])
    async with connected(warm) as (reader, writer):
        for _ in range(3):
            writer.write(asked(warm, AUTH))
            assert (await read_answer(reader)).status == 200
            skipped_s[0] += 50  # each answer begins a new rest of 75 s
            await settle()
        skipped_s[0] += 50
        assert await reader.read() == b""
