"""An answer that one process makes is read, stopped and forgotten through any other."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
from redis.asyncio import Redis

from lyra.sandbox import sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import call, chat, chatting, init, read_until
from tests.support.chat_runs import CHAT, OTHER, last_id, resume, run_of, stop
from tests.support.error_shape import check_error
from tests.support.redis_servers import RedisServer, set_user
from tests.support.scripted_model import event, scripted_model, streaming, words
from tests.support.service_pair import PausedAnswer, paused_answer, start_pair
from tests.support.stream_grammar import read_body
from tests.support.waits import until

Begin = Callable[..., AbstractAsyncContextManager[PausedAnswer]]


@pytest.fixture
def begin(start: Start, server: RedisServer) -> Begin:
    """Begins an answer in the first of two services, with these settings."""
    return partial(paused_answer, start, server)


async def test_an_answer_is_read_on_through_another_process(begin: Begin) -> None:
    async with begin() as answer:
        await answer.leave()
        seen = answer.seen[: answer.seen.rindex(b"\n\n") + 2]
        async with asyncio.TaskGroup() as tasks:
            reading = await answer.follow(tasks, after=last_id(seen))
            answer.go_on()

    assert read_body(seen + reading.result().body).text == "Before and after."
    assert len(answer.model.sent) == 1


async def test_a_question_repeated_to_another_process_calls_no_model(begin: Begin) -> None:
    async with begin() as answer:
        seen = await answer.read_rest()
        half = seen[: seen.index(b"Before")]
        half = half[: half.rindex(b"\n\n") + 2]
        await until_copied(answer.second, answer.run)
        repeated = await chat(answer.second, body=CHAT, **{"Last-Event-ID": last_id(half)})

    assert half + repeated.body == seen
    assert len(answer.model.sent) == 1


async def until_copied(service: Service, run: str) -> None:
    """Wait until the whole answer of another process can be read here."""
    answer = await resume(service, run)
    assert answer.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("name", ["run", "chat-1"])
async def test_an_answer_is_stopped_through_another_process(begin: Begin, name: str) -> None:
    async with begin({**CHAT, "resumable": False}) as answer:
        stopped = await stop(answer.second, answer.run if name == "run" else name)
        seen = await answer.read()
        await answer.until_closed()

    assert stopped.status == 204
    assert read_body(seen).parts[-1]["reason"] == "stopped"


async def test_no_other_listener_reads_or_stops_an_answer_there(begin: Begin) -> None:
    async with begin() as answer:
        names = (answer.run, "chat-1")
        reads = [(await resume(answer.second, name, token=OTHER)).status for name in names]
        for name in names:
            await stop(answer.second, name, OTHER)
        seen = await answer.read_rest()

    assert reads == [204, 204]
    assert read_body(seen).text == "Before and after."


async def test_a_reader_elsewhere_keeps_an_answer_going(begin: Begin) -> None:
    async with begin(resume_grace_s=0.4) as answer:
        await answer.leave()
        async with asyncio.TaskGroup() as tasks:
            reading = await answer.follow(tasks)
            await asyncio.sleep(1)  # longer than an answer without any reader would go on
            answer.go_on()

    assert read_body(reading.result().body).text == "Before and after."


async def test_an_answer_of_a_dead_process_does_not_look_complete(
    begin: Begin, admin: Redis
) -> None:
    async with begin() as answer, asyncio.TaskGroup() as tasks:
        reading = await answer.follow(tasks)
        # What a dead process leaves behind: pieces without an end, and no sign of life.
        replicator = answer.first.services.runs._replicator
        assert replicator is not None
        replicator._copies.pop().cancel()
        await admin.delete(*await admin.keys("lyra:v2:run-alive:*"))
        await reading
        answer.go_on()

    stream = read_body(reading.result().body)
    assert (stream.text, stream.ending) == ("Before", "llm_interrupted")
    assert answer.run == stream.parts[0]["messageId"]


@pytest.mark.parametrize("moment", ["before the reader", "while it reads", "twice"])
async def test_an_answer_evicted_midway_does_not_look_complete(
    begin: Begin, admin: Redis, moment: str
) -> None:
    async with begin() as answer:
        async with asyncio.TaskGroup() as tasks:
            reading = await answer.follow(tasks, answer.run)
            if moment == "before the reader":
                reading.cancel()
            await evict(admin)
            if moment == "before the reader":
                reading = tasks.create_task(resume(answer.second, answer.run))
            elif moment == "twice":
                await evict(admin)
            answer.go_on()
        seen = await answer.read()

    assert read_body(seen).text == "Before and after."
    resumed = reading.result()
    if resumed.status == 200:
        stream = read_body(resumed.body)
        assert (stream.text, stream.ending) == ("Before", "llm_interrupted")
    else:
        assert (resumed.status, moment) == (204, "before the reader")
    assert await admin.keys("lyra:v2:run:*") == []


async def evict(admin: Redis) -> None:
    """Take all answers away, as a full Redis does."""
    for name in await admin.keys("lyra:v2:run:*"):
        await admin.delete(name)


async def test_a_reader_ahead_of_redis_gets_an_ending_of_a_lost_run(
    begin: Begin, admin: Redis
) -> None:
    async with begin() as answer:
        run, _, position = last_id(answer.seen[: answer.seen.rindex(b"\n\n")]).partition(".")
        async with asyncio.TaskGroup() as tasks:
            # What its process had sent it before it died, and Redis was not given.
            reading = await answer.follow(tasks, after=f"{run}.{int(position) + 50}")
            await evict(admin)
        answer.go_on()

    resumed = reading.result()
    assert resumed.status == 200
    assert b'"code":"llm_interrupted"' in resumed.body
    assert b'"finishReason":"error"' in resumed.body


async def test_one_answer_has_four_readers_in_another_process_too(begin: Begin) -> None:
    async with begin() as answer, asyncio.TaskGroup() as tasks:
        reads = [await answer.follow(tasks) for _ in range(4)]
        refused = [await resume(answer.second, "chat-1") for _ in range(20)]
        bystander = await init(answer.second, OTHER)
        answer.go_on()

    assert {read_body(read.result().body).text for read in reads} == {"Before and after."}
    assert {check_error(each, "too_many_requests")["reason"] for each in refused} == {"streams"}
    assert bystander.status == 200
    assert answer.second.services.runs.stats()["readers"] == 0


async def test_a_remote_reader_counts_for_listener_and_process(begin: Begin) -> None:
    async with begin(streams_per_token=2, max_streams=3) as answer, asyncio.TaskGroup() as tasks:
        first, second = answer.first, answer.second
        reads = [await answer.follow(tasks) for _ in range(2)]
        own = [await chat(second, body=CHAT), await resume(second, "chat-1")]
        late = sandbox_token(9)
        async with (
            chatting(second, OTHER, CHAT) as other,
            chatting(first, late, CHAT) as its_own,
        ):
            await read_until(other, b"Before")
            await read_until(its_own, b"Before")
            full = [await chat(second, late), await resume(second, "chat-1", token=late)]
            missing = await resume(second, "chat-2", token=late)
        answer.go_on()

    assert {check_error(each, "too_many_requests")["reason"] for each in own} == {"streams"}
    assert [each.code for each in full] == ["overloaded"] * 2
    assert missing.status == 204  # a look for an answer that is not there takes nobody's place
    assert {read_body(read.result().body).text for read in reads} == {"Before and after."}


async def test_a_remote_reader_gets_an_ending_when_its_process_stops(begin: Begin) -> None:
    async with begin() as answer:
        async with asyncio.TaskGroup() as tasks:
            reading = await answer.follow(tasks)
            await answer.second.stop()
        seen = await answer.read_rest()

    assert read_body(reading.result().body).ending == "llm_interrupted"
    assert b" and after." in seen


async def test_coming_back_to_an_answer_has_a_rate(start: Start, server: RedisServer) -> None:
    _, second = await start_pair(start, server, rate_per_minute=3)
    answers = [await resume(second, "chat-1") for _ in range(4)]
    other = await resume(second, "chat-1", token=OTHER)

    assert [answer.status for answer in answers] == [204, 204, 204, 429]
    error = check_error(answers[3], "too_many_requests")
    assert (error["reason"], error["retry_after_s"]) == ("rate", 20)
    assert other.status == 204


async def test_a_forget_elsewhere_reaches_an_answer_that_is_being_made(
    begin: Begin, admin: Redis
) -> None:
    async with begin() as answer:
        first, second = answer.first, answer.second
        await admin.delete(*await admin.keys("lyra:v2:owned:*"))  # as an eviction would
        forgotten = await call(second, "DELETE", "/lyra/session", headers=second.headers())
        seen = await answer.read_rest()
        while await admin.keys("lyra:v2:run:*"):  # noqa: ASYNC110 - Redis rings no bell
            await asyncio.sleep(0.01)
        resumed = [await resume(service, answer.run) for service in (first, second)]

    assert forgotten.status == 204
    assert read_body(seen).text == "Before and after."
    assert [each.status for each in resumed] == [204, 204]


async def test_a_forget_that_redis_refuses_is_reported_and_repeated(
    start: Start, server: RedisServer, admin: Redis
) -> None:
    first, second = await start_pair(start, server)
    answer = await chat(first, body=CHAT)
    await until_copied(second, run_of(answer.body))
    await set_user(admin, "default", "-eval")
    refused = await call(first, "DELETE", "/lyra/session", headers=first.headers())
    await set_user(admin, "default", "+eval")

    error = check_error(refused, "forget_unfinished")
    assert (refused.status, error["retryable"], error["retry_after_s"]) == (503, True, 1)
    repeated = await call(first, "DELETE", "/lyra/session", headers=first.headers())
    assert repeated.status == 204
    assert await admin.keys("lyra:v2:run:*") == []
    assert await admin.keys("lyra:v2:e:*") == []


async def test_forgetting_reaches_the_answers_of_every_process(
    start: Start, server: RedisServer, admin: Redis
) -> None:
    first, second = await start_pair(start, server)
    answer = await chat(first, body=CHAT)
    await until_copied(second, run_of(answer.body))
    await call(second, "DELETE", "/lyra/session", headers=second.headers())

    assert await admin.keys("lyra:v2:run:*") == []
    await until(lambda: not first.services.runs.stats()["kept"])
    assert (await resume(second, run_of(answer.body))).status == 204


async def test_nothing_readable_of_an_answer_is_in_redis(
    start: Start, server: RedisServer, admin: Redis
) -> None:
    first, second = await start_pair(start, server)
    token = sandbox_token()
    answer = await chat(first, token, CHAT)
    await until_copied(second, run_of(answer.body))
    [stream] = await admin.keys("lyra:v2:run:*")
    assert isinstance(stream, bytes)
    held = repr(await admin.xrange(stream)).encode() + stream

    for word in (token, "text-delta", "chat-1", run_of(answer.body)):
        assert word.encode() not in held


async def test_without_redis_an_answer_is_as_before(start: Start, server: RedisServer) -> None:
    first, _ = await start_pair(start, server)
    await init(first)
    await server.kill()
    answer = await chat(first, body=CHAT)

    assert read_body(answer.body).ending == "stop"
    assert (await resume(first, run_of(answer.body))).body == answer.body


async def test_the_days_tokens_are_counted_by_all_processes_together(
    start: Start, server: RedisServer
) -> None:
    reply = streaming(
        event("message_start", message={"usage": {"input_tokens": 90, "output_tokens": 1}}),
        words("Yes."),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 10}),
        event("message_stop"),
    )
    async with scripted_model(reply) as model:
        first, second = await start_pair(start, server, llm_base_url=model.url, daily_tokens=100)
        tokens = [sandbox_token(7), sandbox_token(7, regime="legacy")]  # of one account
        for service in (first, second):
            await init(service, tokens[1])
        answered = await chat(first, tokens[0])
        await first.services.generator.quota.close()  # so that Redis has its counts
        refused = await chat(second, tokens[1])

    assert answered.status == 200
    assert check_error(refused, "too_many_requests")["reason"] == "daily_budget"
    assert len(model.sent) == 1
