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

from lyra.cli.below_answer import card_line, count_noun, one_line, receipt_lines
from lyra.cli.client import (
    ChatError,
    Client,
    Part,
    RefusedError,
    Turn,
    UnreachableError,
    open_client,
    strip_controls,
)
from lyra.cli.console import complain
from lyra.cli.demo_listener import DEMO_TOKEN
from lyra.cli.environment import spotify_token, time_zone
from lyra.cli.proposal import Proposal, proposal_lines, read_choice, read_proposal
from lyra.cli.rendering import MarkdownRenderer, PlainRenderer, Renderer
from lyra.settings import Url
from lyra.spotify.token import Token

_INTERRUPTED = 130
_BAD_ARGUMENT = 2
_KEPT_TURNS = 50
_KEPT_CHARS = 32_768  # the server would drop what is older
_TRIES, _LONGEST_PAUSE_S = 4, 60
_ENDINGS = ("finish", "error", "abort")
_ADVICE = {
    "grant_playlists": " The token needs the scope playlist-modify-private.",
    "grant_public_playlists": " The token needs the scope playlist-modify-public.",
}
_PHASES = {
    "loading_listening": "Reading what this listener plays …",
    "thinking": "Thinking …",
}


class _ArgumentError(ChatError):
    """The URL or the token cannot be used."""


def chat(url: str, token: str | None) -> int:
    """Talk until Ctrl-D; return 0, or 1 if the server is missing or fails, 2 for a bad argument."""
    try:
        with asyncio.Runner() as runner:
            stack = AsyncExitStack()
            try:
                opened = open_client(_check_url(url), time_zone())
                client = runner.run(stack.enter_async_context(opened))
                demo = runner.run(client.is_demo())
                conversation = _Conversation(runner, client, _choose_token(token, demo=demo))
                return conversation.run(demo=demo)
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


def _check_url(url: str) -> str:
    try:
        msgspec.convert(url, Url)
        host = URL(url).host or ""
    except ValueError:
        raise _ArgumentError("--url: expected http://<host>:<port> or https://<host>.") from None
    if url.startswith("http:") and not _is_loopback(host):
        complain("this address is not encrypted: the token can be read on its way.")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _choose_token(argument: str | None, *, demo: bool) -> Token:
    text = argument or spotify_token() or (DEMO_TOKEN if demo else "")
    if not text:
        raise _ArgumentError(
            "a Spotify access token is needed: set SPOTIFY_TOKEN. A demo (`make demo`) needs none."
        )
    try:
        return Token(text)
    except ValueError:
        raise _ArgumentError("SPOTIFY_TOKEN or --token holds no well-formed token.") from None


class _Conversation:
    """A conversation: its messages so far, and the loop that reads the next line."""

    def __init__(self, runner: asyncio.Runner, client: Client, token: Token) -> None:
        self._runner = runner
        self._client = client
        self._token = token
        self._history: list[Turn] = []
        self._proposal: Proposal | None = None  # the last one
        self._failed = False
        self._interactive = all(map(_is_terminal, (sys.stdin, sys.stdout)))
        self._console = Console(highlight=False, markup=False, emoji=False)

    def run(self, *, demo: bool) -> int:
        """Answer line by line; return 1 after a failure, but only where nobody sits at a terminal."""
        _prepare_input(interactive=self._interactive)
        if self._interactive:
            who = "an invented listener" if demo else "a listener"
            print(f"Lyra, {who}, at {self._client.url}")
            print("Ctrl-C stops an answer; /save keeps a playlist; /clear forgets; /quit ends.\n")
        while (line := self._read()) is not None and line != "/quit":
            self._handle_line(line)
        return 1 if self._failed and not self._interactive else 0

    def _read(self) -> str | None:
        """Return the next line of input, or None at the end."""
        if not self._interactive:
            return _read_line()
        while True:
            try:
                return input("> ").strip()
            except EOFError:
                print()
                return None
            except KeyboardInterrupt:
                print("\n/quit or Ctrl-D ends the conversation.")

    def _handle_line(self, line: str) -> None:
        command, _, words = line.partition(" ")
        if command == "/clear":
            if self._complete(self._client.forget(self._token)):
                self._history.clear()
                self._proposal = None
                print("Forgotten, here and on the server.")
        elif command == "/save":
            self._complete(self._save(words))
        elif command == "/dismiss":
            self._complete(self._dismiss())
        elif line.startswith("/"):
            print("There are /save, /dismiss, /clear and /quit; everything else is a question.")
        elif line:
            self._ask(line)

    async def _save(self, words: str) -> None:
        """Save the last proposal; what may succeed later is tried again by itself, in sight."""
        proposal = self._require_proposal()
        choice = read_choice(words, proposal)
        for number in range(1, _TRIES + 1):
            try:
                url, count = await self._client.save_playlist(self._token, proposal.id, choice.body)
            except RefusedError as failure:
                pause_s = failure.retry_after_s
                if pause_s is None or pause_s > _LONGEST_PAUSE_S or number == _TRIES:
                    raise ChatError(f"{failure}{_ADVICE.get(failure.action, '')}") from None
                print(f"{failure} Trying again in {pause_s:.0f} s.")
                await asyncio.sleep(pause_s)
            else:
                where = "" if proposal.extends else ", not shown on your profile"
                print(f"Saved: {count_noun(count, 'song')}{where}: {url}")
                return

    async def _dismiss(self) -> None:
        await self._client.dismiss_playlist(self._token, self._require_proposal().id)
        self._proposal = None
        print("Dismissed.")

    def _require_proposal(self) -> Proposal:
        if self._proposal is None:
            raise ChatError("No playlist has been proposed. Ask for one.")
        return self._proposal

    def _ask(self, question: str) -> None:
        renderer: Renderer = (
            MarkdownRenderer(self._console) if self._interactive else PlainRenderer()
        )
        self._complete(self._stream_answer(question, renderer), renderer)
        if renderer.text.strip():
            self._history += (
                {"role": "user", "content": question},
                {"role": "assistant", "content": renderer.text},
            )
            self._history = _trim_history(self._history)

    def _complete(self, work: Coroutine[Any, Any, None], renderer: Renderer | None = None) -> bool:
        """Run the work and return whether it completed; Ctrl-C stops only this work."""
        problem = ""
        with renderer or contextlib.nullcontext():
            try:
                self._runner.run(work)
            except KeyboardInterrupt:
                if not self._interactive:
                    raise  # nobody is there who could go on
                problem = "stopped."
            except ChatError as failure:
                problem = str(failure)
        if problem:
            self._failed = True
            complain(problem)
        return not problem

    async def _stream_answer(self, question: str, renderer: Renderer) -> None:
        async with aclosing(self._client.ask(self._token, question, self._history)) as parts:
            proposal = None
            async for part in parts:
                if part.get("type") == "data-playlist":
                    proposal = read_proposal(part.get("data"))  # of one id, the latest counts
                elif proposal is not None and part.get("type") in _ENDINGS:
                    self._proposal = proposal
                    for line in proposal_lines(proposal):
                        renderer.show_below(line)
                _show(part, renderer)


def _show(part: Part, renderer: Renderer) -> None:
    match part:
        case {"type": "text-delta", "delta": str(words)}:
            renderer.add(strip_controls(words))
        case {"type": "text-start"}:
            renderer.begin_text()
        case {"type": "data-status", "data": dict(status)}:
            renderer.show_status(_describe(status))
        case {"type": "data-track", "data": dict(card)}:
            renderer.show_below(card_line(card))
        case {"type": "finish" | "error" | "abort"}:
            for line in receipt_lines(part.get("messageMetadata")):
                renderer.show_below(line, quiet=True)
            _raise_ending(part)
        case _:
            pass  # a part of a newer server


def _describe(status: dict[str, Any]) -> str:
    """Return what the server is doing, for people; empty where that is not worth a word."""
    match status:
        case {"phase": "searching", "title": str(title)}:
            return f"{one_line(title)} …"
        case {"phase": str(phase)}:
            return _PHASES.get(phase, "")
        case _:
            return ""


def _raise_ending(part: Part) -> None:
    """Raise ChatError unless the answer has ended as it should."""
    match part:
        case {"type": "error", "errorText": str(sentence)}:
            raise ChatError(strip_controls(sentence))
        case {"type": "abort"}:
            raise ChatError("The server ended the answer. What you see may be incomplete.")
        case {"messageMetadata": {"notice": str(notice)}}:
            raise ChatError(strip_controls(notice))
        case {"finishReason": "length"}:
            raise ChatError("The answer reached its longest length and was cut there.")
        case _:
            pass


def _trim_history(history: list[Turn]) -> list[Turn]:
    """Return as many of the latest questions and answers as the server takes into account."""
    kept = history[-_KEPT_TURNS:]
    while sum(len(turn["content"]) for turn in kept) > _KEPT_CHARS:
        kept = kept[2:]
    return kept


def _read_line() -> str | None:
    """Return the next line of a pipe or a file, or None at its end."""
    if sys.stdin is None:
        return None
    try:
        line = sys.stdin.readline()
    except OSError as failure:
        raise ChatError(f"The questions cannot be read ({failure.strerror}).") from None
    return line.strip() if line else None


def _is_terminal(stream: TextIO | None) -> bool:
    """Return whether it is a terminal; a stream is None where the process has none."""
    return stream is not None and stream.isatty()


def _prepare_input(*, interactive: bool) -> None:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    if interactive:
        with contextlib.suppress(ImportError):  # absent on Windows
            import readline  # noqa: F401, PLC0415 - importing it makes lines editable
