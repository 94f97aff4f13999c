"""The port to whatever speaks: what it is given and what it gives back."""

import importlib
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import msgspec

from lyra.chat.bodies import Turn
from lyra.chat.parts import FinishReason
from lyra.listening.models import Listening
from lyra.settings import Settings


class Prompt(msgspec.Struct, frozen=True):
    """One request to a model. `rules` and `context()` are byte-identical between turns.

    The context is made when it is asked for: kept as text until the answer is over, it would weigh
    more than all else of a stream (one emoji in a title makes every letter four bytes).
    """

    rules: str
    context: Callable[[], str]
    turns: tuple[Turn, ...]
    listening: Callable[[], Listening]


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Tokens, as the model's server counts them. `cached` ones were read from its own cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0


class Done(msgspec.Struct, frozen=True):
    """The last piece of a complete answer."""

    reason: FinishReason
    usage: Usage = Usage()


Pieces = AsyncIterator[str | Usage | Done]


class ChatModel(Protocol):
    """Answers prompts. `open` is entered when the model has accepted the prompt.

    Inside, words come as they are made, then one `Done`; leaving the block early closes the call.
    A `Usage` among them tells what has been counted so far, for an answer that is cut.
    Every failure is a LyraError, an end without the end mark included.
    """

    name: str
    offline: bool

    def open(self, prompt: Prompt) -> AbstractAsyncContextManager[Pieces]: ...


@asynccontextmanager
async def open_model(settings: Settings) -> AsyncIterator[ChatModel]:
    """The model that the settings ask for, ready to answer."""
    if not settings.uses_model:
        offline = await to_thread(importlib.import_module, "lyra.chat.offline")
        yield offline.Offline()
        return
    # The SDK takes about a second to import: neither on the event loop nor for `--help`.
    claude = await to_thread(importlib.import_module, "lyra.chat.claude")
    async with claude.open_claude(settings) as model:
        yield model
