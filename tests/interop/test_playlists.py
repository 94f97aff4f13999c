"""Clients that other people wrote read a proposed playlist, and let the listener confirm it."""

import orjson
import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import Start
from tests.interop.conftest import Run
from tests.interop.test_clients import AI, readers, seen_by
from tests.support.proposals import URIS, proposing
from tests.support.scripted_model import (
    Reply,
    scripted_model,
    stopped,
    streaming,
    tool_use,
    words,
)

TOKEN = sandbox_token()


@readers
async def test_it_reads_an_answer_with_a_proposal(
    start: Start, run: Run, client: tuple[str, ...]
) -> None:
    async with scripted_model(*proposing()) as model:
        seen = await seen_by(run, await start(llm_base_url=model.url), *client)

    assert seen["text"].endswith("Here it is.")


def proposing_twice() -> tuple[Reply, ...]:
    """The turns of a model that proposes a list, and then a shorter one in its place."""
    again = tool_use("propose_playlist", {"name": "Slow Tides", "uris": URIS[:2]})
    find, first, last = proposing()
    return find, first, streaming(words("Better so."), again, stopped("tool_use")), last


@pytest.mark.parametrize("version", AI)
async def test_usechat_has_the_latest_of_two_proposals(
    start: Start, run: Run, version: str
) -> None:
    async with scripted_model(*proposing_twice()) as model:
        seen = await seen_by(run, await start(llm_base_url=model.url), "ai_chat", version)

    assert (seen["status"], seen["error"]) == ("ready", None)
    [playlist] = seen["playlists"]
    assert playlist["uris"] == URIS[:2]


async def test_assistant_stream_lists_both_proposals_and_their_id_says_that_the_later_counts(
    start: Start, run: Run
) -> None:
    """It keeps no id of a data part, so it replaces none: the id is in the data, too."""
    async with scripted_model(*proposing_twice()) as model:
        seen = await seen_by(run, await start(llm_base_url=model.url), "assistant_stream")

    assert seen["error"] is None
    first, second = [each["data"] for each in seen["data"] if each["name"] == "playlist"]
    assert first["id"] == second["id"]
    assert (first["uris"], second["uris"]) == (URIS, URIS[:2])


async def test_aguis_agent_is_interrupted_and_its_approval_saves(
    start: Start, run: Run, sandbox: Sandbox
) -> None:
    async with scripted_model(*proposing()) as model:
        service = await start(llm_base_url=model.url)
        seen = await seen_by(run, service, "agui", "1", "approve")

    assert seen["error"] is None
    [interrupt] = seen["interrupts"]
    assert interrupt["metadata"]["uris"] == URIS
    result = orjson.loads([content for role, content in seen["messages"] if role == "tool"][-1])
    [made] = sandbox.made_playlists(TOKEN)
    assert result["playlist"]["uri"] == f"spotify:playlist:{made.id}"
    assert made.uris == URIS
    assert seen["outcome"] is None


async def test_aguis_agent_goes_on_after_a_refusal(
    start: Start, run: Run, sandbox: Sandbox
) -> None:
    async with scripted_model(*proposing(), *proposing()[-1:]) as model:
        seen = await seen_by(run, await start(llm_base_url=model.url), "agui", "2", "refuse")

    assert seen["error"] is None
    assert seen["text"] == "Here it is."
    assert sandbox.made_playlists(TOKEN) == []


async def test_aguis_agent_goes_on_once_it_has_cancelled_what_has_expired(
    start: Start, run: Run
) -> None:
    """The agent sends no other answer to what has expired, by its own clock."""
    long_ago = 1_000_000_000.0
    async with scripted_model(*proposing(), *proposing()[-1:]) as model:
        service = await start(llm_base_url=model.url, wall_clock=lambda: long_ago)
        seen = await seen_by(run, service, "agui", "2", "cancel")

    assert seen["error"] is None
    assert seen["text"] == "Here it is."


async def test_aguis_agent_learns_what_a_missing_scope_asks_for(start: Start, run: Run) -> None:
    token = sandbox_token(35, "typical", "legacy", "ungranted-writes")
    async with scripted_model(*proposing()) as model:
        service = await start(llm_base_url=model.url)
        seen = await seen_by(run, service, "agui", "1", "approve", token=token)

    assert seen["code"] == "spotify_forbidden"
    assert seen["custom"]["lyra.error"]["action"] == "grant_playlists"
