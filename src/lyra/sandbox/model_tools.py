"""The sandbox model's message: a call of the tools that the question needs, or its answer in words."""

from collections.abc import Sequence
from typing import Any

from lyra.sandbox.model_answers import answer
from lyra.sandbox.model_blocks import Reply, ToolCall, reply, tool_call
from lyra.sandbox.model_conversation import Called
from lyra.sandbox.model_findings import finds_in, listings_in, tell_listing, tell_named, tell_new
from lyra.sandbox.model_listener import read_listener
from lyra.sandbox.model_plan import Plan, plan, plan_any
from lyra.sandbox.model_playlist import PROPOSE, next_calls, tell_proposal
from lyra.sandbox.model_prompt import Prompt
from lyra.sandbox.rng import spotify_id

_FAILED = (
    "I wanted to look that up, but got no answer that I could use, so I name nothing unchecked."
)


_NOT_PROPOSED = "I could not put a playlist together of that."


def decide(prompt: Prompt) -> Reply:
    """Return the model's next message; the same for the same request."""
    if not prompt.tools:
        return reply(_say(prompt))
    planned = plan(prompt)
    if prompt.must_call:
        return reply("", _forced(prompt, planned))
    if prompt.rounds:
        calls = _calls(prompt, _next(prompt, planned))
        return reply("", calls) if calls else reply(_conclude(prompt, planned))
    calls = _calls(prompt, planned.calls) if planned else []
    return reply(planned.words, calls) if planned and calls else reply(_say(prompt))


def tool_id(prompt: Prompt, *parts: object) -> str:
    """Return the id of a call in this message: no other in the conversation has it."""
    return f"toolu_{spotify_id(prompt.question, len(prompt.messages), *parts)}"


def _next(prompt: Prompt, planned: Plan | None) -> list[tuple[str, Any]]:
    """Return the calls with which a playlist goes on; of nothing else there is a second step."""
    if planned is None or planned.wish is None:
        return []
    listener = read_listener(prompt.listening or {}, prompt.asked_at)
    return next_calls(planned.wish, listener, prompt.rounds, prompt.said)


def _calls(prompt: Prompt, wanted: Sequence[tuple[str, Any]]) -> list[ToolCall]:
    """Return those of these calls whose tools are offered; only one where the request says so."""
    calls = [
        tool_call(tool_id(prompt, number), name, value)
        for number, (name, value) in enumerate(wanted)
        if name in prompt.offered
    ]
    return calls[: None if prompt.parallel else 1]


def _forced(prompt: Prompt, planned: Plan | None) -> list[ToolCall]:
    """Return a call of an offered tool, whatever the question is."""
    for each in (planned, plan_any(prompt)):
        if each and (calls := _calls(prompt, each.calls)):
            return calls
    return [tool_call(tool_id(prompt, 0), prompt.offered[0], {})]


def _conclude(prompt: Prompt, planned: Plan | None) -> str:
    """Return the answer from what the tools gave."""
    calls = [call for each in prompt.rounds for call in each]
    if proposal := tell_proposal(calls):
        return proposal
    told = _tell(prompt, planned, calls)
    if any(call.name == PROPOSE for call in calls):
        return f"{_NOT_PROPOSED}\n\n{told}".strip()
    return told or f"{_FAILED}\n\n{_say(prompt)}"


def _tell(prompt: Prompt, planned: Plan | None, calls: Sequence[Called]) -> str:
    """Return what the look-ups gave; empty where they gave nothing to speak of."""
    wanted = planned.count if planned else None
    if listings := listings_in(calls):
        return "\n\n".join(tell_listing(each, wanted) for each in listings)
    if not (finds := finds_in(calls)):
        return ""
    if planned and planned.purpose == "named":
        return tell_named(finds)
    return tell_new(finds, read_listener(prompt.listening or {}, prompt.asked_at), wanted)


def _say(prompt: Prompt) -> str:
    return answer(prompt.question, prompt.listening, prompt.asked_at)
