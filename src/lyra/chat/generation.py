"""Fills a run: waits for the listener, asks the model, and gives the answer its one ending.

The run's ending never depends on what is counted, measured or added: that comes beside it.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import msgspec
from msgspec.structs import replace

from lyra.cache.entry import Entry
from lyra.cache.keys import Key, KeyMaker
from lyra.cache.lookup import Lookup
from lyra.chat.best_effort import best_effort
from lyra.chat.ending_notices import notice
from lyra.chat.evidence import facts
from lyra.chat.mentions import card, find_mentions
from lyra.chat.model.idle_timeout import IdleTimeout
from lyra.chat.model.model_circuit import CIRCUIT_OPEN, ModelCircuit
from lyra.chat.model.port import ChatModel, Done, LazyModel, Piece, Usage
from lyra.chat.parts import (
    Abort,
    Because,
    Finish,
    MessageMetadata,
    Part,
    Start,
    failure_parts,
    status,
)
from lyra.chat.prompt import make_prompt
from lyra.chat.request_schema import Turn
from lyra.chat.runs.registry import RunRegistry
from lyra.chat.runs.run import LEFT, Run
from lyra.chat.token_quota import Reservation, TokenQuota, cost_of
from lyra.circuit_breaker import Call
from lyra.errors import (
    LlmInterruptedError,
    LlmTimeoutError,
    LlmTruncatedError,
    LyraError,
    TryLaterError,
)
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.tracing import annotate

log = logging.getLogger(__name__)

_RETRY_WAIT_S = 3.0  # an upstream that asks for a longer pause is not waited for
_RETRY_JITTER_S = 0.3
_BYTES_A_TOKEN = 4  # of English; only for what the model had no time to count


@dataclass(frozen=True)
class AnswerGenerator:
    """Produces answers with one model. One per process; holds no listener's data."""

    settings: Settings
    model: ChatModel
    metrics: Metrics
    rng: Random
    guard: ModelCircuit
    budget: TokenQuota
    keys: KeyMaker
    demo: bool = False

    @property
    def ready(self) -> bool:
        """Whether the model can be asked without waiting for its client to be made."""
        return not isinstance(self.model, LazyModel) or self.model.loaded is not None

    def describe(self) -> dict[str, Any]:
        """The model's name, and whether it is `ok`, `starting` or `open` (its circuit), and for how long."""
        told: dict[str, Any] = {"name": self.model.name, "offline": self.model.offline}
        if not self.ready:
            return told | {"state": "starting"}
        if retry_in_s := self.guard.retry_in_s:
            return told | {"state": "open", "retry_in_s": round(retry_in_s)}
        return told | {"state": "ok"}

    def start(
        self,
        runs: RunRegistry,
        run: Run,
        visit: Lookup,
        turns: tuple[Turn, ...],
        *,
        request_id: str,
    ) -> None:
        """Begin to fill the run up to its ending, whatever happens."""
        runs.fill(run, self.answer(run, visit, turns, request_id=request_id))

    def answer(
        self, run: Run, visit: Lookup, turns: tuple[Turn, ...], *, request_id: str
    ) -> Coroutine[Any, Any, None]:
        """The work that fills the run; cancelling it closes the model's call."""
        answer = _Generation(self, run, visit, request_id)
        run.closing, run.failing, run.counting = answer.closing, answer.failing, answer.count
        return answer.make(turns)


class _Generation:
    """One answer being made: the clock of its parts and what its ending will say."""

    def __init__(self, speaker: AnswerGenerator, run: Run, visit: Lookup, request_id: str) -> None:
        self._speaker = speaker
        self._settings = speaker.settings
        self._run = run
        self._visit = visit
        self._request_id = request_id
        self._began = time.monotonic()
        self._first_token_s: float | None = None
        self._bytes = 0
        self._usage = Usage()
        self._ending = LyraError.code  # what the metrics call the ending
        self._done: Done | None = None
        self._entry: Entry | None = None
        self._account: Key | None = None  # as long as Spotify has not said whose token it is
        self._last_word_at = 0.0
        self._longest_gap_s = 0.0
        self._reservation = Reservation()

    async def make(self, turns: tuple[Turn, ...]) -> None:
        """Fill the run up to its ending."""
        # A reader sees nothing before the listener or the model has agreed, but never waits
        # longer than this for the first byte.
        timer = asyncio.get_running_loop().call_later(self._settings.first_byte_s, self.begin)
        try:
            async with asyncio.timeout(self._settings.answer_timeout_s):
                await self.generate(turns)
        except LyraError as failure:
            self.fail(failure)
        except TimeoutError:
            self.fail(LlmTimeoutError())
        except asyncio.CancelledError as ended:
            # The task keeps it, with every frame on its way, and they know the task: a cycle.
            raise ended.with_traceback(None) from None
        except Exception:
            log.exception("an answer broke: this is a fault in Lyra")
            self.fail(LyraError())
        finally:
            timer.cancel()
            # Cancelled: by a stop, which has ended the run, or because its reader has left. One
            # who comes back for the rest has to see that the rest was never made.
            self.fail(LlmInterruptedError(LEFT), ending="left")

    def begin(self) -> None:
        """Show the run to its reader."""
        cache = self._cache()
        with best_effort("the time of a look-up"):
            cache["lookup_ms"] = self._visit.lookup_ms()
        about: dict[str, Any] = {
            "model": self._speaker.model.name,
            "offline": self._speaker.model.offline,
            "cache": cache,
        }
        if self._speaker.demo:
            about["demo"] = True
        self._run.begin(Start(self._run.id, about))

    async def generate(self, turns: tuple[Turn, ...]) -> None:
        self._entry = self._visit.cached or await self._load()
        if self._entry.account:
            self._account = self._speaker.keys.account(self._entry.account)
        await self._reserve(self._entry, turns)
        self._run.add(status("thinking"))
        await self._relay(self._entry, turns)

    async def _reserve(self, entry: Entry, turns: tuple[Turn, ...]) -> None:
        """Hold what the answer may cost of its account's tokens of the day."""
        if not self._speaker.model.offline:
            prompt = make_prompt(entry, turns, self._settings.llm_context)
            cost = cost_of(prompt, self._settings.max_tokens)
            self._reservation = await self._speaker.budget.reserve(self._account, cost)

    async def _load(self) -> Entry:
        """The listener of a cold token, with a status for every section that arrives."""
        self._run.add(status("loading_listening"))
        async with aclosing(self._visit.sections()) as sections:
            async for section in sections:
                told = {"section": section.name, "status": section.status, "ms": section.ms}
                self._run.add(status("loading_listening", **told))
                if section.name == "profile" and section.status == "ok":
                    self.begin()
        return await self._visit.entry()

    async def _relay(self, entry: Entry, turns: tuple[Turn, ...]) -> None:
        """Pass the model's words on; a call that fails before the first one is tried once more."""
        try:
            await self._call(entry, turns)
        except TryLaterError as failure:
            if self._first_token_s is not None or not self._worth_a_retry(failure):
                raise
            pause = _RETRY_JITTER_S * self._speaker.rng.random()
            await asyncio.sleep((failure.retry_after_s or 0) + pause)
            await self._call(entry, turns)

    async def _call(self, entry: Entry, turns: tuple[Turn, ...]) -> None:
        with self._speaker.guard.call(self._account) as call, self._reservation.asking():
            try:
                async with (
                    IdleTimeout(self._settings.first_token_timeout_s) as patience,
                    # Held nowhere: one emoji in a title makes it 40 kB for as long as the answer.
                    self._speaker.model.open(
                        make_prompt(entry, turns, self._settings.llm_context)
                    ) as voice,
                ):
                    self.begin()
                    await voice.stream_to(partial(self._on_piece, call, patience))
                    if self._done is None:
                        raise LlmTruncatedError  # a cut answer never looks complete
                    self._finish(self._done)
            except TimeoutError:
                raise LlmTimeoutError from None

    def _on_piece(self, call: Call, patience: IdleTimeout, piece: Piece) -> bool:
        """Take the model's next piece; whether it was the last.

        Called by what reads from the model, so nothing here may wait, log or trace.
        """
        if isinstance(piece, str):
            if not self._append_text(piece):
                self._done = Done("length", self._usage_so_far())
            call.record_success()
            patience.reset(self._settings.token_timeout_s)
        elif isinstance(piece, Usage):
            self._usage = piece
        else:
            self._done = piece
        return self._done is not None

    def _worth_a_retry(self, failure: TryLaterError) -> bool:
        if isinstance(failure, LlmTimeoutError) or failure.reason == CIRCUIT_OPEN:
            return False
        return (failure.retry_after_s or 0) <= _RETRY_WAIT_S

    def _append_text(self, words: str) -> bool:
        """Pass words on; False once the answer has reached its bound, cut there."""
        now = time.monotonic()
        if self._first_token_s is None:
            self._first_token_s = now - self._began
            with best_effort("the metrics of an answer"):
                self._speaker.metrics.first_token_seconds.observe(self._first_token_s)
        elif now - self._last_word_at > self._longest_gap_s:
            self._longest_gap_s = now - self._last_word_at
        self._last_word_at = now
        room = self._settings.answer_max_bytes - self._bytes
        if words.isascii() and len(words) <= room:
            self._bytes += len(words)
            self._run.say(words)
            return True
        encoded = words.encode("utf-8", "replace")
        self._bytes += len(encoded)
        if fitting := encoded[: max(0, room)].decode("utf-8", "ignore"):
            self._run.say(fitting)
        return len(encoded) <= room

    def _add_citations(self, text: str) -> None:
        """Add what the answer names of the listener's data, and what it rests on."""
        assert self._entry is not None  # noqa: S101 - the model was asked about it
        listening = self._entry.listening()
        named = find_mentions(text, listening)
        for each in named:
            self._run.add(card(each))
        if told := facts(listening, named):
            self._run.add(Because({"facts": told}))

    def _finish(self, done: Done) -> None:
        text = self._run.text()
        if text.strip():
            with best_effort("the cards of an answer"):
                self._add_citations(text)
        self._usage, self._ending = done.usage, done.reason
        told = self._measured(done.usage)
        if said := notice(done.reason, text):
            told["notice"] = said
        self._run.end(Finish(done.reason, told))
        with best_effort("the trace of an answer"):
            annotate(
                {
                    "gen_ai.usage.input_tokens": done.usage.input_tokens,
                    "gen_ai.usage.output_tokens": done.usage.output_tokens,
                    "gen_ai.response.finish_reasons": done.reason,
                }
            )

    def fail(self, failure: LyraError, *, ending: str | None = None) -> None:
        """End with a failure: as parts if a reader sees the run, else for the caller to raise."""
        if self._run.begun and not self._run.ended and ending is None:
            log.warning("an answer failed: %s", failure.code)  # else the request's line tells it
        self._run.fail(failure, ending)

    def failing(self, failure: LyraError, ending: str | None) -> tuple[Part, ...]:
        """How the run ends with a failure, and what it has cost so far."""
        self._ending, self._usage = ending or failure.code, self._usage_so_far()
        parts = failure_parts(failure, self._request_id)
        return (*parts, Finish("error", self._measured(self._usage)))

    def closing(self, reason: str) -> tuple[Part, ...]:
        """How the run ends when it is stopped here and now, with what it has cost so far."""
        self._ending, self._usage = reason, self._usage_so_far()
        if reason == "stopped":
            self.begin()  # who asked for the end is told of it, also before the first word
        # useChat passes `abort` over in silence; what it keeps of it is this.
        told = {**self._measured(self._usage), "aborted": reason}
        return MessageMetadata(told), Abort(reason)

    def _usage_so_far(self) -> Usage:
        """What the model has told of its usage; the words are estimated until it tells."""
        told = self._usage
        estimate = -(-self._bytes // _BYTES_A_TOKEN)
        return replace(told, output_tokens=max(told.output_tokens, estimate))

    def count(self) -> None:
        """Count what the answer was and cost, once it has ended."""
        with best_effort("the budget of an account"):
            self._reservation.settle(self._usage)
        with best_effort("the metrics of an answer"):
            self._measure(self._speaker.metrics)

    def _measure(self, metrics: Metrics) -> None:
        metrics.answers.labels(self._ending).inc()
        if self._first_token_s is not None:
            metrics.longest_gap_seconds.observe(self._longest_gap_s)
        for kind, tokens in msgspec.structs.asdict(self._usage).items():
            metrics.tokens.labels(kind.removesuffix("_tokens")).inc(tokens)
        if self._entry is not None:
            metrics.data_age_seconds.observe(self._visit.describe()["age_s"])

    def _measured(self, usage: Usage) -> dict[str, Any]:
        first = self._first_token_s
        return {
            "usage": msgspec.to_builtins(usage),
            "first_token_ms": None if first is None else round(first * 1000, 2),
            "duration_ms": round((time.monotonic() - self._began) * 1000, 2),
            "cache": self._cache(),
        }

    def _cache(self) -> dict[str, Any]:
        told: dict[str, Any] = {}
        with best_effort("the state of the cache"):
            told |= self._visit.describe()
        return told
