"""A proposed playlist in the formats of other protocols: AG-UI's interrupt, a link for OpenAI's clients."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.chat.test_rounds import asking
from tests.conftest import Start
from tests.support.calls import Answer, call, read_until
from tests.support.chat_runs import Paused, stop
from tests.support.proposals import URIS, Proposing, only, proposing
from tests.support.scripted_model import scripted_model, tool_use
from tests.support.wire_formats import USER, data_of, documents
from tests.web.api.test_agui import INPUT, check_events

ANNA = sandbox_token(7, "typical", "restricted")
BORIS = sandbox_token(8, "typical", "restricted")
NO_SCOPE = sandbox_token(7, "typical", "restricted", "ungranted-writes")
AGUI, OPENAI = "/lyra/agui", "/v1/chat/completions"
SPOKEN = [*INPUT["messages"], {"id": "m2", "role": "assistant", "content": "Here it is."}]


@pytest.fixture
async def lyra(start: Start) -> AsyncIterator[Proposing]:
    async with scripted_model() as model:
        yield Proposing(await start(llm_base_url=model.url), model)


async def post(lyra: Proposing, path: str, body: Any, token: str = ANNA) -> Answer:
    return await call(lyra.service, "POST", path, json=body, headers=lyra.service.headers(token))


async def ask(lyra: Proposing, token: str = ANNA) -> list[dict[str, Any]]:
    lyra.model.replies = [*proposing()]
    return check_events((await post(lyra, AGUI, INPUT, token)).body)


async def interrupted(lyra: Proposing, token: str = ANNA) -> dict[str, Any]:
    """The interrupt of an answer that proposes a playlist."""
    [interrupt] = (await ask(lyra, token))[-1]["outcome"]["interrupts"]
    found: dict[str, Any] = interrupt
    return found


async def resume(
    lyra: Proposing, *entries: dict[str, Any], token: str = ANNA, messages: Any = SPOKEN
) -> list[dict[str, Any]]:
    body = {**INPUT, "runId": "r2", "messages": messages, "resume": [*entries]}
    return check_events((await post(lyra, AGUI, body, token)).body)


def approved(interrupt: dict[str, Any], **edited: Any) -> dict[str, Any]:
    payload = {"approved": True, "editedArgs": edited} if edited else {"approved": True}
    return {"interruptId": interrupt["id"], "status": "resolved", "payload": payload}


async def test_a_proposal_interrupts_the_run_and_its_call_waits_for_the_listener(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    events = await ask(lyra)

    [interrupt] = events[-1]["outcome"]["interrupts"]
    calls = {each["toolCallName"]: each["toolCallId"] for each in events if "toolCallName" in each}
    results = [each["toolCallId"] for each in events if each["type"] == "TOOL_CALL_RESULT"]
    assert results == [calls["find_music"]]
    assert interrupt["toolCallId"] == calls["propose_playlist"]
    assert interrupt["reason"] == "confirmation"
    assert interrupt["message"] == "Save the playlist Slow Tides (10 songs) at Spotify?"
    assert interrupt["metadata"]["uris"] == URIS
    assert interrupt["expiresAt"] == interrupt["metadata"]["expires_at"]
    assert interrupt["metadata"] in [each.get("value") for each in events]
    assert sandbox.made_playlists(ANNA) == []


def propose(*uris: str) -> bytes:
    return tool_use("propose_playlist", {"name": "Slow Tides", "uris": [*uris]})


FEW, FEWER, NONE = propose(*URIS[:3]), propose(*URIS[3:5]), propose(f"spotify:track:{'z' * 22}")


@pytest.mark.parametrize(
    "rounds",
    [[(FEW, FEWER)], [(FEWER, NONE)], [(NONE, FEWER)], [(FEW,), (FEWER,)], [(FEWER,), (NONE,)]],
    ids=["together", "the latter failed", "the former failed", "one by one", "then one failed"],
)
async def test_of_several_calls_only_that_of_what_is_shown_waits(
    lyra: Proposing, rounds: list[tuple[bytes, ...]]
) -> None:
    find, _, end = proposing()
    lyra.model.replies = [find, *(asking(*calls) for calls in rounds), end]
    events = check_events((await post(lyra, AGUI, INPUT)).body)

    [interrupt] = events[-1]["outcome"]["interrupts"]
    called = [each["toolCallId"] for each in events if each["type"] == "TOOL_CALL_START"]
    results = [each["toolCallId"] for each in events if each["type"] == "TOOL_CALL_RESULT"]
    sent = [call for calls in rounds for call in calls]
    assert interrupt["toolCallId"] == called[1:][sent.index(FEWER)]
    assert sorted([*results, interrupt["toolCallId"]]) == sorted(called)
    assert interrupt["metadata"]["uris"] == URIS[3:5]


async def test_a_proposal_without_a_track_is_no_interrupt(lyra: Proposing) -> None:
    find, _, end = proposing()
    lyra.model.replies = [find, asking(NONE), end]
    events = check_events((await post(lyra, AGUI, INPUT)).body)

    results = [each["content"] for each in events if each["type"] == "TOOL_CALL_RESULT"]
    assert results[-1].startswith("None of these can be proposed")
    assert "outcome" not in events[-1]


async def test_an_approval_saves_it_and_gives_the_call_its_result(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    interrupt = await interrupted(lyra)
    asked = len(lyra.model.sent)
    events = await resume(lyra, approved(interrupt, name="Mine", uris=URIS[3:1:-1]))

    started, result, finished = events
    assert (started["type"], finished) == (
        "RUN_STARTED",
        {"type": "RUN_FINISHED", "threadId": "t1", "runId": "r2"},
    )
    assert result["toolCallId"] == interrupt["toolCallId"]
    content = orjson.loads(result["content"])
    made = only(sandbox, ANNA)
    assert (made.name, made.uris) == ("Mine", URIS[3:1:-1])
    assert content["saved"] is True
    assert content["playlist"]["uri"] == f"spotify:playlist:{made.id}"
    assert len(lyra.model.sent) == asked  # no model is asked


@pytest.mark.parametrize(
    "answer",
    [{"status": "cancelled"}, {"status": "resolved", "payload": {"approved": False}}],
    ids=["cancelled", "not approved"],
)
async def test_a_refusal_dismisses_it(
    lyra: Proposing, sandbox: Sandbox, answer: dict[str, Any]
) -> None:
    interrupt = await interrupted(lyra)
    events = await resume(lyra, {"interruptId": interrupt["id"], **answer})

    assert orjson.loads(events[1]["content"]) == {"saved": False, "dismissed": True}
    assert (await resume(lyra, approved(interrupt)))[-1]["code"] == "not_found"
    assert sandbox.made_playlists(ANNA) == []


@pytest.mark.parametrize("payload", [None, {"approved": False}])
async def test_a_refusal_of_what_is_saved_tells_the_playlist_and_keeps_it(
    lyra: Proposing, sandbox: Sandbox, payload: Any
) -> None:
    interrupt = await interrupted(lyra)
    saved = await resume(lyra, approved(interrupt))
    status = "resolved" if payload else "cancelled"
    refusal = {"interruptId": interrupt["id"], "status": status, "payload": payload}
    refused = [await resume(lyra, refusal) for _ in range(2)]

    assert [each[1]["content"] for each in refused] == [saved[1]["content"]] * 2
    assert only(sandbox, ANNA).uris == URIS


async def test_a_refusal_of_what_may_be_saved_claims_nothing(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    interrupt = await interrupted(lyra)
    failing = sandbox_token(7, "typical", "restricted", "once500-create")
    failed = await resume(lyra, approved(interrupt), token=failing)
    events = await resume(lyra, {"interruptId": interrupt["id"], "status": "cancelled"})

    assert (failed[-1]["code"], failed[1]["value"]["retryable"]) == ("spotify_unavailable", True)
    assert orjson.loads(events[1]["content"]) == {"dismissed": True}
    assert sandbox.made_playlists(ANNA) == []


@pytest.mark.parametrize("token", [ANNA, BORIS], ids=["expired", "another listener's"])
async def test_cancelling_what_is_not_there_goes_on_without_it(lyra: Proposing, token: str) -> None:
    """AG-UI's client sends nothing on this thread before it has cancelled what has expired."""
    name = "gone.call" if token == ANNA else (await interrupted(lyra))["id"]
    events = await resume(lyra, {"interruptId": name, "status": "cancelled"}, token=token)

    assert orjson.loads(events[1]["content"]) == {"dismissed": True}
    assert events[-1]["type"] == "RUN_FINISHED"


async def test_an_approval_twice_saves_it_once(lyra: Proposing, sandbox: Sandbox) -> None:
    interrupt = await interrupted(lyra)
    first = await resume(lyra, approved(interrupt))
    second = await resume(lyra, approved(interrupt))

    assert first[1]["content"] == second[1]["content"]
    assert only(sandbox, ANNA).uris == URIS


@pytest.mark.parametrize(
    ("token", "entry", "code"),
    [
        (BORIS, {}, "not_found"),
        (ANNA, {"interruptId": "made-up.call"}, "not_found"),
        (NO_SCOPE, {}, "spotify_forbidden"),
        (ANNA, {"payload": None}, "invalid_request"),
        (ANNA, {"payload": {"approved": True, "editedArgs": {"uris": ["x"]}}}, "invalid_request"),
        (ANNA, {"payload": {"approved": True, "editedArgs": {"name": " "}}}, "invalid_request"),
    ],
    ids=range(6),
)
async def test_what_cannot_be_saved_ends_in_run_error(
    lyra: Proposing, sandbox: Sandbox, token: str, entry: dict[str, Any], code: str
) -> None:
    events = await resume(lyra, {**approved(await interrupted(lyra)), **entry}, token=token)

    assert [event["type"] for event in events] == ["RUN_STARTED", "CUSTOM", "RUN_ERROR"]
    assert events[1]["name"] == "lyra.error"
    assert events[1]["value"]["code"] == events[-1]["code"] == code
    assert events[1]["value"]["message"] == events[-1]["message"]
    assert sandbox.made_playlists(ANNA) == []


async def test_without_the_scope_the_client_learns_what_to_do(lyra: Proposing) -> None:
    events = await resume(lyra, approved(await interrupted(lyra)), token=NO_SCOPE)

    said = events[1]["value"]
    assert (said["reason"], said["action"]) == ("missing_scope", "grant_playlists")


async def test_a_question_beside_the_answer_to_an_interrupt_is_answered_too(
    lyra: Proposing, sandbox: Sandbox
) -> None:
    interrupt = await interrupted(lyra)
    lyra.model.replies = [*proposing()[-1:]]
    events = await resume(lyra, approved(interrupt), messages=[*SPOKEN, {"id": "m3", **USER}])

    assert events[1]["toolCallId"] == interrupt["toolCallId"]
    assert "".join(each.get("delta", "") for each in events) == "Here it is."
    assert only(sandbox, ANNA).uris == URIS


@pytest.mark.parametrize("asks", [True, False], ids=["with a question", "alone"])
async def test_an_approval_holds_no_slot_while_spotify_is_waited_for(
    start: Start, sandbox: Sandbox, *, asks: bool
) -> None:
    slow = sandbox_token(7, "typical", "restricted", "lat-300-300")
    messages = [*SPOKEN, {"id": "m3", **USER}] if asks else SPOKEN
    async with scripted_model() as model:
        service = await start(llm_base_url=model.url, max_in_flight=1, max_waiting=0)
        lyra = Proposing(service, model)
        entry = approved(await interrupted(lyra, slow))
        model.replies = [*proposing()[-1:]]
        async with asyncio.TaskGroup() as tasks:
            saving = tasks.create_task(resume(lyra, entry, token=slow, messages=messages))
            await sandbox.stats.until(lambda stats: stats.by_endpoint["create"] == 1)
            meanwhile = await call(service, "GET", "/lyra/status", headers=service.headers(ANNA))

    assert meanwhile.status == 200
    assert saving.result()[-1]["type"] == "RUN_FINISHED"
    assert only(sandbox, ANNA).uris == URIS


async def test_a_question_is_answered_though_the_interrupt_has_gone(lyra: Proposing) -> None:
    gone = {"interruptId": "gone.call", "status": "resolved", "payload": {"approved": True}}
    lyra.model.replies = [*proposing()[-1:]]
    events = await resume(lyra, gone, messages=[*SPOKEN, {"id": "m3", **USER}])

    assert (events[1]["name"], events[1]["value"]["code"]) == ("lyra.error", "not_found")
    assert events[-1]["type"] == "RUN_FINISHED"


async def test_without_an_answer_to_an_interrupt_the_last_message_is_the_users(
    lyra: Proposing,
) -> None:
    refused = await post(lyra, AGUI, {**INPUT, "messages": SPOKEN})

    assert refused.json["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("public_url", [None, "https://lyra.example.org/music"])
async def test_openai_clients_get_a_link_to_the_page(start: Start, public_url: str | None) -> None:
    async with scripted_model() as model:
        service = await start(llm_base_url=model.url, public_url=public_url)
        lyra = Proposing(service, model)
        model.replies = [*proposing()]
        whole = (await post(lyra, OPENAI, {"messages": [USER]})).json
        model.replies = [*proposing()]
        streamed = await post(lyra, OPENAI, {"messages": [USER], "stream": True})

    text = whole["choices"][0]["message"]["content"]
    page = f"{public_url or service.url}/"
    assert text.startswith("Let me look. ")
    said = text.rpartition("\n\n")[2]
    assert said.startswith(
        f"Proposed: Slow Tides, 10 songs. See and save it here: {page}?playlist="
    )
    assert "tool_calls" not in whole["choices"][0]["message"]
    chunks = [each for each in documents(data_of(streamed.body)[:-1]) if each["choices"]]
    pieces = "".join(each["choices"][0]["delta"].get("content", "") for each in chunks)
    assert pieces.count("See and save it here: ") == 1
    assert pieces.rpartition("=")[0] == text.rpartition("=")[0]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_openai_clients_get_the_link_also_where_the_answer_is_stopped(start: Start) -> None:
    async with scripted_model(*proposing()[:-1], Paused()) as model:
        service = await start(llm_base_url=model.url)
        body, headers = {"messages": [USER], "stream": True}, service.headers(ANNA)
        async with service.http.post(OPENAI, json=body, headers=headers) as response:
            seen = await read_until(response, b"Before")
            run = documents(data_of(seen[: seen.index(b"\n\n") + 2]))[0]["id"]
            await stop(service, run.removeprefix("chatcmpl-"), ANNA)
            seen += await response.read()

    assert seen.count(b"See and save it here: ") == 1
    *chunks, last = documents(data_of(seen)[:-1])
    assert "See and save it here: " in chunks[-1]["choices"][0]["delta"]["content"]
    assert last["choices"][0]["finish_reason"] == "stop"


async def test_answers_to_interrupts_are_counted_with_saves(start: Start) -> None:
    async with scripted_model() as model:
        lyra = Proposing(await start(llm_base_url=model.url, rate_per_minute=2), model)
        interrupt = await interrupted(lyra)
        proposal_id = interrupt["metadata"]["id"]
        saved = [await lyra.save(proposal_id, ANNA), await lyra.save(proposal_id, ANNA)]
        refused = await resume(lyra, approved(interrupt))

    assert [each.status for each in saved] == [201, 201]
    assert refused[1]["value"]["reason"] == "rate"
    assert refused[-1]["code"] == "too_many_requests"
