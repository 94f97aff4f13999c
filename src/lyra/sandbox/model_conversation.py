"""The messages of a request: their words, and the tools that were called since the question."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import orjson

Block = dict[str, Any]


class Turn(msgspec.Struct):
    """One message of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]

    @property
    def text(self) -> str:
        """Its words, without those of tool results."""
        return text_of(self.content)

    @property
    def bytes(self) -> int:
        """How much of it the model reads: of words their length, of other blocks their JSON's."""
        if isinstance(self.content, str):
            return len(self.content)
        others = sum(len(orjson.dumps(each)) for each in self.content if not _is_text(each))
        return len(self.text) + others

    def blocks(self, kind: str) -> Iterator[tuple[int, Block]]:
        """Yield its blocks of this type, with their places."""
        for place, block in enumerate([] if isinstance(self.content, str) else self.content):
            if block.get("type") == kind:
                yield place, block


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a tool; `result` is the JSON value that came back, None for an error."""

    name: str
    input: Mapping[str, Any]
    result: Any


def text_of(content: str | Sequence[Block]) -> str:
    """Return the words of a content, one text block a line."""
    if isinstance(content, str):
        return content
    return "\n".join(str(each.get("text", "")) for each in content if _is_text(each))


def question_at(turns: Sequence[Turn]) -> int:
    """Return the place of the last message of the user that has words, else of the last one."""
    spoken = (at for at, turn in enumerate(turns) if turn.role == "user" and turn.text.strip())
    return max(spoken, default=len(turns) - 1)


def rounds_after(turns: Sequence[Turn], place: int) -> list[list[Called]]:
    """Return the calls of each of the assistant's messages behind this place that has some."""
    rounds = []
    for at in range(place + 1, len(turns) - 1):
        results = {each.get("tool_use_id"): each for _, each in turns[at + 1].blocks("tool_result")}
        called = [_called(block, results) for _, block in turns[at].blocks("tool_use")]
        if called:
            rounds.append(called)
    return rounds


def _called(block: Block, results: Mapping[Any, Block]) -> Called:
    result = results.get(block.get("id"), {})
    failed = bool(result.get("is_error"))
    return Called(block["name"], block["input"], None if failed else _value(result))


def _value(result: Block) -> Any:
    try:
        return orjson.loads(text_of(result.get("content", "")))
    except orjson.JSONDecodeError:
        return None


def _is_text(block: Block) -> bool:
    return block.get("type") == "text"
