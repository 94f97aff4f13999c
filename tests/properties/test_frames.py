"""Server-sent events: what is put into frames comes out of them, whatever the words are."""

import re
from typing import Any

import orjson
from hypothesis import given, strategies as st

from lyra.chat.parts import Abort, Failure, Finish, Part, Start, TextDelta, status
from lyra.web.http.event_stream import frame
from tests.support.spotify_answers import NASTY

words = st.text() | st.sampled_from((*NASTY, "\r", "\n\n", "\r\n", "data: [DONE]\n\n", "\u2028"))
values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words
metadata = st.dictionaries(words, values, max_size=3)


def events(stream: bytes) -> list[str]:
    """The data of each event, read as the HTML standard says."""
    found, data = [], list[str]()
    for line in re.split(r"\r\n|\n|\r", stream.decode()):
        if not line and data:
            found.append("\n".join(data))
            data = []
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
    return found


def received(*parts: Part) -> list[Any]:
    """The parts as a client has them after the wire."""
    stream = b"".join(frame(part.encode()) for part in parts)
    return [orjson.loads(event) for event in events(stream)]


@given(st.lists(words, max_size=5))
def test_the_words_of_an_answer_come_out_as_they_went_in(pieces: list[str]) -> None:
    found = received(*(TextDelta("text-1", piece) for piece in pieces))

    assert found == [{"type": "text-delta", "id": "text-1", "delta": piece} for piece in pieces]


@given(words, metadata)
def test_every_other_part_comes_out_as_it_went_in(text: str, told: dict[str, Any]) -> None:
    found = received(
        Start(text, told),
        status("thinking", **told),
        Failure(text),
        Finish("stop", told),
        Abort(text),
    )

    assert found == [
        {"type": "start", "messageId": text, "messageMetadata": told},
        {"type": "data-status", "data": {"phase": "thinking", **told}, "transient": True},
        {"type": "error", "errorText": text},
        {"type": "finish", "finishReason": "stop", "messageMetadata": told},
        {"type": "abort", "reason": text},
    ]


@given(words)
def test_an_event_is_one_line_and_an_empty_one(text: str) -> None:
    sent = frame(TextDelta("text-1", text).encode())

    assert sent.startswith(b"data: {")
    assert sent.endswith(b"}\n\n")
    assert sent.count(b"\n") == 2
    assert b"\r" not in sent
