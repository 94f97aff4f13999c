"""The invented Messages API: as raw events, through the SDK, and with each of its faults."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
import pytest
from anthropic import APIStatusError, AsyncAnthropic, DefaultAioHttpClient

from lyra.sandbox import Sandbox
from lyra.sandbox.model_fault_streams import SCRIPTS

Ask = Callable[..., Any]

SYSTEM = (
    "Rules. <listening_data>\n# top artists, ranked by Spotify: name | genres\n"
    "1. Cyve Orave\n2. Ostul Misha | folk\n</listening_data>"
)
MARKED = [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]


def events(body: bytes) -> list[dict[str, Any]]:
    frames = body.decode().split("\n\n")
    datas = [frame.partition("data: ")[2] for frame in frames if frame]
    return [orjson.loads(data) for data in datas]


def words(found: list[dict[str, Any]]) -> str:
    deltas = [each["delta"] for each in found if each["type"] == "content_block_delta"]
    return "".join(delta.get("text", "") for delta in deltas)


async def stream(ask: Ask, *args: Any, **fields: Any) -> list[dict[str, Any]]:
    async with ask(*args, **fields) as answer:
        assert answer.status == 200
        return events(await answer.read())


async def test_a_stream_has_the_events_of_the_messages_api_in_order(ask: Ask) -> None:
    async with ask("Who are my artists?", system=SYSTEM) as answer:
        raw = await answer.read()
    found = events(raw)
    types = [each["type"] for each in found]

    assert answer.content_type == "text/event-stream"
    assert answer.headers["request-id"].startswith("req_")
    assert types[:3] == ["message_start", "content_block_start", "ping"]
    assert set(types[3:-3]) == {"content_block_delta"}
    assert types[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert raw.startswith(b"event: message_start\ndata: {")
    assert "Cyve Orave" in words(found)
    assert found[-2]["delta"]["stop_reason"] == "end_turn"


async def test_the_same_question_gets_the_same_bytes(ask: Ask) -> None:
    first = words(await stream(ask, "recommend", system=SYSTEM))

    assert words(await stream(ask, "recommend", system=SYSTEM)) == first


async def test_the_answer_can_come_whole(ask: Ask) -> None:
    async with ask("artists", system=SYSTEM, stream=False) as answer:
        message = await answer.json()

    assert message["type"] == "message"
    assert "Cyve Orave" in message["content"][0]["text"]
    assert message["stop_reason"] == "end_turn"
    assert message["usage"]["output_tokens"] > 5


async def test_a_marked_system_prompt_is_read_from_the_cache_the_second_time(ask: Ask) -> None:
    first = (await stream(ask, system=MARKED))[0]["message"]["usage"]
    second = (await stream(ask, "another question", system=MARKED))[0]["message"]["usage"]

    assert first["cache_creation_input_tokens"] == len(SYSTEM) // 4
    assert first["cache_read_input_tokens"] == 0
    assert second["cache_creation_input_tokens"] == 0
    assert second["cache_read_input_tokens"] == len(SYSTEM) // 4


async def test_an_unmarked_system_prompt_is_never_cached(ask: Ask) -> None:
    for _ in range(2):
        usage = (await stream(ask, system=SYSTEM))[0]["message"]["usage"]
        assert usage["cache_read_input_tokens"] == usage["cache_creation_input_tokens"] == 0
        assert usage["input_tokens"] >= len(SYSTEM) // 4


async def test_max_tokens_cuts_the_answer(ask: Ask) -> None:
    found = await stream(ask, system=SYSTEM, max_tokens=2)

    assert len(words(found).split()) == 2
    assert found[-2]["delta"]["stop_reason"] == "max_tokens"


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": []},
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"temperature": 1},
        {"max_tokens": -1},
        {"model": "fault:bang"},
        {"model": "fault:err-418"},
    ],
)
async def test_a_body_that_the_api_refuses_is_a_400(ask: Ask, fields: dict[str, Any]) -> None:
    async with ask(**fields) as answer:
        body = await answer.json()

    assert answer.status == 400
    assert body["type"] == "error"
    assert body["error"]["type"] == "invalid_request_error"


async def test_a_call_without_a_key_is_a_401(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    async with session.post(f"{sandbox.llm_url}/v1/messages", data=b"{}") as answer:
        assert answer.status == 401


@pytest.mark.parametrize("header", ["Authorization", "authorization", "x-api-key", "X-Api-Key"])
async def test_a_key_may_come_in_either_header(
    sandbox: Sandbox, session: aiohttp.ClientSession, header: str
) -> None:
    url = f"{sandbox.llm_url}/v1/messages"

    async with session.post(url, data=b"{}", headers={header: "invented"}) as answer:
        assert answer.status == 400


async def test_the_sdk_reads_the_stream(sandbox: Sandbox) -> None:
    async with AsyncAnthropic(
        base_url=sandbox.llm_url, api_key="x", http_client=DefaultAioHttpClient(), max_retries=0
    ) as client:
        async with client.messages.stream(
            model="sandbox-model",
            max_tokens=200,
            system=SYSTEM,
            messages=[{"role": "user", "content": "Who are my artists?"}],
        ) as answer:
            message = await answer.get_final_message()
        with pytest.raises(APIStatusError) as refused:
            await client.messages.create(
                model="fault:err-529",
                max_tokens=9,
                messages=[{"role": "user", "content": "hi"}],
            )

    assert "Cyve Orave" in "".join(block.text for block in message.content if block.type == "text")
    assert message.stop_reason == "end_turn"
    assert refused.value.type == "overloaded_error"


@pytest.mark.parametrize(
    ("model", "status", "kind"),
    [
        ("fault:err-400", 400, "invalid_request_error"),
        ("fault:err-401", 401, "authentication_error"),
        ("fault:err-403", 403, "permission_error"),
        ("fault:err-404", 404, "not_found_error"),
        ("fault:err-429", 429, "rate_limit_error"),
        ("fault:err-500", 500, "api_error"),
        ("fault:err-529", 529, "overloaded_error"),
    ],
)
async def test_an_error_before_the_stream_has_its_status_and_type(
    ask: Ask, model: str, status: int, kind: str
) -> None:
    async with ask(model=model) as answer:
        body = await answer.json()

    assert answer.status == status
    assert body["error"]["type"] == kind
    assert "Retry-After" not in answer.headers


async def test_a_429_can_say_when_to_come_back(ask: Ask) -> None:
    async with ask(model="fault:err-429-7") as answer:
        assert answer.headers["Retry-After"] == "7"


async def test_an_error_can_strike_once(ask: Ask) -> None:
    statuses = []
    for _ in range(2):
        async with ask(model="fault:erronce-529") as answer:
            statuses.append(answer.status)

    assert statuses == [529, 200]


async def test_a_redirect_points_to_a_path_with_nothing(
    ask: Ask, sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    async with ask(model="fault:redirect") as answer:
        assert answer.status == 307
        target = answer.headers["Location"]

    async with session.post(sandbox.url + target) as answer:
        assert answer.status == 404


async def test_an_error_event_can_come_in_the_middle(ask: Ask) -> None:
    found = await stream(ask, model="fault:errmid-api_error")

    assert found[-1]["type"] == "error"
    assert found[-1]["error"]["type"] == "api_error"
    assert [each["type"] for each in found].count("content_block_delta") == 3


async def test_an_error_event_can_come_first(ask: Ask) -> None:
    found = await stream(ask, model="fault:errfirst-overloaded_error")

    assert found[-1]["error"]["type"] == "overloaded_error"
    assert words(found) == ""


async def test_an_error_event_can_come_first_once(ask: Ask) -> None:
    endings = [(await stream(ask, model="fault:errfirst-once"))[-1]["type"] for _ in range(2)]

    assert endings == ["error", "message_stop"]


async def test_a_stream_can_drop(ask: Ask) -> None:
    received = bytearray()

    with pytest.raises(aiohttp.ClientError):
        await read_into(received, ask(model="fault:drop"))

    assert received.count(b"text_delta") == 3


async def read_into(received: bytearray, call: Any) -> None:
    async with call as answer:
        while piece := await answer.content.readany():
            received.extend(piece)


async def test_a_stream_can_end_without_its_end_mark(ask: Ask) -> None:
    found = await stream(ask, model="fault:eof")

    assert [each["type"] for each in found[-3:]] == ["content_block_delta"] * 3


async def test_a_silent_stream_is_closed_when_its_reader_leaves(ask: Ask, sandbox: Sandbox) -> None:
    async with ask(model="fault:hang") as answer:
        await answer.content.readany()
        assert (sandbox.stats.model_open, sandbox.stats.model_closed) == (1, 0)

    async with asyncio.timeout(5):
        await sandbox.model_closed()
    assert (sandbox.stats.model_open, sandbox.stats.model_cancelled) == (0, 1)


async def test_a_call_without_headers_is_closed_when_its_caller_leaves(
    ask: Ask, sandbox: Sandbox
) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(read_into(bytearray(), ask(model="fault:hanghead")))
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        waiting.cancel()

    async with asyncio.timeout(5):
        await sandbox.model_closed()
    assert sandbox.stats.model_cancelled == 1


async def test_a_stream_can_hold_nothing_but_pings(ask: Ask, sandbox: Sandbox) -> None:
    async with ask(model="fault:pings") as answer:
        frames = [await answer.content.readuntil(b"\n\n") for _ in range(3)]
    await sandbox.model_closed()

    assert set(frames) == {b'event: ping\ndata: {"type":"ping"}\n\n'}


async def test_a_refusal_has_no_words(ask: Ask) -> None:
    found = await stream(ask, model="fault:refusal")

    assert words(found) == ""
    assert found[-2]["delta"]["stop_reason"] == "refusal"


async def test_an_answer_can_run_out_of_tokens(ask: Ask) -> None:
    found = await stream(ask, model="fault:max_tokens")

    assert len(words(found).split()) == 5
    assert found[-2]["delta"]["stop_reason"] == "max_tokens"


async def test_an_event_can_be_malformed(ask: Ask) -> None:
    async with ask(model="fault:malformed") as answer:
        body = await answer.read()

    with pytest.raises(orjson.JSONDecodeError):
        events(body)


async def test_events_can_come_without_their_names(ask: Ask) -> None:
    async with ask(model="fault:noevent") as answer:
        body = await answer.read()

    assert b"event:" not in body
    assert events(body)[-1]["type"] == "message_stop"


async def test_usage_can_be_missing(ask: Ask) -> None:
    async with ask(model="fault:minimal") as answer:
        body = await answer.read()

    assert b"usage" not in body
    assert words(events(body)).startswith("I was told nothing")


async def test_unknown_types_can_come_between(ask: Ask) -> None:
    found = await stream(ask, model="fault:unknown")

    assert {"brand_new"} < {each["type"] for each in found}
    assert "hologram" in str(found)
    assert words(found).startswith("I was told nothing")


async def test_one_delta_can_be_giant(ask: Ask) -> None:
    found = await stream(ask, model="fault:giant")

    assert len(words(found)) > 190_000


async def test_five_thousand_deltas_can_come_at_once(ask: Ask) -> None:
    found = await stream(ask, model="fault:many")

    assert [each["type"] for each in found].count("content_block_delta") == 5_000


async def test_words_are_paced_by_token_ms(session: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    body = {"model": "m", "max_tokens": 5, "stream": True,
            "messages": [{"role": "user", "content": "hi"}]}  # fmt: skip
    async with Sandbox(token_ms=10) as sandbox:
        start = loop.time()
        url = f"{sandbox.llm_url}/v1/messages"
        async with session.post(url, json=body, headers={"X-Api-Key": "x"}) as answer:
            await answer.read()

    assert loop.time() - start >= 0.05


async def test_finished_calls_are_not_counted_as_cancelled(ask: Ask, sandbox: Sandbox) -> None:
    await stream(ask)
    await sandbox.model_closed(1)

    stats = sandbox.stats
    assert (stats.model_calls, stats.model_open, stats.model_cancelled) == (1, 0, 0)


def test_every_script_is_tried_here() -> None:
    tried = {"errmid", "errfirst", "drop", "eof", "hang", "pings", "malformed", "noevent",
             "minimal", "unknown", "giant", "many"}  # fmt: skip

    assert {name for name in SCRIPTS if not name.startswith("tool")} == tried
