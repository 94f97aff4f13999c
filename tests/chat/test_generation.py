"""What an answer makes of a model that does not keep to its port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from lyra.cache.entry import make_entry
from lyra.cache.expiry import Life
from lyra.cache.keys import KeyMaker
from lyra.cache.lookup import Lookup
from lyra.chat.generation import AnswerGenerator
from lyra.chat.model.model_circuit import ModelCircuit
from lyra.chat.model.port import ModelStream, OnPiece, Prompt
from lyra.chat.request_schema import ChatInput, Turn
from lyra.chat.runs.run import Run
from lyra.chat.token_quota import TokenQuota
from lyra.circuit_breaker import CircuitBreaker
from lyra.listening.models import Listening, Profile
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.token import Token
from tests.support.tool_kit import make_toolbox

ENTRY = make_entry(
    Listening(Profile("vesna"), ()), level="full", life=Life(0.0, 80.0, 100.0, 150.0, 0.0)
)


class Forgetful:
    """Speaks, and ends without saying that it has ended."""

    name = "forgetful"
    offline = False

    @asynccontextmanager
    async def open(self, prompt: Prompt) -> AsyncIterator[ModelStream]:
        self._words = prompt.turns[-1].text
        yield self

    async def stream_to(self, take: OnPiece) -> None:
        take(self._words)


async def test_an_answer_without_its_end_mark_never_looks_complete() -> None:
    metrics, keys = Metrics(), KeyMaker()
    generator = AnswerGenerator(
        Settings(),
        Forgetful(),
        metrics,
        Random(7),
        ModelCircuit(CircuitBreaker("the model", lambda: 0.0), metrics),
        TokenQuota(0, entries=1, wall_clock=lambda: 0.0),
        keys,
        make_toolbox(Settings()),
    )
    run = Run("run_1")
    lookup = Lookup("hit", entry=ENTRY, asked_at=0.0, clock=lambda: 1.0)
    question = ChatInput((Turn("user", "Half an answer"),))
    token = Token("a-token-of-nobody")
    await generator.generate(run, lookup, question, token=token, request_id="1").produce()

    assert run.text() == "Half an answer"
    assert run.failure is not None
    assert run.failure.code == "llm_truncated"
    assert run.finish is not None
    assert run.finish.finish_reason == "error"
