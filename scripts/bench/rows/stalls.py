"""The longest turn of the event loop that what strangers write can make: answers, names, questions."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from statistics import median
from typing import Any, Self

import orjson

from bench import spotify_bodies
from bench.fault_place import Place
from bench.figures import Figure, Finding
from lyra.agent import Lyra, open_lyra
from lyra.cache.entry import Entry, make_entry
from lyra.cache.expiry import Life
from lyra.chat.evidence import find_evidence
from lyra.chat.mentions import find_mentions
from lyra.chat.model.offline import OfflineModel
from lyra.chat.prompt import make_prompt
from lyra.chat.request_schema import Turn, parse_question
from lyra.errors import RequestError
from lyra.listening.context import listening_context
from lyra.listening.genres import analyse_genres
from lyra.listening.models import Listening
from lyra.listening.summary import summarise
from lyra.listening.views import profile_view
from lyra.settings import Settings
from lyra.spotify.token import Token

AIM_S = 0.02
TIMES = 1, 3, 9
ANSWER, MIB = 2**16, 2**20  # bytes
LIFE = Life(0.0, 0.0, 0.0, 0.0, 0.0)
TOKEN = Token("a-listener-of-the-benchmark")
BOMB, GZIP = "a gzip bomb, 1 MiB for 1 GiB", b"\x1f\x8b"


class _Spotify:
    """Answers every endpoint with the body that is laid out for it, in a thread of its own."""

    def __init__(self, pages: Mapping[str, bytes], *, packed: bool) -> None:
        self.port = 0
        self._pages = pages
        self._told = b"Content-Encoding: gzip\r\n" if packed else b""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._open())

    async def _open(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        # The client has closed its connections, so that these end by themselves.
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode().partition("?")[0]
                body = self._pages[path.removeprefix("/me").removeprefix("/")]
                told = b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n"
                writer.write(told % (self._told, len(body)) + body)
                await writer.drain()
        writer.close()


async def stalls(place: Place) -> Finding:
    """The longest turn for each kind."""
    times = place.count(*TIMES)
    figures = [_figure(name, await _answered(given, times)) for name, given in _answers().items()]
    steps: dict[str, list[tuple[float, str]]] = {}
    for unit_name, unit in spotify_bodies.NAMES.items():
        pages = spotify_bodies.listener(unit)
        turn = median([await _longest_turn(pages) for _ in range(times)])
        steps.setdefault("all made of it", []).append((turn, unit_name))
        for what, work in _steps(await _heard(pages)).items():
            took = median(_seconds(work) for _ in range(times))
            steps.setdefault(what, []).append((took, unit_name))
    for what, found in steps.items():
        longest, unit_name = max(found)
        figures.append(_figure(f"a listener of hostile names, {what}: {unit_name}", [longest]))
    for name, body in _questions():
        figures.append(
            _figure(f"a client's {name}", [_seconds(_asking(body)) for _ in range(times)])
        )
    large, small = (size // 1024 for size in spotify_bodies.SIZES)
    return Finding(
        "The longest turn of the event loop that what strangers write can make",
        figures,
        notes=[
            f"Processor time of the loop's thread in one of its turns, so that others on the machine are not in it: of a whole fetch the longest turn, median of {times}. All five endpoints answer with the same, {large} KiB and {small} KiB; the worse of the two is shown.",
            "A listener's texts are of the longest: 50 of everything, 20 artists a track, 20 genres an artist; of eleven kinds of names the worst is shown. The answer that is searched for names is 64 KiB of them.",
            "The page's own work with an answer is measured in a browser: docs/PAGE.md. Forgetting a day's 86,400 answers goes in steps of a bounded number of names, which a test counts.",
        ],
    )


@asynccontextmanager
async def _opened(pages: Mapping[str, bytes], *, packed: bool = False) -> AsyncIterator[Lyra]:
    """A service of its own, so that no failure before makes it leave Spotify alone."""
    with _Spotify(pages, packed=packed) as spotify:
        async with open_lyra(Settings(spotify_api_url=f"http://127.0.0.1:{spotify.port}")) as lyra:
            yield lyra


def _answers() -> dict[str, list[bytes]]:
    large, small = (spotify_bodies.hostile(size) for size in spotify_bodies.SIZES)
    return {**{name: [large[name], small[name]] for name in large}, BOMB: [spotify_bodies.bomb()]}


async def _answered(given: list[bytes], times: int) -> list[float]:
    """The longest turns, of the size that takes longer."""
    found = []
    for body in given:
        pages = dict.fromkeys(spotify_bodies.PATHS, body)
        packed = body.startswith(GZIP)
        found.append([await _longest_turn(pages, packed=packed) for _ in range(times)])
    return max(found, key=median)


async def _heard(pages: Mapping[str, bytes]) -> Listening:
    async with _opened(pages) as lyra:
        return (await (await lyra.listeners.lookup(TOKEN)).entry()).listening()


def _figure(what: str, seconds: list[float]) -> Figure:
    middle = median(seconds)
    return Figure(what, f"{middle * 1000:.1f} ms", f"<= {AIM_S * 1000:g} ms", middle <= AIM_S)


async def _longest_turn(pages: Mapping[str, bytes], *, packed: bool = False) -> float:
    """The longest turn of the loop while one listener is fetched."""
    turns: list[float] = []
    async with _opened(pages, packed=packed) as lyra:
        watching = asyncio.get_running_loop().create_task(_watch(turns))
        await lyra.initialize_user_session(TOKEN.reveal())
        watching.cancel()
    return max(turns)


async def _watch(turns: list[float]) -> None:
    before = time.thread_time()
    while True:
        await asyncio.sleep(0)
        now = time.thread_time()
        turns.append(now - before)
        before = now


def _steps(heard: Listening) -> dict[str, Callable[[], Any]]:
    """What is done with a listener, each in a turn of its own."""
    entry = make_entry(heard, level="full", life=LIFE)
    names = [each.name for each in heard.top_artists] + [each.name for each in heard.top_tracks]
    said = " ".join(names) or "nothing"
    said = (said * (ANSWER // len(said) + 1)).encode()[:ANSWER].decode("utf-8", "ignore")
    named = find_mentions(said, heard)
    lists = heard.top_artists, heard.top_tracks, heard.recently_played
    return {
        "genres": lambda: analyse_genres(*lists),
        "summary": lambda: summarise(heard),
        "entry": lambda: make_entry(heard, level="full", life=LIFE),
        "context": lambda: listening_context(heard, "full"),
        "profile": lambda: orjson.dumps(profile_view(entry.listening())),
        "cards": lambda: find_mentions(said, heard),
        "facts": lambda: find_evidence(heard, named),
        "offline answer": lambda: _offline(entry),
    }


def _offline(entry: Entry) -> None:
    async def answer() -> None:
        prompt = make_prompt(entry, (Turn("user", "What have I played lately?"),))
        async with OfflineModel().open(prompt) as voice:
            await voice.stream_to(lambda _: False)

    with suppress(StopIteration):
        answer().send(None)  # it waits for nothing


def _seconds(work: Callable[[], Any]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _asking(body: bytes) -> Callable[[], None]:
    def ask() -> None:
        with suppress(RequestError):
            parse_question(body)

    return ask


def _questions() -> Iterator[tuple[str, bytes]]:
    def user(**said: Any) -> dict[str, Any]:
        return {"role": "user", **said}

    text = {"type": "text", "text": "a"}
    yield "5,000 messages", orjson.dumps({"messages": [user(content="a" * 150)] * 5_000})
    yield "100,000 empty messages", orjson.dumps({"messages": [{}] * 100_000})
    yield "30,000 texts of one message", orjson.dumps({"messages": [user(parts=[text] * 30_000)]})
    yield "message of marks", orjson.dumps({"message": "e" + "\u0301" * 32_700})
    yield "message of 1 MiB", orjson.dumps({"message": "a" * (MIB - 20)})
    yield "million numbers", b'{"message":"x","history":[%b1]}' % (b"1," * (MIB // 2 - 20))
    yield "lists in lists", b'{"message":%b' % (b"[" * (MIB - 20))
