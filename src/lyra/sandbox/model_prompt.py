"""What a Messages request asks: its fields, and the listening data in its system prompt."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
import orjson

from lyra.sandbox.listening_lines import read_lines
from lyra.sandbox.model_checks import check_exchanges, check_tools
from lyra.sandbox.model_conversation import (
    Block,
    Called,
    Turn,
    question_at,
    rounds_after,
    text_of,
)
from lyra.timezones import read_zone

_OPEN, _CLOSE = "<listening_data>", "</listening_data>"
_CHARS_A_TOKEN = 4
_TIME = re.compile(
    r"\A\[\w+ (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2})"
    r"(?: UTC|, (?P<zone>[\w/+-]+), UTC(?P<offset>[+-][0-9]{4}))\]\s*"
)


class Prompt(msgspec.Struct):
    """The fields that the sandbox reads; all others are accepted and ignored."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    max_tokens: Annotated[int, msgspec.Meta(ge=0)]
    messages: Annotated[list[Turn], msgspec.Meta(min_length=1)]
    system: str | list[Block] = ""
    tools: list[Block] = []
    tool_choice: Block | None = None
    stream: bool = False
    cache_control: Block | None = None
    temperature: float | msgspec.UnsetType | None = msgspec.UNSET
    top_p: float | msgspec.UnsetType | None = msgspec.UNSET
    top_k: int | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def question(self) -> str:
        """The words of the question, without the time at which it was asked."""
        return _TIME.sub("", self._asked, count=1)

    @property
    def asked_at(self) -> datetime | None:
        """When the question was asked, if it begins with that, by the clock that it names.

        "[Tuesday 2026-12-01 08:00 UTC]" or "[… 09:00, Europe/Berlin, UTC+0100]". This may read a
        file of time zones.
        """
        match = _TIME.match(self._asked)
        if match is None:
            return None
        try:
            when = datetime.fromisoformat(f"{match['time']}{match['offset'] or '+00:00'}")
            return read_zone(match["zone"] or "UTC").local(when)
        except ValueError:
            return None  # the 99th of a month, or a zone that does not exist

    @property
    def _asked(self) -> str:
        return self.messages[question_at(self.messages)].text

    @property
    def rounds(self) -> list[list[Called]]:
        """The tools that were called since the question, by the message that called them."""
        return rounds_after(self.messages, question_at(self.messages))

    @property
    def said(self) -> str:
        """All that the assistant has said before."""
        return "\n".join(turn.text for turn in self.messages if turn.role == "assistant")

    @property
    def last_said(self) -> str:
        """What the assistant said last before the question."""
        before = self.messages[: question_at(self.messages)]
        return next((turn.text for turn in before[::-1] if turn.role == "assistant"), "")

    @property
    def offered(self) -> tuple[str, ...]:
        """The names of the tools that may be called."""
        choice = self.tool_choice or {}
        if choice.get("type") == "tool":
            return (choice["name"],)
        return () if choice.get("type") == "none" else tuple(each["name"] for each in self.tools)

    @property
    def must_call(self) -> bool:
        """Whether the request insists on a call."""
        return (self.tool_choice or {}).get("type") in ("any", "tool")

    @property
    def parallel(self) -> bool:
        """Whether one message may call several tools."""
        return not (self.tool_choice or {}).get("disable_parallel_tool_use")

    @property
    def rules(self) -> str:
        """The words of the system prompt."""
        return text_of(self.system)

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
    def prefix(self) -> str:
        """What comes before the messages, as the cache of prompts reads it: tools, then system."""
        return _json(self.tools) + self.rules

    @property
    def cached_prefix(self) -> str | None:
        """The tools and the system text up to the last cache mark; None where nothing is marked."""
        if self.cache_control is not None:
            return self.prefix
        system = [] if isinstance(self.system, str) else self.system
        if end := _marked(system):
            return _json(self.tools) + text_of(system[:end])
        return _json(self.tools[:end]) if (end := _marked(self.tools)) else None


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
    if not all(turn.text.strip() or _has_blocks(turn) for turn in prompt.messages):
        raise ValueError("messages: text content blocks must be non-empty")
    check_tools(prompt.tools, prompt.tool_choice)
    check_exchanges(prompt.messages, with_tools=bool(prompt.tools))
    return prompt


def measure(prompt: Prompt, *, seen: bool) -> Usage:
    """What the prompt costs, where its marked prefix was `seen` before or is written now."""
    spoken = sum(turn.bytes for turn in prompt.messages)
    prefix = tokens(prompt.cached_prefix or "")
    fresh = max(1, tokens(prompt.prefix) - prefix) + max(1, spoken // _CHARS_A_TOKEN)
    return Usage(fresh, 0 if seen else prefix, prefix if seen else 0)


def tokens(text: str) -> int:
    """About how many tokens this text is."""
    return len(text) // _CHARS_A_TOKEN


def _json(tools: Sequence[Block]) -> str:
    return orjson.dumps(tools).decode() if tools else ""


def _marked(blocks: Sequence[Block]) -> int:
    """Return the number of blocks up to the last one with a cache mark, that one included."""
    marked = (at for at, block in enumerate(blocks, 1) if block.get("cache_control"))
    return max(marked, default=0)


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
