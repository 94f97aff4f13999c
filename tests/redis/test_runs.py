"""An answer that one process makes is read, stopped and forgotten through any other."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from lyra.sandbox import sandbox_token
from tests.chat.scripted import event, scripted_model, streaming, words
from tests.conftest import Service, Start
from tests.redis.servers import RedisServer
from tests.web.calls import call, chat, chatting, init, read_until
from tests.web.stream_grammar import read_body
from tests.web.test_errors import check_error
from tests.web.test_runs import CHAT, OTHER, Paused, last_id, leave, resume, run_of, stop, until

SECRET = "a-secret-of-this-service"


async def pair(start: Start, server: RedisServer, **changes: Any) -> tuple[Service, Service]:
    """Two services on one Redis, each of which hears the other."""
    first = await start(redis_url=server.url, secret=SECRET, **changes)
    second = await start(redis_url=server.url, secret=SECRET, **changes)
    for service in (first, second):
        await until_hearing(service)
    return first, second


async def until_hearing(service: Service) -> None:
    door = service.services.lyra.redis
    assert door is not None
    await until(lambda: door.notices.hearing)


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
                first.services.runs._copies.pop().cancel()
                await admin.delete(*await admin.keys("lyra:v2:run-alive:*"))
            model.go_on.set()

    stream = read_body(reading.result().body)
    assert (stream.text, stream.ending) == ("Before", "llm_interrupted")
    assert run_of(seen) == stream.parts[0]["messageId"]


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
        await first.services.speaker.budget.close()  # what it has to tell is told
        refused = await chat(second, tokens[1])

    assert answered.status == 200
    assert check_error(refused, "too_many_requests")["reason"] == "daily_budget"
    assert len(served.sent) == 1
