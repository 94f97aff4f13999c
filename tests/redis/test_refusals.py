"""A Redis that answers but refuses costs some commands at first, then none, and never a wait."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from lyra.redis.protocol import Command, Refusal, Reply
from lyra.redis.refusals import Refusals
from lyra.spotify.token import Token
from tests.cache.conftest import ANNA, Clock, ScriptedSpotify
from tests.redis.conftest import KEY, PATIENT, Join, Open
from tests.support.fake_redis import NIL, OK, fake_redis

REST_S = 5.0
MOST_AT_FIRST = 10
EPOCH_WORD = b"$16\r\n0123456789abcdef\r\n"
SUBSCRIBED = b"*3\r\n$9\r\nsubscribe\r\n$17\r\nlyra:v2:notices:0\r\n:1\r\n"
READS = {
    b"GETRANGE": b"$0\r\n\r\n",
    b"PTTL": b":-2\r\n",
    b"EXISTS": b":0\r\n",
    b"PING": b"+PONG\r\n",
}
WRITES = (b"EVAL", b"SET", b"PEXPIRE", b"XADD", b"ZADD")
OF_WRITES = (
    "OOM command not allowed",
    "READONLY You can't write",
    "MISCONF errors writing to disk",
)
OF_ALL = (
    "BUSY Redis is busy running a script",
    "MOVED 3999 127.0.0.1:6381",
    "CLUSTERDOWN Hash slot not served",
    "NOPERM no permissions to run it",
    "LOADING Redis is loading the dataset in memory",
    "NOAUTH Authentication required.",
    "MASTERDOWN Link with MASTER is down",
    "ERR unknown command",
)


def token(number: int) -> Token:
    return Token(f"listener-token-{number:04}")


def redis_that_refuses(words: bytes, *, reads: bool) -> Callable[[list[bytes]], bytes | None]:
    """The answers of a server that says this to writes, and to `reads` too."""

    def answer(command: list[bytes]) -> bytes:
        name = command[0].upper()
        if name == b"SUBSCRIBE":
            return SUBSCRIBED
        if name in WRITES or not reads:
            return b"-" + words + b"\r\n"
        return EPOCH_WORD if name == b"GET" else READS.get(name, OK)

    return answer


def in_words(words: str, *, reads: bool) -> Callable[[list[bytes]], bytes | None]:
    return redis_that_refuses(words.encode(), reads=reads)


CASES = [(words, True) for words in OF_WRITES] + [(words, False) for words in OF_ALL]


@pytest.mark.parametrize(("words", "reads"), CASES)
async def test_refused_look_ups_cost_few_commands_and_then_hardly_any(
    process_early: Open, spotify: ScriptedSpotify, words: str, reads: bool
) -> None:
    async with fake_redis(in_words(words, reads=reads)) as fake:
        one = await process_early(url=fake.url, timing=replace(PATIENT, rest_s=REST_S))
        costs = []
        for number in range(6):
            before = fake.total
            assert await one.state(token(number)) == "miss"
            costs.append(fake.total - before)
            assert len(spotify.asked) == 5 * (number + 1)

        assert max(costs) <= MOST_AT_FIRST
        assert max(costs[1:]) <= 4
        assert one.member.gateway.describe() == {
            "state": "degraded",
            "reason": words.split(maxsplit=1)[0],
        }
        await one.cache.close()


RUBBISH = (
    b":7\r\n",
    b"$3\r\nabc\r\n",
    b"*0\r\n",
    b"+\xff\xfe\r\n",
    b"rubbish\r\n",
    b"$-7\r\n",
    None,
)


@pytest.mark.parametrize("rubbish", RUBBISH)
@pytest.mark.parametrize("everything", [True, False])
async def test_a_server_of_rubbish_replies_costs_few_commands(
    process_early: Open, spotify: ScriptedSpotify, rubbish: bytes | None, everything: bool
) -> None:
    fine = redis_that_refuses(b"", reads=True)

    def answer(command: list[bytes]) -> bytes | None:
        name = command[0].upper()
        sensible = name == b"SUBSCRIBE" or (name not in WRITES and not everything)
        return fine(command) if sensible else rubbish

    async with fake_redis(answer) as fake:
        one = await process_early(url=fake.url, timing=replace(PATIENT, rest_s=REST_S))
        for number in range(4):
            before = fake.total
            assert await one.state(token(number)) == "miss"
            assert fake.total - before <= MOST_AT_FIRST
        assert len(spotify.asked) == 20
        await one.cache.close()


async def test_a_lease_taken_but_never_there_is_not_tried_for_long(
    process_early: Open,
) -> None:
    """A server that says of every lease that another process has it, and then that nobody has."""

    def answer(command: list[bytes]) -> bytes:
        name = command[0].upper()
        by_name = {b"SUBSCRIBE": SUBSCRIBED, b"GET": EPOCH_WORD, b"EVAL": b":0\r\n", b"TIME": NIL}
        return by_name.get(name) or READS.get(name, OK)

    async with fake_redis(answer) as fake:
        one = await process_early(url=fake.url)
        before = fake.total
        assert await one.state() == "miss"
        assert fake.total - before <= 5 * MOST_AT_FIRST
        await one.cache.close()


async def full(admin: Redis, *, yes: bool) -> None:
    await admin.config_set("maxmemory", "1" if yes else "0")


async def replica(admin: Redis, *, yes: bool) -> None:
    await admin.replicaof("127.0.0.1" if yes else "NO", "1" if yes else "ONE")


@pytest.mark.parametrize("trouble", [full, replica])
async def test_a_refusing_redis_is_logged_once_and_used_once_it_accepts(
    process: Open,
    admin: Redis,
    spotify: ScriptedSpotify,
    caplog: pytest.LogCaptureFixture,
    trouble: Callable[..., object],
) -> None:
    caplog.set_level(logging.INFO, "lyra.redis")
    one, two = await process(), await process()
    gateway = one.member.gateway
    await admin.config_set("replica-serve-stale-data", "yes")
    await trouble(admin, yes=True)  # type: ignore[misc]
    for number in range(5):
        assert await one.state(token(number)) == "miss"
    assert gateway.describe()["reason"] in {"OOM", "READONLY"}
    await trouble(admin, yes=False)  # type: ignore[misc]
    while gateway.describe() != {"state": "ok"}:  # noqa: ASYNC110 - seen though nobody asks
        await asyncio.sleep(0.01)

    assert await one.state(ANNA) == "miss"
    assert await two.state(ANNA) == "hit"
    assert len(spotify.asked) == 30
    levels = [each.levelname for each in caplog.records if each.name == "lyra.redis.refusals"]
    assert levels[:2] == ["WARNING", "INFO"]


async def test_a_node_of_a_cluster_is_degraded_before_anybody_asks(
    join: Join,
) -> None:
    greeting = b"*4\r\n$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
    fine = redis_that_refuses(b"", reads=True)

    def answer(command: list[bytes]) -> bytes | None:
        if command[0] == b"HELLO":
            return greeting
        return b":1\r\n" if command[0] == b"EVAL" else fine(command)

    async with fake_redis(answer) as fake:
        one = await join(fake.url)
        while one.gateway.describe()["state"] == "ok":  # noqa: ASYNC110 - it looks by itself
            await asyncio.sleep(0)
        assert one.gateway.describe() == {"state": "degraded", "reason": "CLUSTER"}


LEAD: Command = ("EVAL", "lead")
SET: Command = ("SET", "x", "1")


@pytest.fixture
def refusals(clock: Clock) -> Refusals:
    return Refusals(clock, rest_s=REST_S)


def say(refusals: Refusals, *said: tuple[Command, Reply]) -> None:
    refusals.note([command for command, _ in said], [reply for _, reply in said])


def test_a_refused_command_is_held_back_until_its_pause_is_over(
    refusals: Refusals, clock: Clock
) -> None:
    say(refusals, (LEAD, Refusal("OOM")))

    assert refusals.hold_back(LEAD) == Refusal("OOM")
    assert refusals.hold_back(SET) is None
    clock.now += REST_S
    assert refusals.hold_back(LEAD) is None
    assert refusals.hold_back(LEAD) == Refusal("OOM")


def test_one_command_that_is_taken_ends_the_word_for_all(refusals: Refusals) -> None:
    say(refusals, (LEAD, Refusal("OOM")), (SET, Refusal("OOM")), (("XADD", "x"), Refusal("NOPERM")))
    say(refusals, (SET, b"OK"))

    assert not refusals.cover(LEAD, SET)
    assert refusals.reason == "NOPERM"


def test_a_value_of_another_type_is_no_refusal(refusals: Refusals) -> None:
    say(refusals, (("GET", "x"), Refusal("WRONGTYPE")))

    assert refusals.reason is None


def test_invented_error_words_fill_neither_log_nor_table(
    refusals: Refusals, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        word = "".join(chr(65 + int(digit)) for digit in str(number))
        say(refusals, ((f"C{number}", "x"), Refusal(word)))

    assert len(caplog.records) <= 9


async def test_a_forget_is_tried_though_redis_has_refused_one(join: Join, admin: Redis) -> None:
    one = await join(timing=replace(PATIENT, rest_s=600))
    await admin.execute_command("ACL", "SETUSER", "default", "-eval")  # type: ignore[no-untyped-call]  # redis-py
    assert not await one.shared.forget(KEY)
    await admin.execute_command("ACL", "SETUSER", "default", "+eval")  # type: ignore[no-untyped-call]  # redis-py

    assert await one.shared.forget(KEY)
