"""Record the blocks of one turn of the model, to be replayed whole and unchanged with the results.

The server is not trusted. What it would not take back is mended (the id of a call that is missing
or used twice, a call's name) or left out (blank text, types that are not known here). A turn beyond
the bounds is given up.
"""

import re
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import count
from typing import Any

import orjson

from lyra.chat.model.json_text import decode_text
from lyra.chat.model.port import Block, ToolCall, ToolStart

_MAX_BLOCKS = 64
_MAX_BYTES = 1_048_576  # of calls, thinking and signatures; text has the bound of the answer
_MAX_INPUT_BYTES = 131_072  # of one call: no tool takes as much, and reading it takes its time
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
# The type of the block that a delta belongs to.
_BLOCKS = {
    "input_json_delta": "tool_use",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
}


class _Recorded:
    """One block, and the words or pieces that its deltas have brought."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.words: list[str] = []  # of a text: the same objects as the reader's, no copies
        self.pieces: list[bytes] = []  # of all others, perhaps cut within a character

    def whole(self) -> Block | None:
        """Return the block to be replayed, or None if a server would not take it back."""
        match self.block.get("type"):
            case "text":
                text = "".join(self.words)
                return {"type": "text", "text": text} if text.strip() else None
            case "thinking":
                before = self.block.get("thinking") or ""
                return {**self.block, "thinking": f"{before}{self._joined()}"}
            case "tool_use":
                return {**self.block, "input": self.arguments or {}}
            case "redacted_thinking":
                return self.block
            case _:
                return None

    def _joined(self) -> str:
        return decode_text(b"".join(self.pieces))

    @cached_property
    def arguments(self) -> dict[str, Any] | None:
        """The input of a whole call, which some servers send with its beginning; None: no object."""
        if sum(map(len, self.pieces)) > _MAX_INPUT_BYTES:
            return None
        joined = self._joined()
        try:
            value = orjson.loads(joined) if joined.strip() else self.block["input"]
        except orjson.JSONDecodeError:
            return None
        return value if isinstance(value, dict) and _size(value) is not None else None


class TurnRecorder:
    """Records blocks in their order; a delta belongs to the last one of its type.

    `taken_ids` are those of the calls of the rounds before: a server takes no id twice in a request.
    """

    def __init__(self, taken_ids: AbstractSet[str] = frozenset()) -> None:
        self._blocks: list[_Recorded] = []
        self._ids = set(taken_ids)
        self._size = 0
        self.called = False  # whether a call has begun, be it beyond the bounds
        self._in_text = False  # whether the last block is one of text

    @property
    def overflowed(self) -> bool:
        """Whether the turn is beyond the bounds, and of no use any more."""
        return len(self._blocks) > _MAX_BLOCKS or self._size > _MAX_BYTES

    def start(self, block: Block) -> ToolStart | None:
        """Begin a block; return what there is to say of it, if it is a call."""
        size = _size(block)
        self.called = self.called or block.get("type") == "tool_use"
        if self.overflowed or size is None:
            return None
        self._size += size
        if block.get("type") != "tool_use":
            self._begin(block)
            return None
        name, given = block.get("name"), block.get("input")
        name = name if isinstance(name, str) and _NAME.fullmatch(name) else "unknown"
        call = {"type": "tool_use", "id": self._own_id(block.get("id")), "name": name}
        self._begin({**call, "input": given or {}})
        return ToolStart(name)

    def _begin(self, block: Block) -> None:
        self._blocks.append(_Recorded(block))
        self._in_text = block.get("type") == "text"

    def add_text(self, text: str) -> None:
        """Add text to the open block of text, or to a new one: some servers begin none."""
        if not self._in_text:
            if self.overflowed:
                return
            self._begin({"type": "text"})
        self._blocks[-1].words.append(text)

    def add_delta(self, kind: str, piece: bytes) -> None:
        """Add a delta that is not text: input of a call, thinking, or a signature."""
        of = [each for each in self._blocks if each.block.get("type") == _BLOCKS[kind]]
        if self.overflowed or not of:
            return
        self._size += len(piece)
        if kind == "signature_delta":
            of[-1].block["signature"] = decode_text(piece)
        else:
            of[-1].pieces.append(piece)

    def calls(self) -> tuple[ToolCall, ...]:
        """Return the calls of the turn."""
        uses = [each for each in self._blocks if each.block.get("type") == "tool_use"]
        return tuple(
            ToolCall(number, use.block["id"], use.block["name"], use.arguments)
            for number, use in enumerate(uses)
        )

    def blocks(self) -> tuple[Block, ...]:
        """Return the turn as it is to be replayed."""
        whole = (each.whole() for each in self._blocks)
        return tuple([block for block in whole if block is not None])

    def _own_id(self, sent: object) -> str:
        """Return the id that a server sent for a call, or one that it could not refuse."""
        usable = isinstance(sent, str) and _NAME.fullmatch(sent) and sent not in self._ids
        own = (f"toolu_lyra_{number}" for number in count(len(self._ids)))
        call_id = str(sent) if usable else next(each for each in own if each not in self._ids)
        self._ids.add(call_id)
        return call_id


def _size(block: Block) -> int | None:
    """Return how many bytes the block is as JSON, or None if it nests too deeply to be sent."""
    try:
        return len(orjson.dumps(block))
    except orjson.JSONEncodeError:
        return None
