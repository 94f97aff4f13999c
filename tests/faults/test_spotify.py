"""Spotify fails in every way that is known, at each of its five endpoints.

The sandbox is a real server and breaks the connection itself: see docs/SANDBOX.md.
"""

import asyncio
from itertools import count, product
from random import Random
from typing import Any, NamedTuple

import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import LONG_S, Start
from tests.faults.conftest import answered, others_served
from tests.support.calls import chat, init
from tests.support.error_shape import check_error

SECTIONS = {
    "me": "profile",
    "artists": "top_artists",
    "tracks": "top_tracks",
    "recent": "recently_played",
    "playlists": "playlists",
}
SEEDS = count(1)  # a listener of its own for each case


class NoJitter(Random):
    """Always the shortest wait."""

    def random(self) -> float:
        return 0.0


class Row(NamedTuple):
    """A fault, what becomes of its section, how often it may be tried, and the fetch's deadline.

    The deadline is one that no busy machine reaches, but where only the deadline ends the fault.
    """

    row: str
    fault: str
    status: str
    code: str
    tries: int = 1
    deadline_s: float = LONG_S


PARTIAL = (
    Row("s2", "scope", "forbidden", "missing_scope"),
    Row("s2", "perm", "forbidden", "missing_scope"),
    Row("s2", "403", "forbidden", "forbidden"),
    Row("s5", "429-3600", "rate_limited", "rate_limited"),
    Row("s5", "quota", "rate_limited", "quota_exceeded"),
    Row("s6", "429past", "rate_limited", "rate_limited", tries=3),
    Row("s6", "429word", "rate_limited", "rate_limited", tries=3),
    Row("s6", "429giant", "rate_limited", "rate_limited"),
    Row("s6", "429two-3600-1", "rate_limited", "rate_limited"),
    Row("s6", "429date-3600", "rate_limited", "rate_limited"),
    Row("s8", "500", "unavailable", "server_error", tries=3),
    Row("s8", "502", "unavailable", "server_error", tries=3),
    Row("s9", "503", "unavailable", "server_error", tries=3),
    Row("s10", "hang", "timeout", "timeout", tries=3, deadline_s=2),
    Row("s12", "drip", "timeout", "timeout", tries=3, deadline_s=2),
    Row("s13", "cut", "unavailable", "truncated", tries=2),
    Row("s14", "truncated", "unavailable", "truncated", tries=2),
    Row("s14", "html", "unavailable", "truncated", tries=2),
    Row("s15", "empty200", "invalid", "empty"),
    Row("s16", "huge", "invalid", "too_large"),
    Row("s16", "bomb", "invalid", "too_large"),
    Row("s17", "reset", "unavailable", "connection", tries=3),
    Row("s20", "redirect", "unavailable", "redirected"),
)
PASSING = ("once500", "once502", "once503", "oncecut", "oncetruncated", "oncereset", "oncehtml")


def struck(fault: str, endpoint: str) -> str:
    return sandbox_token(next(SEEDS), "typical", "restricted", f"{fault}-{endpoint}")


def broken(told: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """The sections that are not there, by what became of them."""
    return {
        name: (section["status"], section.get("code"))
        for name, section in told["sections"].items()
        if section["status"] != "ok"
    }


@pytest.mark.parametrize("row", PARTIAL, ids=lambda row: f"{row.row}-{row.fault}")
async def test_one_endpoint_that_fails_leaves_a_partial_listener(
    start: Start, sandbox: Sandbox, row: Row
) -> None:
    async def tried(endpoint: str) -> None:
        # A service of its own, so that no case meets what another has left.
        timeout_s = row.deadline_s
        async with others_served(start, spotify_timeout_s=timeout_s, rng=NoJitter()) as service:
            answer = await init(service, struck(row.fault, endpoint))

        assert answer.status == 200
        assert broken(answer.json) == {SECTIONS[endpoint]: (row.status, row.code)}
        # aiohttp itself sends a GET once more where its connection closes: s22.
        assert 5 <= answer.json["cache"]["spotify_calls"] <= 4 + 2 * row.tries

    async with asyncio.TaskGroup() as tasks:
        for endpoint in SECTIONS:
            tasks.create_task(tried(endpoint))
    assert sandbox.stats.followed == 0


@pytest.mark.parametrize("endpoint", SECTIONS)
@pytest.mark.parametrize("fault", PASSING)
async def test_a_fault_that_passes_is_not_seen(start: Start, fault: str, endpoint: str) -> None:
    async with others_served(start) as service:
        answer = await init(service, struck(fault, endpoint))
        await answered(service)

    assert broken(answer.json) == {}


@pytest.mark.parametrize("endpoint", SECTIONS)
@pytest.mark.parametrize("fault", ["401", "401old", "401missing"])
async def test_a_401_refuses_the_listener_only_at_me(
    start: Start, sandbox: Sandbox, fault: str, endpoint: str
) -> None:
    async with others_served(start) as service:
        token = struck(fault, endpoint)
        answers = [await init(service, token) for _ in range(2)]
        calls = sandbox.stats.total
        await answered(service)

    if endpoint == "me":
        for answer in answers:
            check_error(answer, "spotify_token_rejected")
        assert calls <= 10  # the other listener's five and these: the second cost nothing
    else:
        assert broken(answers[0].json) == {SECTIONS[endpoint]: ("unavailable", "token_rejected")}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("403text", "not_registered"),
        ("403check", "not_registered"),
        ("403premium", "owner_not_premium"),
    ],
)
async def test_a_listener_that_the_app_may_not_serve_asks_no_model(
    start: Start, sandbox: Sandbox, fault: str, reason: str
) -> None:
    async with others_served(start) as service:
        token = struck(fault, "me")
        refused = await init(service, token)
        asked = await chat(service, token)

    assert check_error(refused, "spotify_forbidden")["reason"] == reason
    assert b"spotify_forbidden" in asked.body
    assert sandbox.stats.model_calls == 0


async def test_a_short_pause_is_waited_out(start: Start, sandbox: Sandbox) -> None:
    async with others_served(start) as service:
        before = sandbox.stats.total
        answer = await init(service, struck("once429-1", "tracks"))
        calls = sandbox.stats.total - before

    assert (broken(answer.json), calls) == ({}, 6)


async def test_a_long_pause_of_a_token_is_its_own_and_nobody_elses(
    start: Start, sandbox: Sandbox
) -> None:
    paused = sandbox_token(next(SEEDS), "typical", "restricted", "429-3600")
    async with others_served(start) as service:
        await init(service, paused)
        before = sandbox.stats.total
        again = await init(service, paused)
        told = sandbox.stats.total - before
        newcomer = await init(service, sandbox_token(next(SEEDS)))
        await answered(service)

    error = check_error(again, "spotify_rate_limited")
    assert 3500 < error["retry_after_s"] <= 3600
    assert told == 0
    assert newcomer.json["cache"]["spotify_calls"] == 5


NOTHING_LEFT = {"spotify_forbidden", "spotify_rate_limited", "spotify_unavailable"}
KINDS = ("scope", "429-3600", "once500", "500", "truncated", "reset")
SUBSETS = [
    tuple(name for name, there in zip(SECTIONS, bits, strict=True) if there)
    for bits in product((False, True), repeat=5)
]


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_is_left_of_the_five_is_the_answer(start: Start, kind: str) -> None:
    async def tried(failing: tuple[str, ...]) -> None:
        # A service of its own, so that no case meets what another has left.
        service = await start(spotify_timeout_s=10)
        faults = [f"{kind}-{endpoint}" for endpoint in failing]
        token = sandbox_token(next(SEEDS), "typical", "restricted", *faults)
        answer = await init(service, token)
        if len(failing) == len(SECTIONS) and kind != "once500":
            assert answer.code in NOTHING_LEFT
        else:
            lost = set() if kind == "once500" else {SECTIONS[endpoint] for endpoint in failing}
            assert set(broken(answer.json)) == lost

    async with asyncio.TaskGroup() as tasks:
        for failing in SUBSETS:
            tasks.create_task(tried(failing))
