"""The responses of the OpenAI and AG-UI protocols as types, for /openapi.json alone."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from lyra.web.schemas import Code, Count, ErrorDetail, ShownProposal

StopReason = Literal["stop", "length", "content_filter"]


class ModelEntry(Struct):
    """One model, as OpenAI lists it."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(Struct):
    """Every model that there is."""

    object: Literal["list"]
    data: tuple[ModelEntry, ...]


class CompletionUsage(Struct):
    """Tokens; `prompt_tokens` holds those that the model's server had cached."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count


class CompletionMessage(Struct):
    role: Literal["assistant"]
    content: str


class CompletionChoice(Struct):
    index: int
    message: CompletionMessage
    finish_reason: StopReason


class CompletionAnswer(Struct):
    """A whole chat completion."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: tuple[CompletionChoice, ...]
    usage: CompletionUsage


class ChunkDelta(Struct):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET


class ChunkChoice(Struct):
    index: int
    delta: ChunkDelta
    finish_reason: StopReason | None


class CompletionChunk(Struct):
    """One piece of a chat completion; `usage` is in the last one, where it was asked for."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: CompletionUsage | UnsetType = UNSET


class ChunkErrorDetail(ErrorDetail, kw_only=True):
    """An error as OpenAI's clients read it: `type` is the code once more."""

    type: Code


class ChunkError(Struct):
    """The answer failed, or was ended by the server."""

    error: ChunkErrorDetail


class _Event(Struct, tag_field="type", rename="camel"):
    pass


class RunStarted(_Event, tag="RUN_STARTED"):
    thread_id: str
    run_id: str


class Custom(_Event, tag="CUSTOM"):
    """What Lyra sends beside the protocol.

    `value` of `lyra.start` is the answer's metadata, of `lyra.notice` a sentence, of `lyra.playlist` a
    proposal, of `lyra.error` why an interrupt's answer came to nothing.
    """

    name: Literal["lyra.start", "lyra.notice", "lyra.playlist", "lyra.error"]
    value: Any


class TextMessageStart(_Event, tag="TEXT_MESSAGE_START"):
    message_id: str
    role: Literal["assistant"]


class TextMessageContent(_Event, tag="TEXT_MESSAGE_CONTENT"):
    message_id: str
    delta: str


class TextMessageEnd(_Event, tag="TEXT_MESSAGE_END"):
    message_id: str


class ToolCallStart(_Event, tag="TOOL_CALL_START"):
    """Lyra looks something up; the client has nothing to do."""

    tool_call_id: str
    tool_call_name: str


class ToolCallArgs(_Event, tag="TOOL_CALL_ARGS"):
    """The arguments, as JSON."""

    tool_call_id: str
    delta: str


class ToolCallEnd(_Event, tag="TOOL_CALL_END"):
    tool_call_id: str


class ToolCallResult(_Event, tag="TOOL_CALL_RESULT"):
    """What was found, as JSON, or a sentence about why nothing was."""

    message_id: str
    tool_call_id: str
    role: Literal["tool"]
    content: str


class Interrupt(Struct, rename="camel"):
    """A proposed playlist that waits for the listener; `metadata` shows it."""

    id: str
    reason: Literal["confirmation"]
    message: str
    tool_call_id: str
    response_schema: dict[str, Any]
    expires_at: str
    metadata: ShownProposal


class InterruptOutcome(Struct, tag="interrupt", tag_field="type"):
    """The run waits for the answers to these, in `resume` of the next one."""

    interrupts: tuple[Interrupt, ...]


class RunFinished(_Event, tag="RUN_FINISHED"):
    thread_id: str
    run_id: str
    outcome: InterruptOutcome | UnsetType = UNSET


class RunError(_Event, tag="RUN_ERROR"):
    """The answer failed, or was ended by the server."""

    message: str
    code: Code


AguiEvent = (
    RunStarted
    | Custom
    | TextMessageStart
    | TextMessageContent
    | TextMessageEnd
    | ToolCallStart
    | ToolCallArgs
    | ToolCallEnd
    | ToolCallResult
    | RunFinished
    | RunError
)
