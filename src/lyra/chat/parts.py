"""The parts of an answer: the AI SDK UI message stream, version 1, as typed values.

Only types that versions 5, 6 and 7 of the `ai` package all know: an unknown one fails their whole
stream. https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
"""

from typing import Any, Literal

import msgspec
import orjson

from lyra.errors import LyraError

FinishReason = Literal["stop", "length", "content-filter", "error", "other"]


class Part(
    msgspec.Struct, frozen=True, gc=False, tag_field="type", rename="camel", omit_defaults=True
):
    """One step of an answer."""

    def encode(self) -> bytes:
        """Return the part as one line of JSON."""
        # A copy: orjson's own bytes keep the 4 KiB buffer that they were written into.
        return b"%b" % orjson.dumps(msgspec.to_builtins(self))


class Start(Part, frozen=True, tag="start"):
    message_id: str
    message_metadata: dict[str, Any]


class Status(Part, frozen=True, tag="data-status"):
    """What is done while no text comes. Transient: kits show it, and keep it out of history."""

    data: dict[str, Any]
    transient: bool


class TextStart(Part, frozen=True, tag="text-start"):
    id: str


class TextDelta(Part, frozen=True, tag="text-delta"):
    id: str
    delta: str

    def encode(self) -> bytes:
        """See Part.encode; written by hand, since nearly every part is a text delta."""
        return b'{"type":"text-delta","id":"%b","delta":%b}' % (
            self.id.encode(),
            orjson.dumps(self.delta),
        )


class TextEnd(Part, frozen=True, tag="text-end"):
    id: str


class StartStep(Part, frozen=True, tag="start-step"):
    """A round begins: one call of the model, and the tools that it asks for."""


class FinishStep(Part, frozen=True, tag="finish-step"):
    """A round has ended."""


class ToolInputStart(Part, frozen=True, tag="tool-input-start"):
    """The model has begun to call a tool. `title` says for people what is done."""

    tool_call_id: str
    tool_name: str
    title: str
    provider_executed: Literal[True]  # by Lyra: a client that knows the part runs nothing itself
    dynamic: Literal[True]  # a client need not know the tool


class ToolInputAvailable(Part, frozen=True, tag="tool-input-available"):
    """What the tool is called with, as far as it was understood."""

    tool_call_id: str
    tool_name: str
    input: dict[str, Any]
    title: str
    provider_executed: Literal[True]
    dynamic: Literal[True]


class ToolOutputAvailable(Part, frozen=True, tag="tool-output-available"):
    """What the tool gave, the same as the model is told."""

    tool_call_id: str
    output: dict[str, Any]
    provider_executed: Literal[True]
    dynamic: Literal[True]


class ToolOutputError(Part, frozen=True, tag="tool-output-error"):
    """The tool gave nothing; one sentence says why."""

    tool_call_id: str
    error_text: str
    provider_executed: Literal[True]
    dynamic: Literal[True]


class TrackCard(Part, frozen=True, tag="data-track"):
    """An item of the listener's own data, or of a tool's result, that the answer names.

    `id` is its Spotify URI. Of an item that is new to the listener the data hold `new` and a `note`.
    """

    id: str
    data: dict[str, Any]


class PlaylistPart(Part, frozen=True, tag="data-playlist"):
    """A playlist that the listener may save. Nothing is saved by showing it.

    `id` is the proposal's; a later part of the same id takes the place of this one.
    """

    id: str
    data: dict[str, Any]


class Because(Part, frozen=True, tag="data-because"):
    """The facts that the answer rests on: `{"facts": [sentence, …]}`."""

    data: dict[str, Any]


class Finish(Part, frozen=True, tag="finish"):
    finish_reason: FinishReason
    message_metadata: dict[str, Any]

    @property
    def notice(self) -> str | None:
        """The sentence that stands in for an answer that is empty or was refused."""
        sentence: str | None = self.message_metadata.get("notice")
        return sentence


class MessageMetadata(Part, frozen=True, tag="message-metadata"):
    """What `finish` would hold, for an answer that ends without one."""

    message_metadata: dict[str, Any]


class Failure(Part, frozen=True, tag="error"):
    """A failure as a sentence for people; `FailureData` is the same for programs."""

    error_text: str


class FailureData(Part, frozen=True, tag="data-error"):
    data: dict[str, Any]
    transient: bool


class Abort(Part, frozen=True, tag="abort"):
    """The answer was ended on purpose: `stopped` or `draining`."""

    reason: str


def status(phase: str, **more: Any) -> Status:
    """Return a transient status part."""
    return Status({"phase": phase, **more}, transient=True)


def failure_parts(failure: LyraError, request_id: str) -> tuple[Part, Part]:
    """Return the parts of a failure in mid-stream, for programs and for people."""
    # In this order: useChat reads nothing that comes after `error`.
    return FailureData(failure.to_dict(request_id), transient=True), Failure(str(failure))
