"""Shows what the cache promises, against a running Lyra or against a demo of its own.

    .venv/bin/python scripts/test_caching.py                         starts a demo and ends it
    .venv/bin/python scripts/test_caching.py http://127.0.0.1:8080   asks this one

It forgets and reads one listener three times and asks twelve questions. With a real server that
listener is yours: put a Spotify token into SPOTIFY_TOKEN. The Spotify calls are those that the
server counts in the `cache` object of every answer. Exits 1 when a promise is broken, 2 when it
could not be tried. This is a script; pytest has no part in it.
"""

import argparse
import asyncio
import json  # noqa: TID251 - whoever copies this file needs no more than aiohttp
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import aiohttp

from own_demo import own_demo

CALLS_TO_READ_A_LISTENER = 5
AT_ONCE = 100
BOUND_S = 300
QUESTIONS = (
    "Which artists do I listen to most?",
    "Which tracks?",
    "What did I play last?",
    "Which genres are these?",
    "What are my playlists?",
    "Recommend something new.",
    "And something old?",
    "When do I listen?",
    "Which artist should I see live?",
    "Sum me up in a sentence.",
)


class CannotTryError(Exception):
    """The server is missing or refuses; the message says which."""


# The server is missing, refuses, is slow, or answers in another shape than Lyra does.
FAILURES = (CannotTryError, aiohttp.ClientError, TimeoutError, ValueError, KeyError, RuntimeError)


@dataclass(frozen=True)
class Row:
    """One line of the table; `kept` is None where nothing is promised."""

    what: str
    first_word_s: float | None
    whole_s: float
    calls: int
    promise: str = ""
    kept: bool | None = None


@dataclass(frozen=True)
class Answer:
    """One answer to a question."""

    text: str
    first_word_s: float
    whole_s: float
    cache: dict[str, Any]


class Listener:
    """One listener of one server."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self.http = http
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"}

    async def forget(self) -> None:
        """Make the server forget this listener, so that the next request is the first one."""
        async with self.http.delete(f"{self.url}/lyra/session", headers=self.headers) as answer:
            await refuse(answer)

    async def init(self) -> dict[str, Any]:
        """Load the listener; the `cache` object of the answer."""
        async with self.http.post(f"{self.url}/lyra/init", headers=self.headers) as answer:
            await refuse(answer)
            cache: dict[str, Any] = (await answer.json())["cache"]
            return cache

    async def ask(self, message: str, history: Sequence[dict[str, str]] = ()) -> Answer:
        """Ask and read the streamed answer to its end."""
        body = {"message": message, "history": list(history)}
        began, first_word_s, text = perf_counter(), 0.0, ""
        async with self.http.post(
            f"{self.url}/lyra/chat", json=body, headers=self.headers
        ) as answer:
            await refuse(answer)
            async for line in answer.content:
                part = part_of(line)
                if part.get("type") == "text-delta":
                    first_word_s = first_word_s or perf_counter() - began
                    text += part["delta"]
                elif part.get("type") == "error":
                    raise CannotTryError(part["errorText"])
                elif part.get("type") == "finish":
                    cache = part["messageMetadata"]["cache"]
                    return Answer(text, first_word_s, perf_counter() - began, cache)
        raise CannotTryError("an answer ended without its end mark")


def part_of(line: bytes) -> dict[str, Any]:
    """The part in this line of the stream; empty for comments, blank lines and the last frame."""
    part: dict[str, Any] = json.loads(line[6:]) if line.startswith(b"data: {") else {}
    return part


async def refuse(answer: aiohttp.ClientResponse) -> None:
    """Raise with the server's own sentence if it refused."""
    if answer.status >= 400:  # noqa: PLR2004 - client and server errors begin there
        payload = await answer.json(content_type=None)
        raise CannotTryError(f"{answer.status}: {payload['error']['message']}")


async def cold_then_warm(listener: Listener) -> list[Row]:
    """The first message reads the listener; the second reads nothing."""
    await listener.forget()
    cold = await listener.ask(QUESTIONS[0])
    warm = await listener.ask(QUESTIONS[1])
    calls = warm.cache["spotify_calls"]
    return [
        Row("cold first message", cold.first_word_s, cold.whole_s, cold.cache["spotify_calls"]),
        Row("warm message", warm.first_word_s, warm.whole_s, calls, "0 calls", calls == 0),
    ]


async def conversation(listener: Listener) -> Row:
    """Ten questions with their history, from a listener whom nobody has read yet."""
    await listener.forget()
    began, calls, firsts = perf_counter(), 0, []
    history: list[dict[str, str]] = []
    for question in QUESTIONS:
        answer = await listener.ask(question, history)
        history += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer.text},
        ]
        calls += answer.cache["spotify_calls"]
        firsts.append(answer.first_word_s)
    return Row(
        "ten messages",
        sorted(firsts)[len(firsts) // 2],
        perf_counter() - began,
        calls,
        f"{CALLS_TO_READ_A_LISTENER} calls in all",
        calls == CALLS_TO_READ_A_LISTENER,
    )


async def all_at_once(listener: Listener) -> Row:
    """A hundred first requests at the same moment; one of them fetches, the others join it."""
    await listener.forget()
    began = perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(listener.init()) for _ in range(AT_ONCE)]
    whole_s = perf_counter() - began
    caches = [task.result() for task in tasks]
    calls = sum(cache["spotify_calls"] for cache in caches)
    fetches = sum(cache["state"] == "miss" for cache in caches)
    kept = fetches == 1 and calls == CALLS_TO_READ_A_LISTENER
    promise = f"one fetch of {CALLS_TO_READ_A_LISTENER} calls"
    return Row(f"{AT_ONCE} at once (init)", None, whole_s, calls, promise, kept)


async def measure(url: str | None, token: str | None) -> list[Row]:
    """All rows, against this server or against a demo."""
    async with asyncio.timeout(BOUND_S), AsyncExitStack() as stack:
        url = url.rstrip("/") if url else await stack.enter_async_context(own_demo())
        connector = aiohttp.TCPConnector(limit=AT_ONCE)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        listener = Listener(http, url, token or await demo_token(http, url))
        return [
            *await cold_then_warm(listener),
            await conversation(listener),
            await all_at_once(listener),
        ]


async def demo_token(http: aiohttp.ClientSession, url: str) -> str:
    """The token of a demo's invented listener, if this server is a demo."""
    async with http.get(f"{url}/readyz") as answer:
        if (await answer.json(content_type=None)).get("demo"):
            return "sandbox.35.typical.legacy.lat-80-400"
    raise CannotTryError("this is no demo: put a Spotify access token into SPOTIFY_TOKEN")


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    print(f"{'':20}{'first word':>12}{'whole':>12}{'Spotify calls':>15}   promise")
    for row in rows:
        first = "" if row.first_word_s is None else f"{row.first_word_s * 1000:,.1f} ms"
        verdict = {None: "", True: f"kept: {row.promise}", False: f"BROKEN: {row.promise}"}
        line = f"{row.what:20}{first:>12}{row.whole_s * 1000:>9,.1f} ms{row.calls:>15}"
        print(f"{line}   {verdict[row.kept]}".rstrip())


def main() -> int:
    """Measure and print; 0 when every promise was kept, 1 when not, 2 when it could not be tried."""
    parser = argparse.ArgumentParser(description="Try what Lyra's cache promises.")
    parser.add_argument("url", nargs="?", help="a running Lyra; without it a demo is started")
    parser.add_argument("--token", help="a Spotify access token; `ps` shows it, SPOTIFY_TOKEN not")
    asked = parser.parse_args()
    token = asked.token or (os.environ.get("SPOTIFY_TOKEN") if asked.url else None)  # noqa: TID251
    rows: list[Row] = []
    try:
        rows = asyncio.run(measure(asked.url, token))
    except* FAILURES as failures:  # a group: a hundred may fail at once
        first = failures.exceptions[0]
        print(f"could not be tried: {str(first) or type(first).__name__}", file=sys.stderr)
    if not rows:
        return 2
    show(rows)
    return 1 if any(row.kept is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
