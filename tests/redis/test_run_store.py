"""An answer that one process makes is read, stopped and forgotten through any other."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from lyra.sandbox import sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import call, chat, chatting, init, read_until
from tests.support.redis_servers import RedisServer, set_user
from tests.support.scripted_model import event, scripted_model, streaming, words
from tests.support.stream_grammar import read_body
from tests.web.api.test_chat_runs import (
    CHAT,
    OTHER,
    Paused,
    last_id,
    leave,
    resume,
    run_of,
    stop,
    until,
)
from tests.web.api.test_errors import check_error

SECRET = "a-secret-of-this-service"


async def pair(start: Start, server: RedisServer, **changes: Any) -> tuple[Service, Service]:
    """Two services on one Redis, each of which hears the other."""
    first = await start(redis_url=server.url, secret=SECRET, **changes)
    second = await start(redis_url=server.url, secret=SECRET, **changes)
    for service in (first, second):
        await until_subscribed(service)
    return first, second


async def until_subscribed(service: Service) -> None:
    gateway = service.services.lyra.redis
    assert gateway is not None
    await until(lambda: gateway.bus.subscribed)


async def test_an_answer_is_read_on_through_another_process(
    start: Start, server: RedisServer
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        first, second = await pair(start, server, llm_base_url=served.url)
        async with chatting(first, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            await leave(first, response)
        seen = seen[: seen.rindex(b"\n\n") + 2]
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(resume(second, "chat-1", last_id(seen)))
            await until(lambda: streams(second) == 1)
            model.go_on.set()

    assert read_body(seen + reading.result().body).text == "Before and after."
    assert len(served.sent) == 1


async def test_the_same_question_sent_to_another_process_buys_no_second_answer(
    start: Start, server: RedisServer
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        first, second = await pair(start, server, llm_base_url=served.url)
        async with chatting(first, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            model.go_on.set()
            seen += await response.read()
        half = seen[: seen.index(b"Before")]
        half = half[: half.rindex(b"\n\n") + 2]
        await until_copied(second, run_of(seen))
        again = await chat(second, body=CHAT, **{"Last-Event-ID": last_id(half)})

    assert half + again.body == seen
    assert len(served.sent) == 1


def streams(service: Service) -> float | None:
    return service.services.metrics.registry.get_sample_value("lyra_streams")


async def until_copied(service: Service, run: str) -> None:
    """Wait until the whole answer of another process can be read here."""
    answer = await resume(service, run)
    assert answer.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("name", ["run", "chat-1"])
async def test_an_answer_is_stopped_through_another_process(
    start: Start, server: RedisServer, name: str
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        first, second = await pair(start, server, llm_base_url=served.url)
        async with chatting(first, body={**CHAT, "resumable": False}) as response:
            seen = await read_until(response, b"Before")
            answer = await stop(second, run_of(seen) if name == "run" else name)
            seen += await response.read()
        await model.left.wait()

    assert answer.status == 204
    assert read_body(seen).parts[-1]["reason"] == "stopped"


async def test_nobody_else_reads_or_stops_it_there(start: Start, server: RedisServer) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        first, second = await pair(start, server, llm_base_url=served.url)
        async with chatting(first, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            names = (run_of(seen), "chat-1")
            reads = [(await resume(second, name, token=OTHER)).status for name in names]
            for name in names:
                await stop(second, name, OTHER)
            model.go_on.set()
            seen += await response.read()

    assert reads == [204, 204]
    assert read_body(seen).text == "Before and after."


async def test_a_reader_elsewhere_keeps_an_answer_going(start: Start, server: RedisServer) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        first, second = await pair(start, server, llm_base_url=served.url, resume_grace_s=0.4)
        async with chatting(first, body=CHAT) as response:
            await read_until(response, b"Before")
            await leave(first, response)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(resume(second, "chat-1"))
            await asyncio.sleep(1)  # longer than an answer without any reader would go on
            model.go_on.set()

    assert read_body(reading.result().body).text == "Before and after."


async def test_an_answer_whose_process_has_died_does_not_look_complete(
    start: Start, server: RedisServer, admin: Redis
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        first, second = await pair(start, server, llm_base_url=served.url)
        async with chatting(first, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(resume(second, "chat-1"))
                await until(lambda: streams(second) == 1)
                # What a dead process leaves behind: pieces without an end, and no sign of life.
                replicator = first.services.runs._replicator
                assert replicator is not None
                replicator._copies.pop().cancel()
                await admin.delete(*await admin.keys("lyra:v2:run-alive:*"))
            model.go_on.set()

    stream = read_body(reading.result().body)
    assert (stream.text, stream.ending) == ("Before", "llm_interrupted")
    assert run_of(seen) == stream.parts[0]["messageId"]


@pytest.mark.parametrize("moment", ["before the reader", "while it reads", "twice"])
async def test_an_answer_that_is_evicted_midway_does_not_look_complete(
    start: Start, server: RedisServer, admin: Redis, moment: str
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        first, second = await pair(start, server, llm_base_url=served.url)
        async with chatting(first, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(resume(second, run_of(seen)))
                await until(lambda: streams(second) == 1)
                if moment == "before the reader":
                    reading.cancel()
                await evict(admin)
                if moment == "before the reader":
                    reading = tasks.create_task(resume(second, run_of(seen)))
                elif moment == "twice":
                    await evict(admin)
                model.go_on.set()
            seen += await response.read()

    assert read_body(seen).text == "Before and after."
    answer = reading.result()
    if answer.status == 200:
        stream = read_body(answer.body)
        assert (stream.text, stream.ending) == ("Before", "llm_interrupted")
    else:
        assert (answer.status, moment) == (204, "before the reader")
    assert await admin.keys("lyra:v2:run:*") == []


async def evict(admin: Redis) -> None:
    """Take all answers away, as a full Redis does."""
    for name in await admin.keys("lyra:v2:run:*"):
        await admin.delete(name)


async def test_a_reader_who_was_ahead_of_redis_is_told_that_the_answer_broke_off(
    start: Start, server: RedisServer, admin: Redis
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        first, second = await pair(start, server, llm_base_url=served.url)
        async with chatting(first, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            run, _, position = last_id(seen[: seen.rindex(b"\n\n")]).partition(".")
            async with asyncio.TaskGroup() as tasks:
                # What it was given before its process died, and Redis was not.
                ahead = f"{run}.{int(position) + 50}"
                reading = tasks.create_task(resume(second, "chat-1", ahead))
                await until(lambda: streams(second) == 1)
                await evict(admin)
            model.go_on.set()

    assert reading.result().status == 200
    assert b'"code":"llm_interrupted"' in reading.result().body
    assert b'"finishReason":"error"' in reading.result().body


async def test_one_answer_has_four_readers_in_another_process_too(
    start: Start, server: RedisServer
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        first, second = await pair(start, server, llm_base_url=served.url)
        async with chatting(first, body=CHAT) as response:
            await read_until(response, b"Before")
            async with asyncio.TaskGroup() as tasks:
                reads = [tasks.create_task(resume(second, "chat-1")) for _ in range(4)]
                await until(lambda: streams(second) == 4)
                refused = [await resume(second, "chat-1") for _ in range(20)]
                bystander = await init(second, OTHER)
                model.go_on.set()

    assert {read_body(read.result().body).text for read in reads} == {"Before and after."}
    assert {check_error(each, "too_many_requests")["reason"] for each in refused} == {"streams"}
    assert bystander.status == 200
    assert second.services.runs.stats()["readers"] == 0


async def test_reading_elsewhere_counts_as_a_stream_of_the_listener_and_of_the_process(
    start: Start, server: RedisServer
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        settings = {"streams_per_token": 2, "max_streams": 3}
        first, second = await pair(start, server, llm_base_url=served.url, **settings)
        async with chatting(first, body=CHAT) as response:
            await read_until(response, b"Before")
            async with asyncio.TaskGroup() as tasks:
                reads = [tasks.create_task(resume(second, "chat-1")) for _ in range(2)]
                await until(lambda: streams(second) == 2)
                own = [await chat(second, body=CHAT), await resume(second, "chat-1")]
                late = sandbox_token(9)
                async with (
                    chatting(second, OTHER, CHAT) as other,
                    chatting(first, late, CHAT) as its_own,
                ):
                    await read_until(other, b"Before")
                    await read_until(its_own, b"Before")
                    full = [await chat(second, late), await resume(second, "chat-1", token=late)]
                    nothing = await resume(second, "chat-2", token=late)
                model.go_on.set()

    assert {check_error(each, "too_many_requests")["reason"] for each in own} == {"streams"}
    assert [each.code for each in full] == ["overloaded"] * 2
    assert nothing.status == 204  # who looks for an answer in vain takes nobody's place
    assert {read_body(read.result().body).text for read in reads} == {"Before and after."}


async def test_who_reads_elsewhere_gets_an_ending_when_that_process_goes_down(
    start: Start, server: RedisServer
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        first, second = await pair(start, server, llm_base_url=served.url)
        async with chatting(first, body=CHAT) as response:
            await read_until(response, b"Before")
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(resume(second, "chat-1"))
                await until(lambda: streams(second) == 1)
                await second.stop()
            model.go_on.set()
            seen = await response.read()

    assert read_body(reading.result().body).ending == "llm_interrupted"
    assert b" and after." in seen


async def test_coming_back_to_an_answer_has_a_rate(start: Start, server: RedisServer) -> None:
    _, second = await pair(start, server, rate_per_minute=3)
    answers = [await resume(second, "chat-1") for _ in range(4)]
    other = await resume(second, "chat-1", token=OTHER)

    assert [answer.status for answer in answers] == [204, 204, 204, 429]
    error = check_error(answers[3], "too_many_requests")
    assert (error["reason"], error["retry_after_s"]) == ("rate", 20)
    assert other.status == 204


async def test_a_forget_elsewhere_reaches_an_answer_that_is_being_made(
    start: Start, server: RedisServer, admin: Redis
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        first, second = await pair(start, server, llm_base_url=served.url)
        async with chatting(first, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            await admin.delete(*await admin.keys("lyra:v2:owned:*"))  # as an eviction would
            answer = await call(second, "DELETE", "/lyra/session", headers=second.headers())
            model.go_on.set()
            seen += await response.read()
        run = run_of(seen)
        while await admin.keys("lyra:v2:run:*"):  # noqa: ASYNC110 - Redis rings no bell
            await asyncio.sleep(0.01)
        responses = [await resume(service, run) for service in (first, second)]

    assert answer.status == 204
    assert read_body(seen).text == "Before and after."
    assert [each.status for each in responses] == [204, 204]


async def test_a_forget_that_redis_does_not_take_is_told_and_made_up_for(
    start: Start, server: RedisServer, admin: Redis
) -> None:
    first, second = await pair(start, server)
    answer = await chat(first, body=CHAT)
    await until_copied(second, run_of(answer.body))
    await set_user(admin, "default", "-eval")
    refused = await call(first, "DELETE", "/lyra/session", headers=first.headers())
    await set_user(admin, "default", "+eval")

    error = check_error(refused, "forget_unfinished")
    assert (refused.status, error["retryable"], error["retry_after_s"]) == (503, True, 1)
    again = await call(first, "DELETE", "/lyra/session", headers=first.headers())
    assert again.status == 204
    assert await admin.keys("lyra:v2:run:*") == []
    assert await admin.keys("lyra:v2:e:*") == []


async def test_forgetting_reaches_the_answers_of_every_process(
    start: Start, server: RedisServer, admin: Redis
) -> None:
    first, second = await pair(start, server)
    answer = await chat(first, body=CHAT)
    await until_copied(second, run_of(answer.body))
    await call(second, "DELETE", "/lyra/session", headers=second.headers())

    assert await admin.keys("lyra:v2:run:*") == []
    await until(lambda: not first.services.runs.stats()["kept"])
    assert (await resume(second, run_of(answer.body))).status == 204


async def test_nothing_readable_of_an_answer_is_in_redis(
    start: Start, server: RedisServer, admin: Redis
) -> None:
    first, second = await pair(start, server)
    token = sandbox_token()
    answer = await chat(first, token, CHAT)
    await until_copied(second, run_of(answer.body))
    [stream] = await admin.keys("lyra:v2:run:*")
    assert isinstance(stream, bytes)
    held = repr(await admin.xrange(stream)).encode() + stream

    for word in (token, "text-delta", "chat-1", run_of(answer.body)):
        assert word.encode() not in held


async def test_without_redis_an_answer_is_as_before(start: Start, server: RedisServer) -> None:
    first, _ = await pair(start, server)
    await init(first)
    await server.kill()
    answer = await chat(first, body=CHAT)

    assert read_body(answer.body).ending == "stop"
    assert (await resume(first, run_of(answer.body))).body == answer.body


async def test_the_days_tokens_are_counted_by_all_processes_together(
    start: Start, server: RedisServer
) -> None:
    spoken = streaming(
        event("message_start", message={"usage": {"input_tokens": 90, "output_tokens": 1}}),
        words("Yes."),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 10}),
        event("message_stop"),
    )
    async with scripted_model(spoken) as served:
        first, second = await pair(start, server, llm_base_url=served.url, daily_tokens=100)
        tokens = [sandbox_token(7), sandbox_token(7, regime="legacy")]  # of one account
        for service in (first, second):
            await init(service, tokens[1])
        answered = await chat(first, tokens[0])
        await first.services.generator.quota.close()  # what it has to tell is told
        refused = await chat(second, tokens[1])

    assert answered.status == 200
    assert check_error(refused, "too_many_requests")["reason"] == "daily_budget"
    assert len(served.sent) == 1
