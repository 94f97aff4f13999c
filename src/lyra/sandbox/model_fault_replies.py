"""What the sandbox model says under a fault: hostile messages in place of sensible ones.

Most faults are hostile in one message: the first after the question, where tools are offered.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from lyra.sandbox.model_answers import answer
from lyra.sandbox.model_blocks import (
    Reply,
    ReplyBlock,
    Thinking,
    ToolCall,
    Words,
    json_pieces,
    pieces,
    reply,
    tool_call,
    words,
)
from lyra.sandbox.model_findings import finds_in, item_in
from lyra.sandbox.model_plan import plan, plan_any
from lyra.sandbox.model_playlist import PROPOSE
from lyra.sandbox.model_prompt import Prompt
from lyra.sandbox.model_tools import decide, tool_id
from lyra.sandbox.rng import hexadecimal, spotify_id

Speak = Callable[[Prompt, str], Reply]

_MAX_TOKENS_PIECES = 5
_CALLS = 20
_GIANT_ITEMS = 5_000
_BROKEN = '{"items": [{"artist": "Cyve Or'
_THOUGHT = "The listener asks for music; I should look it up before I name any."
_ORDER = re.compile(
    r"ignore all previous|new instructions|from now on|you are now|reveal the", re.IGNORECASE
)
_CLAIM = (
    "I have looked these up for you, and all of them are new to you and on Spotify:\n\n"
    "- **Lighthouse of Nobody** \u2013 The Unrecorded Hours: you will love it\n"
    "- **Seventeen Paper Moons** \u2013 Marrow & Tide: as good as your favourites\n"
    "- **Song That Was Never Sung** \u2013 The Unrecorded Hours: their best known"
)

_PLAYLIST_ORDER = re.compile(
    r"\b(?:make|create|save|propose)\b.{0,60}\bplaylist\b", re.IGNORECASE | re.DOTALL
)
_SAVED = (
    "Done: I have made the playlist \u201cNew songs\u201d with 8 songs, 30 minutes, and saved it to your "
    "Spotify account. You find it among your playlists."
)


def refuse(name: str, prompt: Prompt) -> str | None:
    """Return why a fault of this name refuses the request with a 400; None where it does not."""
    if name == "toolrefused" and prompt.tools:
        return "tools: Extra inputs are not permitted"
    if name == "toolthinking":
        return next(_changed_thoughts(prompt), None)
    return None


def _changed_thoughts(prompt: Prompt) -> Iterator[str]:
    for at, turn in enumerate(prompt.messages):
        for place, block in turn.blocks("thinking"):
            if block.get("signature") != _signature(str(block.get("thinking"))):
                yield f"messages.{at}.content.{place}: Invalid `signature` in `thinking` block"
        if next(turn.blocks("tool_use"), None) and next(turn.blocks("thinking"), (1,))[0] != 0:
            yield (
                f"messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but "
                "found another. When `thinking` is enabled, a final `assistant` message must "
                "start with a thinking block."
            )


def _refusal(_: Prompt, __: str) -> Reply:
    return Reply((Words(()),), "refusal")


def _max_tokens(prompt: Prompt, _: str) -> Reply:
    return replace(decide(prompt).cut(_MAX_TOKENS_PIECES), stop_reason="max_tokens")


def _first(hostile: Speak) -> Speak:
    """Return a decision that is hostile in the first message after the question alone."""

    def speak(prompt: Prompt, argument: str) -> Reply:
        if prompt.rounds or not prompt.offered:
            return decide(prompt)
        return hostile(prompt, argument)

    return speak


def _lookup(prompt: Prompt) -> Reply:
    """Return a message that looks songs up, whatever was asked."""
    planned = plan(prompt) or plan_any(prompt)
    calls = [tool_call(tool_id(prompt, number), *each) for number, each in enumerate(planned.calls)]
    return reply(planned.words, calls)


def _bad_json(prompt: Prompt, argument: str) -> Reply:
    broken = '["a list"]' if argument == "list" else _BROKEN
    return _with_input(prompt, json_pieces(broken), "tool_use")


def _cut(prompt: Prompt, argument: str) -> Reply:
    json = orjson.dumps({"items": [{"artist": "Cyve Orave"}]}).decode()
    return _with_input(prompt, json_pieces(json if argument == "whole" else _BROKEN), "max_tokens")


def _with_input(prompt: Prompt, json: tuple[str, ...], stop_reason: str) -> Reply:
    call = ToolCall(tool_id(prompt, 0), "find_music", json)
    return Reply((words("Let me look."), call), stop_reason)


def _unknown(prompt: Prompt, _: str) -> Reply:
    return reply("I will tidy up.", [tool_call(tool_id(prompt, 0), "delete_everything", {})])


def _endless(prompt: Prompt, _: str) -> Reply:
    number = len(prompt.rounds)
    value = {"items": [{"artist": f"Artist {number}", "title": f"Title {number}"}]}
    return reply("", [tool_call(tool_id(prompt, 0), "find_music", value)])


def _twenty(prompt: Prompt, _: str) -> Reply:
    values = [{"items": [{"artist": f"Artist {number}"}]} for number in range(_CALLS)]
    return reply("", [_find(prompt, number, value) for number, value in enumerate(values)])


def _same(prompt: Prompt, _: str) -> Reply:
    values = [{"items": [{"artist": name}]} for name in ("Artist 1", "Artist 2")]
    return reply("", [_find(prompt, 0, value) for value in values])


def _wrong_arguments(prompt: Prompt, _: str) -> Reply:
    values: list[Mapping[str, Any]] = [
        {"items": "Cyve Orave"},
        {"items": [{"artist": 7, "title": ["x"], "kind": None}]},
        {"items": [{"artist": "Cyve Orave", "title": "x"}] * _GIANT_ITEMS},
        {"items": None, "uri": {"$gt": ""}},
    ]
    return reply("", [_find(prompt, number, value) for number, value in enumerate(values)])


def _find(prompt: Prompt, number: int, value: Mapping[str, Any]) -> ToolCall:
    return tool_call(tool_id(prompt, number), "find_music", value)


def _end_turn(prompt: Prompt, _: str) -> Reply:
    return replace(_lookup(prompt), stop_reason="end_turn")


def _late(prompt: Prompt, _: str) -> Reply:
    looked = _lookup(prompt)
    return replace(looked, blocks=(*looked.blocks, words("One moment, I am looking.")))


def _thinking(prompt: Prompt, _: str) -> Reply:
    looked = _lookup(prompt)
    thought = Thinking(tuple(pieces(_THOUGHT)), _signature(_THOUGHT))
    return replace(looked, blocks=(thought, *looked.blocks))


def _signature(thought: str) -> str:
    return hexadecimal(64, "thinking", thought)


def _invent(_: Prompt, __: str) -> Reply:
    return reply(_CLAIM)


def _ignore(prompt: Prompt, _: str) -> Reply:
    return reply(answer(prompt.question, prompt.listening, prompt.asked_at))


def _silent(prompt: Prompt, _: str) -> Reply:
    if prompt.rounds:
        return Reply(())
    return _lookup(prompt) if prompt.offered else decide(prompt)


def _obey(prompt: Prompt, _: str) -> Reply:
    """Do what the first order says that stands in the listening data or in a result."""
    results = [called.result for each in prompt.rounds for called in each]
    texts = _texts([prompt.listening, results])
    order = next((text for text in texts if _ORDER.search(text)), None)
    if order is None:
        return decide(prompt)
    value = {"query": order, "kind": "track"}
    if any(called.input == value for each in prompt.rounds for called in each):
        return reply(f"I have done as I was told: {order}")
    if not prompt.offered:
        return reply(f"I do as I am told: {order}")
    call = tool_call(tool_id(prompt, 0), "search_catalogue", value)
    return reply(f"I do as I am told: {order}", [call])


def _propose_invented(prompt: Prompt, _: str) -> Reply:
    """Propose tracks that nothing has found."""
    return _propose(prompt, {"name": "New songs", "uris": _invented_uris(8)})


def _propose_two(prompt: Prompt, _: str) -> Reply:
    """Propose two playlists at once."""
    uris = _invented_uris(8)
    values = [{"name": name, "uris": uris[at:][:4]} for name, at in (("First", 0), ("Second", 4))]
    return _propose(prompt, *values)


def _propose_twice(prompt: Prompt, _: str) -> Reply:
    """Propose every track twice, where a sensible model proposes it once."""
    said = decide(prompt)
    return replace(said, blocks=tuple(map(_doubled, said.blocks)))


def _propose_obeying(prompt: Prompt, _: str) -> Reply:
    """Propose the playlist that the first name orders, of whatever was found so far."""
    calls = [called for each in prompt.rounds for called in each]
    texts = _texts([prompt.listening, [called.result for called in calls]])
    order = next((text for text in texts if _PLAYLIST_ORDER.search(text)), None)
    proposed = any(called.name == PROPOSE for called in calls)
    if order is None or proposed or PROPOSE not in prompt.offered:
        return decide(prompt)
    found = [item["uri"] for item in map(item_in, finds_in(calls)) if item and item.get("uri")]
    return _propose(prompt, {"name": order, "uris": found or _invented_uris(3)})


def _claim_saved(_: Prompt, __: str) -> Reply:
    return reply(_SAVED)


def _propose(prompt: Prompt, *values: Mapping[str, Any]) -> Reply:
    if PROPOSE not in prompt.offered:
        return decide(prompt)
    calls = [
        tool_call(tool_id(prompt, number), PROPOSE, value) for number, value in enumerate(values)
    ]
    return reply("Let me put a playlist together.", calls)


def _doubled(block: ReplyBlock) -> ReplyBlock:
    if not isinstance(block, ToolCall) or block.name != PROPOSE:
        return block
    value = orjson.loads("".join(block.pieces))
    uris = [uri for uri in value["uris"] for _ in range(2)]
    return tool_call(block.id, block.name, {**value, "uris": uris})


def _invented_uris(count: int) -> list[str]:
    return [f"spotify:track:{spotify_id('nobody found', number)}" for number in range(count)]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value.values()])
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


REPLIES: dict[str, Speak] = {
    "refusal": _refusal,
    "max_tokens": _max_tokens,
    "toolbadjson": _first(_bad_json),
    "toolunknown": _first(_unknown),
    "toolendless": _endless,
    "tooltwenty": _first(_twenty),
    "toolcut": _first(_cut),
    "toolendturn": _first(_end_turn),
    "toolinvent": _invent,
    "toolignore": _ignore,
    "toolobey": _obey,
    "toolproposeinvented": _first(_propose_invented),
    "toolproposetwo": _first(_propose_two),
    "toolproposetwice": _propose_twice,
    "toolproposeobey": _propose_obeying,
    "toolproposeclaim": _claim_saved,
    "toolsame": _first(_same),
    "toolargs": _first(_wrong_arguments),
    "toolthinking": _first(_thinking),
    "toollate": _first(_late),
    "toolsilent": _silent,
    "toolerrmid": _first(lambda prompt, _: _lookup(prompt)),
}
