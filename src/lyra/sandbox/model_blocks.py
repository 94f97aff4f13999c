"""What a message of the model is made of: words, calls of tools, thinking; all in pieces."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

_PIECE = re.compile(r"\s*\S+|\s+\Z")  # without the second, blanks at the end take their square
_JSON_PIECE = 24


@dataclass(frozen=True, slots=True)
class Words:
    """A text block."""

    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A `tool_use` block; `pieces` are of its input as JSON, the first of them empty."""

    id: str
    name: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Thinking:
    """A `thinking` block; the signature comes behind its pieces."""

    pieces: tuple[str, ...]
    signature: str


ReplyBlock = Words | ToolCall | Thinking


@dataclass(frozen=True, slots=True)
class Reply:
    """One message of the model, and why it ends. A piece counts as one token."""

    blocks: tuple[ReplyBlock, ...]
    stop_reason: str = "end_turn"

    @property
    def tokens(self) -> int:
        """How many tokens it is, at least one."""
        return max(1, sum(len(block.pieces) for block in self.blocks))

    def cut(self, tokens: int) -> "Reply":
        """Return so much of it as these tokens allow."""
        blocks: list[ReplyBlock] = []
        left = tokens
        for block in self.blocks:
            if len(block.pieces) > left:
                cut = replace(block, pieces=block.pieces[:left])
                return Reply((*blocks, cut), "max_tokens")
            blocks.append(block)
            left -= len(block.pieces)
        return self


def pieces(text: str) -> list[str]:
    """The text in pieces of a word each, which joined give the text again."""
    return _PIECE.findall(text)


def words(text: str) -> Words:
    """Return a text block of these words."""
    return Words(tuple(pieces(text)))


def json_pieces(json: str) -> tuple[str, ...]:
    """Return the pieces in which the input of a call is streamed."""
    return ("", *(json[at : at + _JSON_PIECE] for at in range(0, len(json), _JSON_PIECE)))


def tool_call(identifier: str, name: str, value: Any) -> ToolCall:
    """Return the call of a tool with this input; an empty one has no JSON at all."""
    return ToolCall(identifier, name, json_pieces(orjson.dumps(value).decode() if value else ""))


def reply(said: str, calls: Sequence[ToolCall] = ()) -> Reply:
    """Return a message of these words, if there are any, and these calls."""
    spoken = (words(said),) if said else ()
    return Reply((*spoken, *calls), "tool_use" if calls else "end_turn")
