"""`lyra chat`: a conversation in the terminal with a Lyra that runs elsewhere."""

import asyncio
import contextlib
import io
import ipaddress
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack, aclosing
from typing import Any, TextIO

import msgspec
from rich.console import Console
from yarl import URL

from lyra.cli.client import (
    ChatError,
    Client,
    Part,
    Turn,
    UnreachableError,
    harmless,
    open_client,
)
from lyra.cli.console import complain
from lyra.cli.demo_listener import DEMO_TOKEN
from lyra.cli.environment import spotify_token
from lyra.cli.rendering import MarkdownRenderer, PlainRenderer, Renderer
from lyra.settings import Url
from lyra.spotify.token import Token

_INTERRUPTED = 130
_BAD_ARGUMENT = 2
_KEPT_TURNS = 50
_KEPT_CHARS = 32_768  # the server would drop what is older
_DOING = {
    "loading_listening": "Reading what this listener plays …",
    "thinking": "Thinking …",
}


class _ArgumentError(ChatError):
    """The URL or the token cannot be used."""


def chat(url: str, token: str | None) -> int:
    """Talk until Ctrl-D; 0 then, 1 if the server is missing or fails, 2 for a bad argument."""
    try:
        with asyncio.Runner() as runner:
            stack = AsyncExitStack()
            try:
                client = runner.run(stack.enter_async_context(open_client(_checked(url))))
                demo = runner.run(client.is_demo())
                talk = _Talk(runner, client, _token(token, demo=demo))
                return talk.run(demo=demo)
            finally:
                runner.run(stack.aclose())
    except UnreachableError as failure:
        complain(f"{failure} `make run` starts a Lyra on port 8080; --url names another.")
    except _ArgumentError as failure:
        complain(str(failure))
        return _BAD_ARGUMENT
    except ChatError as failure:
        complain(str(failure))
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 1


def _checked(url: str) -> str:
    try:
        msgspec.convert(url, Url)
        host = URL(url).host or ""
    except ValueError:
        raise _ArgumentError("--url: expected http://<host>:<port> or https://<host>.") from None
    if url.startswith("http:") and not _on_loopback(host):
        complain("this address is not encrypted: the token can be read on its way.")
    return url


def _on_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(given: str | None, *, demo: bool) -> Token:
    text = given or spotify_token() or (DEMO_TOKEN if demo else "")
    if not text:
        raise _ArgumentError(
            "a Spotify access token is needed: set SPOTIFY_TOKEN. A demo (`make demo`) needs none."
        )
    try:
        return Token(text)
    except ValueError:
        raise _ArgumentError("SPOTIFY_TOKEN or --token holds no well-formed token.") from None


class _Talk:
    """One conversation: its turns, and what is typed next."""

    def __init__(self, runner: asyncio.Runner, client: Client, token: Token) -> None:
        self._runner = runner
        self._client = client
        self._token = token
        self._history: list[Turn] = []
        self._failed = False
        self._typed = all(map(_is_terminal, (sys.stdin, sys.stdout)))
        self._console = Console(highlight=False, markup=False, emoji=False)

    def run(self, *, demo: bool) -> int:
        """Answer line by line; a failure is an exit code only where no person reads of it."""
        _prepare_input(typed=self._typed)
        if self._typed:
            who = "an invented listener" if demo else "a listener"
            print(f"Lyra, {who}, at {self._client.url}")
            print("Ctrl-C stops an answer; /clear forgets; /quit or Ctrl-D ends.\n")
        while (line := self._read()) is not None and line != "/quit":
            self._obey(line)
        return 1 if self._failed and not self._typed else 0

    def _read(self) -> str | None:
        """The next line that is typed; None at the end."""
        if not self._typed:
            return _next_line()
        while True:
            try:
                return input("> ").strip()
            except EOFError:
                print()
                return None
            except KeyboardInterrupt:
                print("\n/quit or Ctrl-D ends the conversation.")

    def _obey(self, line: str) -> None:
        if line == "/clear":
            if self._done(self._client.forget(self._token)):
                self._history.clear()
                print("Forgotten, here and on the server.")
        elif line.startswith("/"):
            print("There are /clear and /quit; everything else is a question.")
        elif line:
            self._converse(line)

    def _converse(self, question: str) -> None:
        shown: Renderer = MarkdownRenderer(self._console) if self._typed else PlainRenderer()
        self._done(self._answer(question, shown), shown)
        if shown.text.strip():
            self._history += (
                {"role": "user", "content": question},
                {"role": "assistant", "content": shown.text},
            )
            self._history = _newest(self._history)

    def _done(self, work: Coroutine[Any, Any, None], shown: Renderer | None = None) -> bool:
        """Whether the work came to its end: Ctrl-C stops it, and nothing but it."""
        said = ""
        with shown or contextlib.nullcontext():
            try:
                self._runner.run(work)
            except KeyboardInterrupt:
                if not self._typed:
                    raise  # nobody is there to ask on
                said = "stopped."
            except ChatError as failure:
                said = str(failure)
        if said:
            self._failed = True
            complain(said)
        return not said

    async def _answer(self, question: str, shown: Renderer) -> None:
        async with aclosing(self._client.ask(self._token, question, self._history)) as parts:
            async for part in parts:
                _show(part, shown)


def _show(part: Part, shown: Renderer) -> None:
    match part:
        case {"type": "text-delta", "delta": str(words)}:
            shown.add(harmless(words))
        case {"type": "data-status", "data": {"phase": str(phase)}}:
            shown.tell(_DOING.get(phase, ""))
        case {"type": "error", "errorText": str(sentence)}:
            raise ChatError(harmless(sentence))
        case {"type": "abort"}:
            raise ChatError("The server ended the answer. What you see may be incomplete.")
        case {"type": "finish", "messageMetadata": {"notice": str(notice)}}:
            raise ChatError(harmless(notice))
        case {"type": "finish", "finishReason": "length"}:
            raise ChatError("The answer reached its longest length and was cut there.")
        case _:
            pass  # kinds of part that a later server may have


def _newest(history: list[Turn]) -> list[Turn]:
    """As many of the latest questions and answers as the server will look at."""
    kept = history[-_KEPT_TURNS:]
    while sum(len(turn["content"]) for turn in kept) > _KEPT_CHARS:
        kept = kept[2:]
    return kept


def _next_line() -> str | None:
    """The next question of a pipe or a file."""
    if sys.stdin is None:
        return None
    try:
        line = sys.stdin.readline()
    except OSError as failure:
        raise ChatError(f"The questions cannot be read ({failure.strerror}).") from None
    return line.strip() if line else None


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sits there; a stream is None where the process has none."""
    return stream is not None and stream.isatty()


def _prepare_input(*, typed: bool) -> None:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    if typed:
        with contextlib.suppress(ImportError):  # absent on Windows
            import readline  # noqa: F401, PLC0415 - importing it makes lines editable
