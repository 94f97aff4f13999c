"""The port to the language model: the prompt that it gets and the pieces that it returns."""

import asyncio
import importlib
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Protocol

import msgspec

from lyra.chat.parts import FinishReason
from lyra.chat.request_schema import Turn
from lyra.errors import LlmMisconfiguredError
from lyra.listening.models import Listening
from lyra.settings import Settings
from lyra.timezones import UTC_ZONE, Zone

Block = dict[str, Any]  # of a message's content, as in the Messages API

MAX_TOKENS = 1_000_000_000  # of one kind in one answer; a larger count from a server is ignored


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool call came to, in words or JSON for the model. `failed`: it is an error."""

    call_id: str
    content: str
    failed: bool = False


class ToolRound(msgspec.Struct, frozen=True):
    """A round that has been: the blocks of the model's turn as they came, and the results."""

    blocks: tuple[Block, ...]
    results: tuple[ToolResult, ...]

    def messages(self) -> list[dict[str, Any]]:
        """Return the model's turn, and one message with all results."""
        results: list[Block] = []
        for result in self.results:
            block = {
                "type": "tool_result",
                "tool_use_id": result.call_id,
                "content": result.content,
            }
            results.append({**block, "is_error": True} if result.failed else block)
        return [
            {"role": "assistant", "content": list(self.blocks)},
            {"role": "user", "content": results},
        ]


class Prompt(msgspec.Struct, frozen=True):
    """One request to a model. `tools`, `rules` and `context()` are byte-identical between turns.

    `context()` makes the text anew: kept for as long as the answer, it would take more memory than
    the rest of a stream (one emoji in a title makes every character four bytes). `asked_at` is the
    time of the question in words, by the clock of the listener's `zone`: a language model cannot
    know it by itself.
    `tools` is the JSON list of what the model may call, empty where nothing is offered. `rounds` are
    those before this one; in the last round of an answer `calls_allowed` is False.
    """

    rules: str
    context: Callable[[], str]
    turns: tuple[Turn, ...]
    listening: Callable[[], Listening]
    asked_at: str = ""
    zone: Zone = UTC_ZONE
    tools: bytes = b""
    rounds: tuple[ToolRound, ...] = ()
    calls_allowed: bool = True

    def messages(self) -> list[dict[str, Any]]:
        """Return the conversation: the turns, the time before the last one's words, and the rounds."""
        messages: list[dict[str, Any]] = [
            {"role": turn.role, "content": turn.text} for turn in self.turns
        ]
        if self.asked_at:
            messages[-1]["content"] = f"[{self.asked_at}]\n\n{messages[-1]['content']}"
        for each in self.rounds:
            messages += each.messages()
        return messages


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Tokens as the model's server counts them; `cached` ones were read from its prompt cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0


class ToolStart(msgspec.Struct, frozen=True):
    """The model has begun to call a tool; with what, the call itself says at the end of its turn."""

    name: str


class ToolProgress(msgspec.Struct, frozen=True):
    """More of a call has come; there is nothing to show yet."""


class ToolCall(msgspec.Struct, frozen=True):
    """One complete call of the model's turn, its `number` counted among the turn's tool starts.

    `arguments` is None where the model sent no JSON object.
    """

    number: int
    call_id: str
    name: str
    arguments: dict[str, Any] | None


class Done(msgspec.Struct, frozen=True):
    """The last piece of a complete turn: with `calls`, the answer goes on once they have results.

    `blocks` is the whole turn, to be replayed with the results; empty where nothing is called.
    """

    reason: FinishReason
    usage: Usage = Usage()
    calls: tuple[ToolCall, ...] = ()
    blocks: tuple[Block, ...] = ()


Piece = str | Usage | ToolStart | ToolProgress | Done
OnPiece = Callable[[Piece], bool]


class ToolsRefusedError(LlmMisconfiguredError):
    """The model's server refused the request, perhaps for its tools: it may take it without."""


class ModelStream(Protocol):
    """One call that the model has accepted."""

    async def stream_to(self, on_piece: OnPiece) -> None:
        """Call `on_piece` with the text as it comes, then with one `Done`.

        Each call is made in the iteration of the event loop in which the piece arrives; once it
        returns True, this returns. A `ToolStart` comes behind the text before it. A `Usage` says what
        has been counted so far, for an answer that is cut. Every failure is a LyraError, a stream that
        ends without its end mark included.
        """
        ...


class ChatModel(Protocol):
    """A language model. `open` enters its block when the model has accepted the prompt.

    Leaving the block closes the call.
    """

    name: str
    offline: bool

    def open(self, prompt: Prompt) -> AbstractAsyncContextManager[ModelStream]: ...


class LazyModel:
    """A model whose client is loaded at the first use; calls wait for that."""

    offline = False

    def __init__(self, name: str, make: Callable[[], Coroutine[Any, Any, ChatModel]]) -> None:
        self.name = name
        self._make = make
        self._loading: asyncio.Task[ChatModel] | None = None

    @property
    def loaded(self) -> ChatModel | None:
        """The model itself, once it is loaded."""
        done = self._loading is not None and self._loading.done()
        return self._loading.result() if self._loading is not None and done else None

    async def wait_loaded(self) -> ChatModel:
        """Return the model itself; the first call here starts to load it."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._make())
        return await asyncio.shield(self._loading)

    def open(self, prompt: Prompt) -> AbstractAsyncContextManager[ModelStream]:
        """See ChatModel.open."""
        model = self.loaded
        return self._open_when_loaded(prompt) if model is None else model.open(prompt)

    @asynccontextmanager
    async def _open_when_loaded(self, prompt: Prompt) -> AsyncIterator[ModelStream]:
        model = await self.wait_loaded()
        async with model.open(prompt) as stream:
            yield stream

    async def close(self) -> None:
        """Cancel the loading, if it still goes on."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])


@asynccontextmanager
async def open_model(settings: Settings) -> AsyncIterator[ChatModel]:
    """Provide the model that the settings name; a language model is a `LazyModel`."""
    if not settings.uses_model:
        offline = await to_thread(importlib.import_module, "lyra.chat.model.offline")
        yield offline.OfflineModel()
        return
    async with AsyncExitStack() as stack:
        model = LazyModel(settings.model, partial(_load, settings, stack))
        try:
            yield model
        finally:
            await model.close()


async def _load(settings: Settings, stack: AsyncExitStack) -> ChatModel:
    # The SDK takes about a second to import: neither on the event loop nor for `--help`.
    module = await to_thread(importlib.import_module, "lyra.chat.model.anthropic_model")
    model: ChatModel = await stack.enter_async_context(module.open_anthropic(settings))
    return model
