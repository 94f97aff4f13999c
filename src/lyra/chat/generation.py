"""Fill a run: wait for the listener's data, call the model, and give the answer its one ending.

The ending never depends on what is counted, measured or added beside the answer.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from lyra.cache.entry import Entry
from lyra.cache.keys import Key, KeyMaker
from lyra.cache.lookup import Lookup
from lyra.chat.best_effort import best_effort
from lyra.chat.ending_notices import ending_notice
from lyra.chat.evidence import find_evidence
from lyra.chat.generation_stats import GenerationStats
from lyra.chat.mentions.cards import SHORT_ANSWER, find_mentions, make_card
from lyra.chat.model.idle_timeout import IdleTimeout
from lyra.chat.model.model_circuit import CIRCUIT_OPEN, ModelCircuit
from lyra.chat.model.port import ChatModel, Done, LazyModel, Piece, Prompt, Usage
from lyra.chat.parts import (
    Abort,
    Because,
    Finish,
    MessageMetadata,
    Part,
    Start,
    TrackCard,
    failure_parts,
    status,
)
from lyra.chat.prompt import make_prompt
from lyra.chat.request_schema import Turn
from lyra.chat.runs.run import LEFT, Producer, Run
from lyra.chat.token_quota import Reservation, TokenQuota, estimate_cost
from lyra.circuit_breaker import Call
from lyra.clocks import wall_clock
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

_RETRY_WAIT_S = 3.0  # no second call to a model that asks for a longer pause
_RETRY_JITTER_S = 0.3


@dataclass(frozen=True)
class AnswerGenerator:
    """Makes producers of answers, all with one model. One per process; holds no listener's data."""

    settings: Settings
    model: ChatModel
    metrics: Metrics
    rng: Random
    circuit: ModelCircuit
    quota: TokenQuota
    keys: KeyMaker
    demo: bool = False
    wall_clock: Callable[[], float] = wall_clock

    @property
    def ready(self) -> bool:
        """Whether the model can be called without waiting for its client to be loaded."""
        return not isinstance(self.model, LazyModel) or self.model.loaded is not None

    def describe(self) -> dict[str, Any]:
        """Return the model's name, and its state: `ok`, `starting`, or `open` (its circuit) and for how long."""
        description: dict[str, Any] = {"name": self.model.name, "offline": self.model.offline}
        if not self.ready:
            return description | {"state": "starting"}
        if retry_in_s := self.circuit.retry_in_s:
            return description | {"state": "open", "retry_in_s": round(retry_in_s)}
        return description | {"state": "ok"}

    def generate(
        self, run: Run, lookup: Lookup, turns: tuple[Turn, ...], *, request_id: str
    ) -> Producer:
        """Return what fills the run with an answer to these turns, once the run is started."""
        return _Generation(self, run, lookup, turns, request_id)


class _Generation(Producer):
    """One answer while it is made: the producer of one run."""

    def __init__(
        self,
        generator: AnswerGenerator,
        run: Run,
        lookup: Lookup,
        turns: tuple[Turn, ...],
        request_id: str,
    ) -> None:
        self._generator = generator
        self._settings = generator.settings
        self._run = run
        self._lookup = lookup
        self._turns = turns
        self._request_id = request_id
        self._stats = GenerationStats(generator.metrics)
        self._done: Done | None = None
        self._entry: Entry | None = None
        self._account: Key | None = None  # as long as Spotify has not said whose token it is
        self._reservation = Reservation()

    async def produce(self) -> None:
        """Fill the run up to its ending."""
        # The run is shown once the listener's profile or the model's call has succeeded, so that a
        # failure before can be an HTTP error; but the first byte never takes longer than this.
        timer = asyncio.get_running_loop().call_later(self._settings.first_byte_s, self._begin)
        try:
            async with asyncio.timeout(self._settings.answer_timeout_s):
                await self._generate()
        except LyraError as failure:
            self._fail(failure)
        except TimeoutError:
            if self._done is None:
                self._fail(LlmTimeoutError())
            else:
                self._finish(self._done)  # all words are there; what is beside them was late
        except asyncio.CancelledError as cancelled:
            # Drop the traceback: the task holds the exception, its frames hold the task, and the
            # cycle would wait for the garbage collector.
            raise cancelled.with_traceback(None) from None
        except Exception:
            log.exception("an answer broke: this is a fault in Lyra")
            self._fail(LyraError())
        finally:
            timer.cancel()
            # Only a cancelled run has no ending yet, unless it was stopped: its reader has left.
            # If that reader comes back for the rest, it has to see that there is none.
            self._fail(LlmInterruptedError(LEFT), ending="left")

    def _begin(self) -> None:
        """Show the run to its reader."""
        cache = self._describe_cache()
        with best_effort("the time of a look-up"):
            cache["lookup_ms"] = self._lookup.lookup_ms()
        about: dict[str, Any] = {
            "model": self._generator.model.name,
            "offline": self._generator.model.offline,
            "cache": cache,
        }
        if self._generator.demo:
            about["demo"] = True
        self._run.begin(Start(self._run.id, about))

    async def _generate(self) -> None:
        self._entry = self._lookup.cached or await self._load()
        if self._entry.account:
            self._account = self._generator.keys.account(self._entry.account)
        await self._reserve(self._entry)
        self._run.add(status("thinking"))
        await self._relay(self._entry)

    async def _reserve(self, entry: Entry) -> None:
        """Hold what the answer may cost of its account's tokens of the day."""
        if not self._generator.model.offline:
            cost = estimate_cost(self._make_prompt(entry), self._settings.max_tokens)
            self._reservation = await self._generator.quota.reserve(self._account, cost)

    async def _load(self) -> Entry:
        """Wait for the data of a cold token, with a status for every section that arrives."""
        self._run.add(status("loading_listening"))
        async with aclosing(self._lookup.sections()) as sections:
            async for section in sections:
                details = {"section": section.name, "status": section.status, "ms": section.ms}
                self._run.add(status("loading_listening", **details))
                if section.name == "profile" and section.status == "ok":
                    self._begin()
        return await self._lookup.entry()

    async def _relay(self, entry: Entry) -> None:
        """Relay the model's text; a call that fails before any text is tried once more."""
        try:
            await self._call(entry)
        except TryLaterError as failure:
            if self._stats.any_text or not _is_worth_a_retry(failure):
                raise
            pause = _RETRY_JITTER_S * self._generator.rng.random()
            await asyncio.sleep((failure.retry_after_s or 0) + pause)
            await self._call(entry)

    async def _call(self, entry: Entry) -> None:
        with self._generator.circuit.call(self._account) as call, self._reservation.send_prompt():
            try:
                async with (
                    IdleTimeout(self._settings.first_token_timeout_s) as idle_timeout,
                    # In no variable: one emoji in a title makes it 40 kB while the answer lasts.
                    self._generator.model.open(self._make_prompt(entry)) as stream,
                ):
                    self._begin()
                    await stream.stream_to(partial(self._on_piece, call, idle_timeout))
                    if self._done is None:
                        raise LlmTruncatedError  # a cut answer never looks complete
                    # The words are all there: from here on only the answer's own deadline counts.
                    idle_timeout.reset(self._settings.answer_timeout_s)
                    await self._add_citations()
                    self._finish(self._done)
            except TimeoutError:
                raise LlmTimeoutError from None

    def _make_prompt(self, entry: Entry) -> Prompt:
        now, level = self._generator.wall_clock(), self._settings.llm_context
        return make_prompt(entry, self._turns, level, now=now)

    def _on_piece(self, call: Call, idle_timeout: IdleTimeout, piece: Piece) -> bool:
        """Take the model's next piece; return whether it was the last.

        Called while the model's connection is read, so nothing here may wait, log or trace.
        """
        if isinstance(piece, str):
            if not self._append_text(piece):
                self._done = Done("length", self._stats.estimate_usage())
            call.record_success()
            idle_timeout.reset(self._settings.token_timeout_s)
        elif isinstance(piece, Usage):
            self._stats.on_usage(piece)
        else:
            self._done = piece
        return self._done is not None

    def _append_text(self, text: str) -> bool:
        """Add text to the run; False once the answer has reached its bound, and was cut there."""
        room = self._settings.answer_max_bytes - self._stats.bytes
        if text.isascii() and len(text) <= room:
            self._stats.on_text(len(text))
            self._run.add_text(text)
            return True
        encoded = text.encode("utf-8", "replace")
        self._stats.on_text(len(encoded))
        if fitting := encoded[: max(0, room)].decode("utf-8", "ignore"):
            self._run.add_text(fitting)
        return len(encoded) <= room

    async def _add_citations(self) -> None:
        """Add what the answer names of the listener's data, and what it rests on.

        A reader waits for them no longer than for a word.
        """
        text = self._run.text()
        if not text.strip():
            return
        with best_effort("the cards of an answer"):
            assert self._entry is not None  # noqa: S101 - the model was asked about it
            cite = partial(_cite, text, self._entry, self._turns[-1].text)
            try:
                async with asyncio.timeout(self._settings.token_timeout_s):
                    cards, evidence = (
                        cite() if len(text) <= SHORT_ANSWER else await asyncio.to_thread(cite)
                    )
            except TimeoutError:
                log.warning("the cards of an answer were not found in time")
                return
            for card in cards:
                self._run.add(card)
            if evidence:
                self._run.add(Because({"facts": evidence}))

    def _finish(self, done: Done) -> None:
        text = self._run.text()
        metadata = self._end_stats(done.reason, done.usage)
        if sentence := ending_notice(done.reason, text):
            metadata["notice"] = sentence
        self._run.end(Finish(done.reason, metadata))
        with best_effort("the trace of an answer"):
            annotate(
                {
                    "gen_ai.usage.input_tokens": done.usage.input_tokens,
                    "gen_ai.usage.output_tokens": done.usage.output_tokens,
                    "gen_ai.response.finish_reasons": done.reason,
                }
            )

    def _fail(self, failure: LyraError, *, ending: str | None = None) -> None:
        """End the run with a failure: as parts if it is shown, else for the handler to raise."""
        if self._run.begun and not self._run.ended and ending is None:
            log.warning("an answer failed: %s", failure.code)  # else the access log has it
        self._run.fail(failure, ending)

    def make_failure(self, failure: LyraError, ending: str | None, /) -> tuple[Part, ...]:
        """See Endings.make_failure; with what the answer has cost so far."""
        metadata = self._end_stats(ending or failure.code, self._stats.estimate_usage())
        return (*failure_parts(failure, self._request_id), Finish("error", metadata))

    def make_abort(self, reason: str) -> tuple[Part, ...]:
        """See Endings.make_abort; with what the answer has cost so far."""
        metadata = self._end_stats(reason, self._stats.estimate_usage())
        if reason == "stopped":
            self._begin()  # a listener who stops an answer is shown its end before any text, too
        # useChat ignores `abort`; what it keeps of it is this metadata.
        return MessageMetadata({**metadata, "aborted": reason}), Abort(reason)

    def _end_stats(self, ending: str, usage: Usage) -> dict[str, Any]:
        """Note how the answer ends and what it has cost; return the metadata of its ending."""
        return {**self._stats.end(ending, usage), "cache": self._describe_cache()}

    def count(self) -> None:
        """Charge and count the answer, once it has ended."""
        with best_effort("the budget of an account"):
            self._reservation.settle(self._stats.usage)
        with best_effort("the metrics of an answer"):
            self._stats.report()
            if self._entry is not None:
                age_s = self._lookup.describe()["age_s"]
                self._generator.metrics.data_age_seconds.observe(age_s)

    def _describe_cache(self) -> dict[str, Any]:
        description: dict[str, Any] = {}
        with best_effort("the state of the cache"):
            description |= self._lookup.describe()
        return description


def _cite(text: str, entry: Entry, question: str) -> tuple[list[TrackCard], list[str]]:
    """Return the cards of an answer, and the facts that it rests on."""
    listening = entry.listening()
    mentions = find_mentions(text, listening)
    return [make_card(each) for each in mentions], find_evidence(listening, mentions, question)


def _is_worth_a_retry(failure: TryLaterError) -> bool:
    if isinstance(failure, LlmTimeoutError) or failure.reason == CIRCUIT_OPEN:
        return False
    return (failure.retry_after_s or 0) <= _RETRY_WAIT_S
