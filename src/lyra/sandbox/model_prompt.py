"""What a Messages request asks: its fields, and the listening data in its system prompt."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from lyra.sandbox.listening_lines import read_lines

Block = dict[str, Any]

_OPEN, _CLOSE = "<listening_data>", "</listening_data>"
_CHARS_A_TOKEN = 4
_TIME = re.compile(r"\A\[\w+ ([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}) UTC\]\s*")


class Turn(msgspec.Struct):
    """One message of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Prompt(msgspec.Struct):
    """The fields that the sandbox reads; all others are accepted and ignored."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    max_tokens: Annotated[int, msgspec.Meta(ge=0)]
    messages: Annotated[list[Turn], msgspec.Meta(min_length=1)]
    system: str | list[Block] = ""
    stream: bool = False
    cache_control: Block | None = None
    temperature: float | msgspec.UnsetType | None = msgspec.UNSET
    top_p: float | msgspec.UnsetType | None = msgspec.UNSET
    top_k: int | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def question(self) -> str:
        """The words of the last message, without the time at which it was asked."""
        return _TIME.sub("", _text(self.messages[-1].content), count=1)

    @property
    def asked_at(self) -> datetime | None:
        """When the last message was asked, if it begins with that: "[Tuesday 2026-12-01 08:00 UTC]"."""
        match = _TIME.match(_text(self.messages[-1].content))
        try:
            return datetime.fromisoformat(f"{match[1]}+00:00") if match else None
        except ValueError:
            return None  # the 99th of a month

    @property
    def rules(self) -> str:
        """The words of the system prompt."""
        return _text(self.system)

    @property
    def listening(self) -> dict[str, Any] | None:
        """The listening data in the system prompt; None where there is none to be read."""
        for candidate in _between(self.rules):
            try:
                return read_lines(candidate)
            except ValueError:
                continue
        return None

    @property
    def cached_prefix(self) -> str | None:
        """The system text up to its last cache mark; None where the request marks nothing."""
        if self.cache_control is not None or isinstance(self.system, str):
            return self.rules if self.cache_control is not None else None
        marked = [place for place, block in enumerate(self.system) if block.get("cache_control")]
        return _text(self.system[: marked[-1] + 1]) if marked else None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read, estimated at four characters each."""

    fresh: int
    written: int
    cached: int

    def as_dict(self, output: int) -> dict[str, int]:
        """The usage as the API reports it, for this many tokens of output."""
        return {
            "input_tokens": self.fresh,
            "cache_creation_input_tokens": self.written,
            "cache_read_input_tokens": self.cached,
            "output_tokens": output,
        }


def read_prompt(body: bytes) -> Prompt:
    """The request, checked as the API of October 2026 checks it.

    Raises:
        ValueError: The API would answer 400; the message says why.
    """
    prompt = msgspec.json.decode(body, type=Prompt)
    for name in ("temperature", "top_p", "top_k"):
        if getattr(prompt, name) is not msgspec.UNSET:
            raise ValueError(f"{name}: Extra inputs are not permitted")
    if prompt.messages[-1].role != "user":
        raise ValueError("messages: the last message must be from the user")
    if not all(_text(turn.content).strip() or _has_blocks(turn) for turn in prompt.messages):
        raise ValueError("messages: text content blocks must be non-empty")
    return prompt


def measure(prompt: Prompt, *, seen: bool) -> Usage:
    """What the prompt costs, where its marked prefix was `seen` before or is written now."""
    spoken = sum(len(_text(turn.content)) for turn in prompt.messages)
    prefix = tokens(prompt.cached_prefix or "")
    fresh = max(1, tokens(prompt.rules) - prefix) + max(1, spoken // _CHARS_A_TOKEN)
    return Usage(fresh, 0 if seen else prefix, prefix if seen else 0)


def tokens(text: str) -> int:
    """About how many tokens this text is."""
    return len(text) // _CHARS_A_TOKEN


def _text(content: str | list[Block]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(block.get("text", "")) for block in content)


def _has_blocks(turn: Turn) -> bool:
    return not isinstance(turn.content, str) and any(
        block.get("type") != "text" for block in turn.content
    )


def _between(text: str) -> Iterator[str]:
    """Whatever stands between the marks; rules may name the marks before the block itself."""
    start = text.find(_OPEN)
    while start >= 0:
        start += len(_OPEN)
        end = text.find(_CLOSE, start)
        if end >= 0:
            yield text[start:end]
        start = text.find(_OPEN, start)
