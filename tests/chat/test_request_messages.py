"""Of a body's messages only what is read is made, whatever a stranger puts into a megabyte."""

import tracemalloc

import pytest

from lyra.chat.request_messages import MAX_PARTS
from lyra.chat.request_schema import ChatInput, Turn, parse_question
from lyra.errors import InvalidJsonError, RequestError
from tests.chat.test_request_schema import (
    AGAIN,
    ASKED,
    question_or_refusal,
    refusal,
    turns,
    use_chat,
)

MIB = 2**20


def megabyte(begin: bytes, element: bytes, end: bytes) -> bytes:
    count = (MIB - len(begin) - len(end)) // (len(element) + 1)
    return begin + b",".join([element] * count) + end


PLACES = {
    "junk": (b'{"message":"x","junk":[', b"]}"),
    "history": (b'{"message":"x","history":[', b"]}"),
    "messages": (b'{"messages":[', b"]}"),
    "parts": (b'{"messages":[{"role":"user","parts":[', b"]}]}"),
    "content": (b'{"messages":[{"role":"user","content":[', b"]}]}"),
    "object": (b'{"messages":[{"role":"user","content":{"a":[', b"]}}]}"),
    "member of a part": (b'{"messages":[{"role":"user","parts":[{"text":"a","x":[', b"]}]}]}"),
    "old messages": (b'{"messages":[', b',{"role":"user","content":"x"}]}'),
    "document": (b"[", b"]"),
}
ELEMENTS = (
    b"{}",
    b"[]",
    b"1.5",
    b'""',
    b'{"a":[{}]}',
    b'{"text":"a"}',
    b'{"role":"user"}',
    b'{"role":"user","parts":[]}',
    b'{"role":"user","parts":[%b]}' % b",".join([b"{}"] * 60),
)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("place", PLACES)
def test_no_megabyte_is_made_into_objects_that_nobody_reads(place: str, element: bytes) -> None:
    begin, end = PLACES[place]
    body = megabyte(begin, element, end)

    tracemalloc.start()
    try:
        question_or_refusal_of(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    # The body as text, the messages and one of them as bytes, and the 5,000 that may be made.
    assert peak < 4 * MIB


def question_or_refusal_of(body: bytes) -> ChatInput | str:
    try:
        return parse_question(body)
    except RequestError as refused:
        return str(refused)


@pytest.mark.parametrize("member", ["parts", "content"])
@pytest.mark.parametrize("more", [0, 1])
def test_a_message_has_so_many_parts_and_no_more(member: str, more: int) -> None:
    part = {"type": "text", "text": "x"}
    parsed = question_or_refusal(
        {"messages": [{"role": "user", member: [part] * (MAX_PARTS + more)}]}
    )

    if more:
        assert parsed == f"$.messages[0].{member}: expected `array` of length <= {MAX_PARTS}."
    else:
        assert isinstance(parsed, ChatInput)


@pytest.mark.parametrize("braces", ["{" * 20_000, [{}] * 20_000])
def test_what_a_part_holds_beside_is_not_counted_as_parts(braces: object) -> None:
    parts = [{"type": "tool-x", "output": braces}, {"type": "text", "text": ASKED}]

    assert turns({"messages": [{"role": "user", "parts": parts}]}) == [("user", ASKED)]


def test_a_list_of_many_parts_is_refused_by_the_path_of_what_is_wrong() -> None:
    parts = [{"type": "text", "text": "x", "more": [{}] * MAX_PARTS}, {"type": 7}]

    message = refusal({"messages": [{"role": "user", "parts": parts}]})

    assert message.startswith("$.messages[0].parts[1].type: ")


UNSEEN_TALK = [("user", "a\x7f" * 10_000), ("assistant", "b\u202e" * 10_000)]


def test_of_a_talk_full_of_what_nobody_sees_no_more_is_cleaned_than_is_needed() -> None:
    kept = turns(use_chat(*UNSEEN_TALK * 20, ("user", AGAIN)))

    assert kept[-1] == ("user", AGAIN)
    assert [words for _, words in kept[:-1]] == ["a" * 10_000, "b" * 10_000]


@pytest.mark.parametrize("space", ["", " ", "\n\t "])
def test_spaces_between_the_members_are_nothing(space: str) -> None:
    text = '{"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}'
    body = text.replace(" ", space).encode()

    assert parse_question(body).turns == (Turn("user", "x"),)


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": "x", "more": "\xff"}',
        b'{"message": 7, "more": [}',
        b'{"message": "x", "\xff": 1}',
        b'{"messages": [{"role": "user", "content": "x", "id": "\xff"}]}',
        b'{"messages": 7, "more": "' + b"a" * 1000,
    ],
)
def test_that_it_is_no_json_is_told_wherever_that_shows(body: bytes) -> None:
    with pytest.raises(InvalidJsonError):
        parse_question(body)


@pytest.mark.parametrize("wide", [b"1," * 5000, b"[]," * 5000])
def test_what_is_deep_and_wide_is_not_made(wide: bytes) -> None:
    deep = b'{"message": "x", "more": ' + b"[" * 1000 + wide + b"1" + b"]" * 1000 + b"}"

    try:
        turns = parse_question(deep).turns
    except InvalidJsonError:  # where the interpreter does not go as deep
        turns = ()
    assert turns in ((), (Turn("user", "x"),))
