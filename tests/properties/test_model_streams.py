"""Whatever a model's server sends: one ending, the words that were said, and every place back.

pytest tests/properties/test_model_streams.py --streams 200000 --streams-seed 7
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random
from typing import Any, Self

import aiohttp
import pytest
from yarl import URL

from lyra.cache.entry import make_entry
from lyra.cache.expiry import Life
from lyra.cache.keys import Key, KeyMaker
from lyra.cache.lookup import Lookup
from lyra.chat.generation import AnswerGenerator
from lyra.chat.model.anthropic_model import AnthropicModel
from lyra.chat.model.model_circuit import ModelCircuit
from lyra.chat.parts import Failure, Finish, Part, Start, TextEnd, TextStart
from lyra.chat.request_schema import ChatInput, Turn
from lyra.chat.runs.registry import RunRegistry
from lyra.chat.runs.run import Run
from lyra.chat.runs.supervisor import RunSupervisor
from lyra.chat.token_quota import TokenQuota
from lyra.circuit_breaker import CircuitBreaker
from lyra.listening.models import Listening, Profile
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.token import Token
from tests.support.model_streams import Stream, draw_stream
from tests.support.tool_kit import make_toolbox

TURNS = (Turn("user", "Which artists do I listen to most?"),)
LIFE = Life(0.0, 80.0, 100.0, 150.0, 0.0)
ENTRY = make_entry(Listening(Profile("vesna"), ()), level="full", life=LIFE)
OWNER = Key("owner")
STEP = 500  # streams in one test


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "first" in metafunc.fixturenames:
        count = metafunc.config.getoption("--streams", default=STEP)
        metafunc.parametrize("first", range(0, count, STEP))


class Protocol(asyncio.Protocol):
    """Does what aiohttp's protocol does with a body of events; its end comes with the last bytes."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self.whole = False

    def data_received(self, data: bytes) -> None:
        self._content.feed_data(data)
        if self.whole:
            self._content.feed_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self._content.set_exception(exc or aiohttp.ClientPayloadError())


class Flow:
    """What a reader of aiohttp's tells of its buffer: here the connection is told by the tap."""

    def pause_reading(self) -> None: ...

    def resume_reading(self, **_: object) -> None: ...


class Wire:
    """A connection: hands over what is sent while it is being read from."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self.protocol = Protocol(content)
        self.transport = self
        self.reading = asyncio.Event()
        self.reading.set()

    def set_protocol(self, protocol: Any) -> None:
        self.receiver = protocol

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading.clear()

    def resume_reading(self) -> None:
        self.reading.set()


class Response:
    """An answer with status 200 whose body comes as the stream says."""

    status = 200

    def __init__(self, stream: Stream, rng: Random) -> None:
        loop = asyncio.get_running_loop()
        flow: Any = Flow()
        self.content = aiohttp.StreamReader(flow, 2**16, loop=loop)
        self.connection = Wire(self.content)
        self._stream = stream
        self._rng = rng

    async def __aenter__(self) -> Self:
        self._sending = asyncio.get_running_loop().create_task(self._send())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sending.cancel()
        await asyncio.wait([self._sending])
        if not self._sending.cancelled():
            self._sending.result()

    async def _send(self) -> None:
        wire = self.connection
        await asyncio.sleep(0)
        for piece in self._stream.pieces:
            await wire.reading.wait()
            wire.receiver.data_received(piece)
            if self._rng.random() < 0.3:
                await asyncio.sleep(0)
        await wire.reading.wait()
        if self._stream.breaks:
            wire.receiver.connection_lost(aiohttp.ClientPayloadError())
        else:
            wire.protocol.whole = True
            wire.receiver.data_received(b"")


class Http:
    """Answers every call with the same stream."""

    def __init__(self) -> None:
        self.calls = 0

    def play(self, stream: Stream, rng: Random) -> None:
        self._stream, self._rng = stream, rng

    async def post(self, *_: object, **__: object) -> Response:
        self.calls += 1
        return Response(self._stream, self._rng)


class Zero(Random):
    def random(self) -> float:
        return 0.0


class Service:
    """All that an answer passes, from the model's client to the reader."""

    def __init__(self) -> None:
        self.http = Http()
        self.budget = TokenQuota(2**50, entries=1, wall_clock=lambda: 0.0)
        settings = Settings(streams_per_token=1, max_streams=1, run_keep_s=0)
        self._supervisor = RunSupervisor(settings.answer_timeout_s, clock=lambda: 0.0)
        self.runs = RunRegistry(settings, None, self._supervisor)
        metrics, http = Metrics(), self.http
        claude = AnthropicModel(http, URL("http://127.0.0.1:9/v1/messages"), settings)  # type: ignore[arg-type]
        self._metrics, self._settings, self._claude = metrics, settings, claude
        self._toolbox = make_toolbox(settings)

    def _generator(self) -> AnswerGenerator:
        guard = ModelCircuit(CircuitBreaker("the model", lambda: 0.0), self._metrics)
        return AnswerGenerator(
            self._settings,
            self._claude,
            self._metrics,
            Zero(),
            guard,
            self.budget,
            KeyMaker(),
            self._toolbox,
        )

    async def answer(self, stream: Stream, rng: Random) -> tuple[Run, list[Part]]:
        """The run of one question, and its parts."""
        self.http.play(stream, rng)
        # Both bounds are one: whoever kept a place would keep the next question out.
        token, question = Token("a-token-of-nobody"), ChatInput(TURNS)
        async with self.runs.open_run(OWNER, token, question) as run:
            lookup = Lookup("hit", entry=ENTRY, asked_at=0.0, clock=lambda: 1.0)
            generate = self._generator().generate
            self.runs.start(run, generate(run, lookup, question, token=token, request_id="1"))
            await run.wait_ended()
            await run.wait_closed()
            parts = run.since(0)
        return run, parts


@asynccontextmanager
async def _service() -> AsyncIterator[Service]:
    service = Service()
    yield service
    await service.runs.close()


@pytest.mark.timeout(120)  # for all of them
async def test_every_stream_ends_once_keeps_its_words_frees_its_slot(
    first: int, pytestconfig: pytest.Config
) -> None:
    drawn = pytestconfig.getoption("--streams-seed", default="1")
    async with _service() as service:
        for number in range(first, first + STEP):
            seed = f"{drawn} {number}"
            await check(service, draw_stream(seed), seed)


async def check(service: Service, stream: Stream, seed: str) -> None:
    calls = service.http.calls
    run, parts = await service.answer(stream, Random(seed))
    expected = stream.expected

    assert service.runs.stats()["live"] == 0, seed
    assert service.budget.stats()["held"] == 0, seed
    assert 1 <= service.http.calls - calls <= 2, seed
    text = "".join(part.delta for part in parts if hasattr(part, "delta"))
    assert text == expected.text, seed
    grammar(parts, seed)
    finish = parts[-1]
    assert isinstance(finish, Finish), seed
    ending = finish.finish_reason if run.failure is None else run.failure.code
    assert ending == expected.ending, seed
    metadata = finish.message_metadata
    if ending not in ("length", "error") and run.failure is None:
        usage = {name: count for name, count in expected.usage.items() if count}
        assert metadata["usage"] == usage, seed
    silent = run.failure is None and not text.strip()
    assert ("notice" in metadata) == (silent or ending == "content-filter"), seed


def grammar(parts: list[Part], seed: str) -> None:
    """Start, then text that is closed, then one ending."""
    kinds = [type(part) for part in parts]
    assert kinds[0] is Start, seed
    assert kinds.count(Start) == kinds.count(Finish) == 1, seed
    assert kinds.count(TextStart) == kinds.count(TextEnd) <= 1, seed
    assert (Failure in kinds) == (parts[-1].finish_reason == "error"), seed  # type: ignore[attr-defined]
    assert all(not (a is Failure and b is not Finish) for a, b in pairwise(kinds)), seed
