"""A turn of the model is recorded so that its server takes it back, whatever it has sent."""

import re
from typing import Any

import orjson
import pytest

from lyra.chat.model.port import Done, Piece, ToolCall, ToolProgress, ToolStart, Usage
from lyra.chat.model.stream_accumulator import StreamAccumulator
from lyra.chat.model.turn_recorder import TurnRecorder

Event = dict[str, Any]


def start(block: Event) -> Event:
    return {"type": "content_block_start", "index": 0, "content_block": block}


def delta(kind: str, **members: Any) -> Event:
    return {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": f"{kind}_delta", **members},
    }


def text(words: str) -> Event:
    return delta("text", text=words)


def arguments(json: str) -> Event:
    return delta("input_json", partial_json=json)


def call(name: object = "find_music", call_id: object = "toolu_1", **members: Any) -> Event:
    return start({"type": "tool_use", "id": call_id, "name": name, "input": {}, **members})


def end(reason: str = "tool_use") -> list[Event]:
    return [{"type": "message_delta", "delta": {"stop_reason": reason}}, {"type": "message_stop"}]


def read(*events: Event) -> tuple[list[Piece], Done]:
    """The pieces before the end but for counts, as if all events came in one read, and the end."""
    accumulator = StreamAccumulator(tools_offered=True)
    for event in events:
        accumulator.feed(orjson.dumps(event))
    pieces: list[Piece] = [
        each for each in accumulator.take_pieces() if not isinstance(each, Usage)
    ]
    assert isinstance(accumulator.ending, Done)
    return pieces, accumulator.ending


def test_pieces_come_in_the_order_of_their_events() -> None:
    pieces, done = read(
        text("One"),
        text(" two"),
        call(),
        arguments('{"a"'),
        arguments(":1}"),
        text("three"),
        *end(),
    )

    assert pieces == ["One two", ToolStart("find_music"), "three", ToolProgress()]
    assert done.calls == (ToolCall(0, "toolu_1", "find_music", {"a": 1}),)
    assert [block["type"] for block in done.blocks] == ["text", "tool_use", "text"]


def test_thinking_is_replayed_with_its_signature() -> None:
    thinking = start({"type": "thinking", "thinking": "", "signature": ""})
    hidden = {"type": "redacted_thinking", "data": "c2VjcmV0"}
    _, done = read(
        thinking,
        delta("thinking", thinking="Let me"),
        delta("thinking", thinking=" see."),
        delta("signature", signature="c2ln"),
        start(hidden),
        call(),
        *end(),
    )

    first, second, _ = done.blocks
    assert first == {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}
    assert second == hidden


def test_a_call_without_input_is_a_call_with_an_empty_one() -> None:
    _, done = read(call(), arguments(""), *end())

    assert done.calls[0].arguments == {}


def test_an_input_that_comes_with_the_beginning_is_taken() -> None:
    _, done = read(call(input={"a": 1}), *end())

    assert done.calls[0].arguments == {"a": 1}


@pytest.mark.parametrize(
    "json",
    [
        '{"a":',
        "[1]",
        "7",
        "null",
        '"words"',
        "{}{}",
        '{"a":"\\ud800"}',
        "[" * 2000,
        '{"a":' * 300 + "1" + "}" * 300,
        '{"a": "%s"}' % ("x" * 131_072),
    ],
    ids=range(10),
)
def test_an_input_that_is_no_object_is_none_and_replayed_as_an_empty_one(json: str) -> None:
    _, done = read(call(), arguments(json), *end())

    assert done.calls[0].arguments is None
    assert done.blocks[0]["input"] == {}


def test_a_delta_belongs_to_the_last_block_of_its_type() -> None:
    accumulator = StreamAccumulator(tools_offered=True)
    events = [
        start({"type": "thinking", "thinking": ""}),
        call(),
        arguments('{"a"'),
        text("Meanwhile"),
        delta("thinking", thinking="Hm."),
        delta("signature", signature="c2ln"),
        arguments(":1}"),
        *end(),
    ]
    for event in events:
        accumulator.feed(orjson.dumps(event))
        accumulator.take_pieces()  # each in a read of its own

    assert isinstance(accumulator.ending, Done)
    assert accumulator.ending.blocks == (
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "tool_use", "id": "toolu_1", "name": "find_music", "input": {"a": 1}},
        {"type": "text", "text": "Meanwhile"},
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (rb"\ud83c", rb"\udfb5"),
        (b"\xf0\x9f", b"\x8e\xb5"),
    ],
    ids=["UTF-16", "UTF-8"],
)
def test_an_input_that_is_cut_within_a_character_is_whole_again(
    first: bytes, second: bytes
) -> None:
    accumulator = StreamAccumulator(tools_offered=True)
    accumulator.feed(orjson.dumps(call()))
    for piece in (rb"{\"a\":\"" + first, second + rb"\"}"):
        accumulator.feed(orjson.dumps(arguments("PIECE")).replace(b"PIECE", piece))
    for event in end():
        accumulator.feed(orjson.dumps(event))

    assert isinstance(accumulator.ending, Done)
    [made] = accumulator.ending.calls
    assert made.arguments == {"a": "\U0001f3b5"}


def test_a_text_in_more_blocks_than_are_kept_was_not_cut() -> None:
    begun = start({"type": "text", "text": ""})
    pieces, done = read(
        *[each for n in range(70) for each in (begun, text(f"{n} "))], *end("end_turn")
    )

    assert "".join(map(str, pieces)) == "".join(f"{n} " for n in range(70))
    assert done.reason == "stop"


@pytest.mark.parametrize("odd", [None, 7, "", "a b", "x" * 200, "toolu_1", {"a": 1}, "ä"], ids=repr)
def test_an_id_that_cannot_be_sent_back_is_replaced_by_one_that_can(odd: object) -> None:
    _, done = read(call(), call(call_id=odd), *end())

    first, second = done.calls
    assert first.call_id == "toolu_1" != second.call_id
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", second.call_id, re.ASCII)
    assert [block["id"] for block in done.blocks] == ["toolu_1", second.call_id]


@pytest.mark.parametrize("odd", ["toolu_1", "toolu_lyra_1", ""], ids=repr)
def test_an_id_of_a_round_before_is_not_used_again(odd: str) -> None:
    recorder = TurnRecorder({"toolu_1", "toolu_lyra_1", "toolu_lyra_2"})
    for _ in range(2):
        recorder.start({"type": "tool_use", "id": odd, "name": "find_music", "input": {}})

    used = [call.call_id for call in recorder.calls()]
    assert len({"toolu_1", "toolu_lyra_1", "toolu_lyra_2", *used}) == 5


def test_an_id_of_ours_that_a_server_sends_is_not_given_again() -> None:
    _, done = read(call(call_id="toolu_lyra_1"), call(call_id=""), *end())

    assert len({each.call_id for each in done.calls}) == 2


@pytest.mark.parametrize("odd", [None, "", "a b", "../etc", 7, "x" * 65], ids=repr)
def test_a_name_that_cannot_be_sent_back_is_unknown(odd: object) -> None:
    pieces, done = read(call(name=odd), *end())

    assert pieces == [ToolStart("unknown")]
    assert done.blocks[0]["name"] == "unknown"


def test_blank_text_and_unknown_blocks_are_not_replayed() -> None:
    _, done = read(text(" \n"), start({"type": "hologram", "z": 1}), call(), *end())

    assert [block["type"] for block in done.blocks] == ["tool_use"]


@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "model_context_window_exceeded"])
def test_a_turn_that_was_cut_calls_nothing(reason: str) -> None:
    _, done = read(call(), arguments('{"a": 1}'), *end(reason))

    assert (done.calls, done.blocks) == ((), ())


def test_a_turn_without_calls_is_not_kept() -> None:
    _, done = read(text("Hello."), *end("end_turn"))

    assert (done.reason, done.calls, done.blocks) == ("stop", (), ())


@pytest.mark.parametrize(
    "events",
    [
        [call(call_id=f"toolu_{n}") for n in range(100)],
        [call(), *[arguments("x" * 10_000)] * 200],
        [call(call_id=f"toolu_{n}", input={"a": "x" * 30_000}) for n in range(60)],
    ],
    ids=["blocks", "bytes", "bytes of beginnings"],
)
def test_a_turn_beyond_the_bounds_calls_nothing_and_says_that_it_was_cut(
    events: list[Event],
) -> None:
    _, done = read(*events, *end())

    assert (done.reason, done.calls, done.blocks) == ("length", (), ())


def test_where_no_tools_are_offered_nothing_is_called() -> None:
    accumulator = StreamAccumulator()
    for event in (text("One"), call(), arguments("{}"), *end()):
        accumulator.feed(orjson.dumps(event))

    assert [each for each in accumulator.take_pieces() if isinstance(each, str)] == ["One"]
    assert accumulator.ending == Done("other")
