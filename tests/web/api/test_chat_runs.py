"""An answer is a run: it can be stopped in any phase, and read on after the connection was lost."""

import asyncio
import socket
import sys

import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import call, chat, chatting, connected, init, read_until, request_bytes
from tests.support.chat_runs import CHAT, OTHER, Paused, last_id, leave, resume, run_of, stop
from tests.support.error_shape import check_error
from tests.support.scripted_model import scripted_model
from tests.support.stream_grammar import read_body
from tests.support.waits import until


@pytest.mark.parametrize("name", ["run", "chat-1"])
async def test_stopping_ends_the_stream_and_closes_the_models_call(start: Start, name: str) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        service = await start(llm_base_url=served.url)
        async with chatting(service, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            answer = await stop(service, run_of(seen) if name == "run" else name)
            seen += await response.read()
        await model.left.wait()

    assert (answer.status, answer.body) == (204, b"")
    stream = read_body(seen)
    assert (stream.parts[-1], stream.text) == ({"type": "abort", "reason": "stopped"}, "Before")


async def test_a_stopped_answer_tells_what_it_has_cost(start: Start) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        service = await start(llm_base_url=served.url)
        async with chatting(service, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            await stop(service, "chat-1")
            seen += await response.read()

    [metadata] = read_body(seen).of("message-metadata")
    assert metadata["messageMetadata"]["usage"] == {"inputTokens": 321, "outputTokens": 2}
    assert metadata["messageMetadata"]["first_token_ms"] > 0


@pytest.mark.parametrize("fault", ["hanghead", "pings", "hang"])
async def test_stop_works_while_the_model_is_silent(
    start: Start, sandbox: Sandbox, fault: str
) -> None:
    service = await start(model=f"fault:{fault}")
    await init(service)
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(chat(service, body=CHAT))
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        assert (await stop(service, "chat-1")).status == 204
        await sandbox.model_closed()

    assert read_body(asking.result().body).parts[-1]["reason"] == "stopped"


async def test_stop_works_during_the_fetch_and_the_fetch_is_kept(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start()
    token = sandbox_token(7, "typical", "legacy", "slow-300-recent")
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(chat(service, token, CHAT))
        await sandbox.stats.until(lambda stats: stats.total == 5)
        assert (await stop(service, "chat-1", token)).status == 204

    assert read_body(asking.result().body).parts[-1]["reason"] == "stopped"
    assert (await init(service, token)).json["cache"]["state"] in ("hit", "joined")
    assert (sandbox.stats.total, sandbox.stats.model_calls) == (5, 0)


async def test_a_stopped_json_answer_holds_the_words_so_far(start: Start) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        service = await start(llm_base_url=served.url)
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(chat(service, body={**CHAT, "stream": False}))
            spoken = b"lyra_first_token_seconds_count 1.0"
            await until(lambda: spoken in service.services.metrics.render())
            await stop(service, "chat-1")

    answer = asking.result()
    assert (answer.status, answer.json["response"]) == (200, "Before")
    assert (answer.json["finish_reason"], answer.json["usage"]["inputTokens"]) == ("other", 321)


async def test_stopping_twice_or_after_the_end_changes_nothing(service: Service) -> None:
    answer = await chat(service, body=CHAT)

    assert [(await stop(service, "chat-1")).status for _ in range(2)] == [204, 204]
    assert (await resume(service, run_of(answer.body))).body == answer.body


async def test_nobody_else_can_stop_or_read_an_answer(start: Start) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        service = await start(llm_base_url=served.url)
        async with chatting(service, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            names = (run_of(seen), "chat-1")
            stops = [(await stop(service, name, OTHER)).status for name in names]
            reads = [(await resume(service, name, token=OTHER)).status for name in names]
            model.go_on.set()
            seen += await response.read()

    assert (stops, reads) == ([404, 404], [204, 204])
    assert read_body(seen).text == "Before and after."


async def test_a_resumable_answer_goes_on_without_a_reader(
    start: Start,
) -> None:
    """It can be read to its end later."""
    model = Paused()
    async with scripted_model(model) as served:
        service = await start(llm_base_url=served.url)
        async with chatting(service, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            await leave(service, response)
        seen = seen[: seen.rindex(b"\n\n") + 2]
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(resume(service, "chat-1", last_id(seen)))
            model.go_on.set()

    stream = read_body(seen + reading.result().body)
    assert (stream.text, stream.ending) == ("Before and after.", "stop")
    assert len(served.sent) == 1


async def test_without_an_event_id_an_answer_is_read_from_its_start(start: Start) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        service = await start(llm_base_url=served.url)
        async with chatting(service, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            await leave(service, response)
        model.go_on.set()
        by_chat = await resume(service, "chat-1")
        by_run = await resume(service, run_of(seen))

    assert read_body(by_chat.body).text == "Before and after."
    assert by_run.body == by_chat.body


async def test_a_repeated_question_with_last_event_id_calls_no_model(
    start: Start,
) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        service = await start(llm_base_url=served.url)
        async with chatting(service, body=CHAT) as response:
            seen = await read_until(response, b"Before")
            await leave(service, response)
        seen = seen[: seen.rindex(b"\n\n") + 2]
        model.go_on.set()
        again = await chat(service, body=CHAT, **{"Last-Event-ID": last_id(seen)})

    assert read_body(seen + again.body).text == "Before and after."
    assert len(served.sent) == 1


async def test_an_unresumable_answer_is_closed_and_its_resume_says_so(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(model="fault:hang")
    async with chatting(service) as response:
        seen = await read_until(response, b"text-delta")
        await leave(service, response)
    await sandbox.model_closed()
    seen = seen[: seen.rindex(b"\n\n") + 2]
    again = await chat(service, **{"Last-Event-ID": last_id(seen)})

    stream = read_body(seen + again.body)
    assert stream.ending == "llm_interrupted"
    assert stream.of("data-error")[0]["data"]["retryable"]
    assert sandbox.stats.model_calls == 1


async def test_a_resumable_answer_ends_when_nobody_comes_back_in_time(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(model="fault:hang", resume_grace_s=0.05)
    async with chatting(service, body=CHAT) as response:
        await read_until(response, b"text-delta")
    await sandbox.model_closed()

    assert read_body((await resume(service, "chat-1")).body).ending == "llm_interrupted"


async def test_a_chat_read_to_its_end_leaves_nothing_to_resume(
    service: Service,
) -> None:
    answer = await chat(service, body=CHAT)

    assert (await resume(service, "chat-1")).status == 204
    assert (await resume(service, "chat-1", last_id(answer.body))).status == 204
    assert (await resume(service, "chat-2")).status == 204
    assert (await resume(service, run_of(answer.body), "rubbish")).body == answer.body


@pytest.mark.parametrize(
    "sent", ["run_0123456789abcdef.3", "run_0123456789abcdef", "RUN_0.1", "7", "\u00e9", "a, b"]
)
@pytest.mark.parametrize("accept", ["*/*", "application/json"])
async def test_a_repeated_question_for_a_gone_answer_calls_no_model(
    service: Service, sandbox: Sandbox, sent: str, accept: str
) -> None:
    """An answer may have gone from memory, with its process, or have never been this listener's."""
    answer = await chat(service, body=CHAT, **{"Last-Event-ID": sent, "Accept": accept})

    check_error(answer, "answer_gone")
    assert sandbox.stats.total == 0
    assert service.services.runs.stats()["kept"] == 0


async def test_nor_for_one_that_was_kept_long_enough(start: Start) -> None:
    service = await start(run_keep_s=0.05)
    seen = last_id((await chat(service, body=CHAT)).body)
    await until(lambda: not service.services.runs.stats()["kept"])

    check_error(await chat(service, body=CHAT, **{"Last-Event-ID": seen}), "answer_gone")


async def test_nor_for_one_that_is_anothers(service: Service) -> None:
    seen = last_id((await chat(service, body=CHAT)).body)

    check_error(await chat(service, OTHER, CHAT, **{"Last-Event-ID": seen}), "answer_gone")


async def test_an_empty_event_id_names_no_answer(service: Service) -> None:
    answer = await chat(service, **{"Last-Event-ID": ""})

    assert read_body(answer.body).ending == "stop"


async def test_ended_answers_are_kept_for_a_time(start: Start) -> None:
    service = await start(run_keep_s=0.05)
    answer = await chat(service, body=CHAT)
    await until(lambda: not service.services.runs.stats()["kept"])

    assert (await resume(service, run_of(answer.body))).status == 204
    assert service.services.runs.stats() == {
        "live": 0,
        "unread": 0,
        "readers": 0,
        "kept": 0,
        "kept_bytes": 0,
    }


def segments_in(connection: socket.socket) -> int:
    """Return how many segments with data have come so far; see `struct tcp_info` of linux/tcp.h."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
    return int.from_bytes(info[152:156], sys.byteorder)


async def test_an_ended_answer_leaves_in_one_write(service: Service) -> None:
    answer = await chat(service, body=CHAT)
    path = f"/lyra/chat/{run_of(answer.body)}/stream"
    auth = f"Authorization: Bearer {sandbox_token()}"
    async with connected(service) as (reader, writer):
        writer.write(request_bytes(service, "GET", path, auth))
        again = await reader.readuntil(b"[DONE]\n\n\r\n0\r\n\r\n")

        assert segments_in(writer.get_extra_info("socket")) <= len(("its head", "all the rest"))
    assert b'"type":"finish"' in again


async def test_ended_runs_are_evicted_oldest_first_within_their_bytes(start: Start) -> None:
    service = await start(runs_max_bytes=8_000)
    answers = [await chat(service) for _ in range(8)]
    statuses = [(await resume(service, run_of(answer.body))).status for answer in answers]

    stats = service.services.runs.stats()
    assert 0 < stats["kept"] < 8
    assert stats["kept_bytes"] <= 8_000
    assert statuses == [204] * (8 - stats["kept"]) + [200] * stats["kept"]


async def test_forgetting_a_listener_forgets_its_answers_alone(
    service: Service,
) -> None:
    mine, other = await chat(service, body=CHAT), await chat(service, OTHER, CHAT)
    await call(service, "DELETE", "/lyra/session", headers=service.headers())

    assert (await resume(service, run_of(mine.body))).status == 204
    assert (await resume(service, run_of(other.body), token=OTHER)).body == other.body


async def test_one_answer_has_no_more_than_four_readers(start: Start) -> None:
    model = Paused()
    async with scripted_model(model) as served:
        service = await start(llm_base_url=served.url)
        async with chatting(service, body=CHAT) as response:
            await read_until(response, b"Before")
            async with asyncio.TaskGroup() as tasks:
                reads = [tasks.create_task(resume(service, "chat-1")) for _ in range(3)]
                await until(lambda: service.services.runs.stats()["readers"] == 4)
                refused = await resume(service, "chat-1")
                model.go_on.set()

    assert (refused.status, refused.code) == (429, "too_many_requests")
    assert {read_body(read.result().body).text for read in reads} == {"Before and after."}


async def test_an_unread_answer_counts_as_a_stream_until_it_ends(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(model="fault:hang", streams_per_token=1)
    async with chatting(service, body=CHAT) as response:
        await read_until(response, b"text-delta")
        await leave(service, response)
    refused = await chat(service)
    await stop(service, "chat-1")
    await sandbox.model_closed()

    assert (refused.status, refused.json["error"]["reason"]) == (429, "streams")
    assert service.services.runs.stats()["live"] == 0


async def test_a_drain_ends_unread_answers_too(start: Start, sandbox: Sandbox) -> None:
    service = await start(model="fault:hang")
    async with chatting(service, body=CHAT) as response:
        await read_until(response, b"text-delta")
        await leave(service, response)
    await service.stop()
    await sandbox.model_closed()

    assert len(service.services.runs) == 0
