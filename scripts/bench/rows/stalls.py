"""The longest turn of the event loop that what strangers write can make: answers and names."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from typing import Any

import orjson

from bench import spotify_bodies
from bench.harness import Harness
from bench.report import Figure, Finding
from bench.yardsticks import decode_s
from lyra.agent import Lyra, open_lyra
from lyra.cache.entry import Entry, make_entry
from lyra.cache.expiry import Life
from lyra.chat.evidence import find_evidence
from lyra.chat.mentions.cards import SHORT_ANSWER, find_mentions
from lyra.chat.model.offline import OfflineModel
from lyra.chat.prompt import make_prompt
from lyra.chat.request_schema import Turn
from lyra.listening.context import listening_context
from lyra.listening.genres import analyse_genres
from lyra.listening.models import Listening
from lyra.listening.summary import summarise
from lyra.listening.views import profile_view
from lyra.settings import Settings
from lyra.spotify.token import Token

OF_DECODING = 1.25
TIMES = 1, 3, 9
ANSWER = 2**16  # bytes
LIFE = Life(0.0, 0.0, 0.0, 0.0, 0.0)
TOKEN = Token("a-listener-of-the-benchmark")
BOMB, GZIP = "a gzip bomb, 1 MiB for 1 GiB", b"\x1f\x8b"


class _Spotify(BaseHTTPRequestHandler):
    """Answers every endpoint with the body that is laid out for it."""

    protocol_version = "HTTP/1.1"
    pages: Mapping[str, bytes]
    packed: bool

    def do_GET(self) -> None:
        body = self.pages[self.path.partition("?")[0].removeprefix("/me").removeprefix("/")]
        self.send_response(200)
        if self.packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        return  # Lyra closes a connection in the middle of what it will not read


@contextmanager
def _spotify(pages: Mapping[str, bytes], *, packed: bool) -> Iterator[str]:
    """The address of such a server in threads of its own, whose time is not the loop's."""
    handler = type("Spotify", (_Spotify,), {"pages": pages, "packed": packed})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def stalls(harness: Harness) -> Finding:
    """The longest turn for each kind."""
    logging.disable(logging.WARNING)  # that Spotify's answers are no good is known here
    try:
        return await _measured(harness)
    finally:
        logging.disable(logging.NOTSET)


async def _measured(harness: Harness) -> Finding:
    times, limit_s = harness.count(*TIMES), OF_DECODING * decode_s()
    figures = [
        _figure(name, await _answered(bodies, times), limit_s)
        for name, bodies in _answers().items()
    ]
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
        figures.append(_figure(f"hostile names, {what}: {unit_name}", [longest], limit_s))
    large, small = (size // 1024 for size in spotify_bodies.SIZES)
    return Finding(
        "The longest turn of the event loop that what strangers write can make",
        [
            Figure(
                "yardstick: orjson decodes 1 MiB of messages",
                f"{limit_s / OF_DECODING * 1000:.1f} ms",
            ),
            *figures,
        ],
        [
            f"Processor time of the loop's thread in one of its turns, so that others on the machine are not in it: of a whole fetch the longest turn, median of {times}. All five endpoints answer with the same, {large} KiB and {small} KiB; the worse of the two is shown.",
            "A listener's texts are of the longest: 50 of everything, 20 artists a track, 20 genres an artist; of eleven kinds of names the worst is shown. The answer that is searched for names is 64 KiB of them.",
            "The page's own work with an answer is measured in a browser: docs/PAGE.md. Forgetting a day's 86,400 answers goes in steps of a bounded number of names, which a test counts.",
        ],
    )


@asynccontextmanager
async def _opened(pages: Mapping[str, bytes], *, packed: bool = False) -> AsyncIterator[Lyra]:
    """A service of its own, so that no failure before makes it leave Spotify alone."""
    with _spotify(pages, packed=packed) as url:
        async with open_lyra(Settings(spotify_api_url=url)) as lyra:
            yield lyra


def _answers() -> dict[str, list[bytes]]:
    large, small = (spotify_bodies.hostile(size) for size in spotify_bodies.SIZES)
    return {**{name: [large[name], small[name]] for name in large}, BOMB: [spotify_bodies.bomb()]}


async def _answered(bodies: list[bytes], times: int) -> list[float]:
    """The longest turns, of the size that takes longer."""
    found = []
    for body in bodies:
        pages = dict.fromkeys(spotify_bodies.PATHS, body)
        packed = body.startswith(GZIP)
        found.append([await _longest_turn(pages, packed=packed) for _ in range(times)])
    return max(found, key=median)


async def _heard(pages: Mapping[str, bytes]) -> Listening:
    async with _opened(pages) as lyra:
        return (await (await lyra.listeners.lookup(TOKEN)).entry()).listening()


def _figure(what: str, seconds: list[float], limit_s: float) -> Figure:
    middle = median(seconds)
    return Figure(what, f"{middle * 1000:.1f} ms", f"<= {OF_DECODING:g} x", middle <= limit_s)


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
        "cards": lambda: find_mentions(said[:SHORT_ANSWER], heard),  # longer ones go to a thread
        "facts": lambda: find_evidence(heard, named),
        "offline answer": lambda: _offline(entry),
    }


def _offline(entry: Entry) -> None:
    async def answer() -> None:
        prompt = make_prompt(entry, (Turn("user", "What have I played lately?"),), now=0.0)
        async with OfflineModel().open(prompt) as voice:
            await voice.stream_to(lambda _: False)

    with suppress(StopIteration):
        answer().send(None)  # it waits for nothing


def _seconds(work: Callable[[], Any]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began
