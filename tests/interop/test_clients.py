"""Clients that other people wrote read `POST /lyra/chat`, unmodified, whatever its ending is."""

import asyncio
from typing import Any

import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Service, Start
from tests.interop.conftest import Run
from tests.support.scripted_model import ODD_TEXTS, scripted_model, stopped, streaming, words
from tests.support.wire_formats import BROKEN

AI = ["ai5", "ai6", "ai7"]
FAULTS = ["errmid", "drop", "eof"]
READERS = [
    *(("ai_stream", version) for version in AI),
    *(("ai_chat", version) for version in AI),
    ("assistant_stream",),
    ("eventsource_parser",),
    ("fetch_event_source",),
    ("agui",),
]
readers = pytest.mark.parametrize("client", READERS, ids=" ".join)
BEGUN = "One two three"


async def seen_by(run: Run, service: Service, *client: str, **more: Any) -> dict[str, Any]:
    async with run(service, *client, **more) as running:
        return await running.report()


async def cut_by_a_drain(run: Run, start: Start, *client: str) -> dict[str, Any]:
    """What a client has seen of an answer during which the service went down."""
    service = await start(model="fault:hang")
    async with run(service, *client) as running:
        await running.words()
        await service.stop()
        return await running.report()


async def broken(run: Run, start: Start, fault: str, *client: str) -> dict[str, Any]:
    return await seen_by(run, await start(model=f"fault:{fault}"), *client)


@readers
async def test_it_reads_the_words_of_an_answer(
    service: Service, run: Run, client: tuple[str, ...]
) -> None:
    seen = await seen_by(run, service, *client)

    assert seen["text"].startswith("Your top artists in Spotify's ranking of about six months")
    assert [line[:2] for line in seen["text"].splitlines()[1:]] == ["- "] * 5


@readers
async def test_it_reads_odd_words_as_the_model_wrote_them(
    start: Start, run: Run, client: tuple[str, ...]
) -> None:
    async with scripted_model(streaming(*map(words, ODD_TEXTS), stopped())) as model:
        seen = await seen_by(run, await start(llm_base_url=model.url), *client)

    assert seen["text"] == "".join(ODD_TEXTS)


@pytest.mark.parametrize("fault", FAULTS)
@readers
async def test_it_keeps_the_words_before_a_failure(
    start: Start, run: Run, client: tuple[str, ...], fault: str
) -> None:
    seen = await broken(run, start, fault, *client)

    assert seen["text"] == BEGUN


@pytest.mark.parametrize("version", AI)
async def test_the_ai_sdk_knows_every_part(service: Service, run: Run, version: str) -> None:
    seen = await seen_by(run, service, "ai_stream", version)

    assert (seen["errors"], seen["kinds"][0], seen["kinds"][-1]) == ([], "start", "finish")
    assert seen["metadata"]["model"] == "sandbox-model"
    assert seen["metadata"]["usage"]["outputTokens"] > 0


@pytest.mark.parametrize("version", AI)
async def test_the_ai_sdk_hands_a_failure_on_once(start: Start, run: Run, version: str) -> None:
    seen = await broken(run, start, "errmid", "ai_stream", version)

    assert len(seen["errors"]) == 1
    assert seen["errors"][0].startswith("The language model is not available right now.")


@pytest.mark.parametrize("version", AI)
async def test_usechat_holds_a_conversation(
    service: Service, run: Run, sandbox: Sandbox, version: str
) -> None:
    seen = await seen_by(run, service, "ai_chat", version, "3")

    assert (seen["status"], seen["error"]) == ("ready", None)
    assert seen["messages"] == ["user", "assistant"] * 3
    assert seen["kinds"][:2] == ["step-start", "text"]
    assert set(seen["kinds"][2:]) == {"data-track", "data-because"}
    assert set(seen["data"]) == {"data-status", "data-track", "data-because"}
    assert sandbox.stats.total == 5


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("version", AI)
async def test_usechat_shows_an_errors_sentence_and_exposes_its_code(
    start: Start, run: Run, version: str, fault: str
) -> None:
    seen = await broken(run, start, fault, "ai_chat", version)

    assert (seen["status"], seen["codes"]) == ("error", [BROKEN[fault]])
    assert seen["error"].endswith(".")
    assert [ending["isError"] for ending in seen["endings"]] == [True]


@pytest.mark.parametrize("version", AI)
async def test_usechat_shows_a_refused_token(service: Service, run: Run, version: str) -> None:
    seen = await seen_by(run, service, "ai_chat", version, token=sandbox_token(7, "expired"))

    assert (seen["status"], seen["error"]) == ("error", "spotify_token_rejected")
    assert seen["messages"] == ["user"]


@pytest.mark.parametrize("version", AI)
async def test_usechat_is_ready_again_after_a_drained_answer(
    start: Start, run: Run, version: str
) -> None:
    """The answer does not look finished."""
    seen = await cut_by_a_drain(run, start, "ai_chat", version)

    assert (seen["status"], seen["error"], seen["text"]) == ("ready", None, "One")
    assert [ending.get("finishReason") for ending in seen["endings"]] == [None]
    assert seen["metadata"]["aborted"] == "draining"


async def test_assistant_ui_finds_the_protocol_and_completes(service: Service, run: Run) -> None:
    seen = await seen_by(run, service, "assistant_stream")

    assert seen["protocol"] == "v1"
    assert seen["status"] == {"type": "complete", "reason": "stop"}
    assert seen["error"] is None


@pytest.mark.parametrize("fault", FAULTS)
async def test_assistant_ui_shows_a_failures_sentence(start: Start, run: Run, fault: str) -> None:
    status = (await broken(run, start, fault, "assistant_stream"))["status"]

    assert (status["type"], status["reason"]) == ("incomplete", "error")
    assert status["error"]["message"].endswith(".")


async def test_assistant_ui_shows_a_drained_answer_as_incomplete(start: Start, run: Run) -> None:
    seen = await cut_by_a_drain(run, start, "assistant_stream")

    assert (seen["text"], seen["status"]["type"]) == ("One", "incomplete")


@pytest.mark.parametrize("client", ["assistant_stream", "eventsource_parser"])
async def test_a_refused_token_is_a_401_with_a_json_body(
    service: Service, run: Run, client: str
) -> None:
    seen = await seen_by(run, service, client, token=sandbox_token(7, "expired"))

    assert seen == {"http": 401, "code": "spotify_token_rejected"}


async def test_eventsource_parser_finds_only_frames_and_heartbeats(start: Start, run: Run) -> None:
    service = await start(heartbeat_s=0.02)
    slow = sandbox_token(7, "typical", "legacy", "slow-300-recent")
    seen = await seen_by(run, service, "eventsource_parser", token=slow)

    assert (seen["names"], seen["errors"], seen["done"]) == ([], [], 1)
    assert seen["comments"] >= 3
    assert seen["kinds"][-1] == "finish"


@pytest.mark.parametrize("client", ["eventsource_parser", "fetch_event_source"])
async def test_a_plain_reader_gets_the_code_of_a_failure(
    start: Start, run: Run, client: str
) -> None:
    seen = await broken(run, start, "drop", client)

    assert (seen["code"], seen["done"]) == ("llm_interrupted", 1)
    assert seen["kinds"][-3:] == ["data-error", "error", "finish"]


@pytest.mark.parametrize("client", ["eventsource_parser", "fetch_event_source"])
async def test_a_plain_reader_sees_abort_and_done_after_a_drain(
    start: Start, run: Run, client: str
) -> None:
    seen = await cut_by_a_drain(run, start, client)

    assert (seen["kinds"][-1], seen["done"], seen["text"]) == ("abort", 1, "One")


@pytest.mark.parametrize("fault", [*FAULTS, None])
async def test_fetch_event_source_buys_no_second_answer(
    start: Start, run: Run, fault: str | None
) -> None:
    service = await start(model=f"fault:{fault}" if fault else "sandbox-model")
    seen = await seen_by(run, service, "fetch_event_source")

    assert (seen["attempts"], seen["error"]) == (1, None)


async def test_fetch_event_source_reads_why_a_token_is_refused(service: Service, run: Run) -> None:
    expired = sandbox_token(7, "expired")
    seen = await seen_by(run, service, "fetch_event_source", token=expired)

    assert (seen["http"], seen["error"]) == (401, "spotify_token_rejected")
    assert seen["attempts"] == 1


async def test_ag_uis_agent_accepts_every_event(service: Service, run: Run) -> None:
    seen = await seen_by(run, service, "agui")

    assert (seen["error"], seen["code"]) == (None, None)
    assert (seen["kinds"][0], seen["kinds"][-1]) == ("RUN_STARTED", "RUN_FINISHED")
    assert [role for role, _ in seen["messages"]] == ["user", "assistant"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_ag_uis_agent_gets_the_code_of_a_failure(start: Start, run: Run, fault: str) -> None:
    seen = await broken(run, start, fault, "agui")

    assert (seen["kinds"][-1], seen["code"]) == ("RUN_ERROR", BROKEN[fault])


async def test_ag_uis_agent_gets_a_drain_as_an_error(start: Start, run: Run) -> None:
    seen = await cut_by_a_drain(run, start, "agui")

    assert (seen["kinds"][-1], seen["code"], seen["text"]) == ("RUN_ERROR", "draining", "One")


async def test_ag_uis_agent_gets_the_status_of_a_refused_token(service: Service, run: Run) -> None:
    seen = await seen_by(run, service, "agui", token=sandbox_token(7, "expired"))

    assert seen["http"] == 401
    assert "spotify_token_rejected" in seen["error"]


async def test_two_clients_at_once_share_one_load(
    service: Service, run: Run, sandbox: Sandbox
) -> None:
    async with asyncio.TaskGroup() as both:
        one = both.create_task(seen_by(run, service, "ai_chat", "ai7"))
        other = both.create_task(seen_by(run, service, "agui"))

    assert one.result()["text"] == other.result()["text"]
    assert sandbox.stats.total == 5
