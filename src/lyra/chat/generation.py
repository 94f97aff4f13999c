"""Fill a run: wait for the listener's data, call the model and the tools, end the answer once.

An answer is made in rounds. In each the model is called; what it says is relayed as it comes, and
what it calls is run once its turn is whole. A round in which it calls nothing is the last one.
The ending never depends on what is counted, measured or added beside the answer.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from itertools import chain
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
from lyra.chat.model.port import (
    ChatModel,
    Done,
    LazyModel,
    Piece,
    Prompt,
    ToolRound,
    ToolsRefusedError,
    ToolStart,
    Usage,
)
from lyra.chat.parts import (
    Abort,
    Because,
    Finish,
    FinishStep,
    MessageMetadata,
    Part,
    PlaylistPart,
    Start,
    StartStep,
    TrackCard,
    failure_parts,
    status,
)
from lyra.chat.prompt import make_prompt, offer_tools
from lyra.chat.request_schema import ChatInput
from lyra.chat.runs.run import LEFT, Producer, Run
from lyra.chat.token_quota import Reservation, TokenQuota, estimate_cost
from lyra.chat.tool_parts import ToolParts
from lyra.chat.tools.toolbox import MAX_ROUNDS, AnswerTools, Toolbox
from lyra.circuit_breaker import Call
from lyra.clocks import wall_clock
from lyra.errors import (
    LlmInterruptedError,
    LlmTimeoutError,
    LlmTruncatedError,
    LyraError,
    TryLaterError,
)
from lyra.listening.models import Artist, Listening, Playlist, Track
from lyra.metrics import Metrics
from lyra.playlists.views import proposal_view
from lyra.settings import Settings
from lyra.spotify.token import Token
from lyra.timezones import UTC_ZONE, Zone
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
    toolbox: Toolbox
    demo: bool = False
    wall_clock: Callable[[], float] = wall_clock

    @property
    def ready(self) -> bool:
        """Whether the model can be called without waiting for its client to be loaded."""
        return not isinstance(self.model, LazyModel) or self.model.loaded is not None

    def describe(self) -> dict[str, Any]:
        """Return the model's name, and its state: `ok`, `starting`, or `open` (its circuit) and for how long."""
        description: dict[str, Any] = {
            "name": self.model.name,
            "offline": self.model.offline,
            "tools": self.toolbox.state,
        }
        if not self.ready:
            return description | {"state": "starting"}
        if retry_in_s := self.circuit.retry_in_s:
            return description | {"state": "open", "retry_in_s": round(retry_in_s)}
        return description | {"state": "ok"}

    def generate(
        self,
        run: Run,
        lookup: Lookup,
        question: ChatInput,
        *,
        token: Token,
        request_id: str,
        zone: Zone = UTC_ZONE,
    ) -> Producer:
        """Return what fills the run with an answer to this question, once the run is started.

        `zone` is the listener's, in whose hours the answer speaks.
        """
        return _Generation(
            self, run, lookup, question, token=token, request_id=request_id, zone=zone
        )


class _Generation(Producer):
    """One answer while it is made: the producer of one run."""

    def __init__(
        self,
        generator: AnswerGenerator,
        run: Run,
        lookup: Lookup,
        question: ChatInput,
        *,
        token: Token,
        request_id: str,
        zone: Zone,
    ) -> None:
        self._generator = generator
        self._settings = generator.settings
        self._run = run
        self._lookup = lookup
        self._token = token
        self._zone = zone
        self._question = question
        self._request_id = request_id
        self._asked_at = generator.wall_clock()  # the same in all rounds: they begin with it
        self._stats = GenerationStats(generator.metrics)
        self._done: Done | None = None  # the end of this round's turn
        self._entry: Entry | None = None
        self._tools: AnswerTools | None = None
        self._rounds: tuple[ToolRound, ...] = ()  # those before this one
        self._tool_parts = ToolParts(run)
        self._in_steps = False
        self._said_before = 0  # characters of the rounds before this one
        self._shown = False  # whether the reader has seen anything of this round
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
        if self._generator.toolbox.offered:
            question = self._question.turns[-1].text
            self._tools = self._generator.toolbox.open(self._token, self._entry, question)
            self._in_steps = True
        while await self._make_round(self._entry):
            pass

    async def _make_round(self, entry: Entry) -> bool:
        """Call the model, and run what it calls. Return whether another round follows."""
        await self._reserve(entry)
        if self._in_steps:
            self._run.add(StartStep())
        self._run.add(status("thinking"))
        self._done, self._shown = None, False
        self._said_before = len(self._run.text())
        await self._relay(entry)
        if self._tools is None or self._run.ended:
            return False
        await self._run_tools(self._tools)
        return True

    async def _reserve(self, entry: Entry) -> None:
        """Hold what the round may cost of its account's tokens of the day."""
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
        """Relay the model's turn; a server that may have refused it for its tools is asked without."""
        try:
            await self._call_with_retry(entry)
        except ToolsRefusedError:
            self._tools = None
            await self._call_with_retry(entry)
            self._generator.toolbox.note_refused()
        else:
            if self._tools is not None:
                self._generator.toolbox.note_taken()

    async def _call_with_retry(self, entry: Entry) -> None:
        """Call the model; a call that fails before anything of it is shown is made once more."""
        try:
            await self._call(entry)
        except TryLaterError as failure:
            if self._shown or not _is_worth_a_retry(failure):
                raise
            pause = _RETRY_JITTER_S * self._generator.rng.random()
            await asyncio.sleep((failure.retry_after_s or 0) + pause)
            await self._call(entry)

    async def _call(self, entry: Entry) -> None:
        """Call the model. Its turn ends the answer, unless it calls tools that may be run."""
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
                    if self._done.calls and self._calls_allowed:
                        return
                    # The words are all there: from here on only the answer's own deadline counts.
                    idle_timeout.reset(self._settings.answer_timeout_s)
                    await self._add_citations()
                    self._finish(self._done)
            except TimeoutError:
                raise LlmTimeoutError from None

    @property
    def _calls_allowed(self) -> bool:
        """Whether what the model calls in this round is run."""
        more = len(self._rounds) + 1 < MAX_ROUNDS
        return self._tools is not None and more and self._tools.any_left

    async def _run_tools(self, tools: AnswerTools) -> None:
        """Run what the model has called in this round; the next one begins with the results."""
        done, self._done = self._done, None
        assert done is not None  # noqa: S101 - else the call would have failed
        self._stats.end_round(done.usage)
        self._reservation.settle(done.usage)
        calls = tools.prepare(done.calls)
        self._tool_parts.show_calls(calls)
        outcomes = await tools.run(calls)
        self._tool_parts.show_outcomes(outcomes)
        if proposed := tools.take_proposal():
            self._run.add(PlaylistPart(proposed.id, proposal_view(*proposed)))
        self._run.add(FinishStep())
        results = tuple([outcome.result for outcome in outcomes])
        self._rounds = (*self._rounds, ToolRound(done.blocks, results))

    def _make_prompt(self, entry: Entry) -> Prompt:
        level = self._settings.llm_context
        prompt = make_prompt(
            entry, self._question.turns, level, now=self._asked_at, zone=self._zone
        )
        if self._tools is None:
            return prompt
        return offer_tools(
            prompt,
            self._generator.toolbox.specification,
            self._rounds,
            calls_allowed=self._calls_allowed,
        )

    def _on_piece(self, call: Call, idle_timeout: IdleTimeout, piece: Piece) -> bool:
        """Take the model's next piece; return whether it was the last.

        Called while the model's connection is read, so nothing here may wait, log or trace.
        """
        if isinstance(piece, str):
            self._shown = True
            if not self._append_text(piece):
                self._done = Done("length", self._stats.estimate_usage())
        elif isinstance(piece, Usage):
            self._stats.on_usage(piece)
            return False
        elif isinstance(piece, Done):
            self._done = piece
            return True
        elif isinstance(piece, ToolStart):
            self._shown = True
            if self._tools is not None:
                name, title = self._tools.name_of(piece.name), self._tools.title_of(piece.name)
                self._tool_parts.start(name, title)
        call.record_success()
        idle_timeout.reset(self._settings.token_timeout_s)
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
            question = self._question.turns[-1].text
            cite = partial(_cite, text, self._entry, self._tools, question, self._zone)
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
        self._tool_parts.end_round()
        if self._in_steps:
            self._run.end_text()
            self._run.add(FinishStep())
        metadata = self._end_stats(done.reason, done.usage)
        before, last = text[: self._said_before], text[self._said_before :]
        if sentence := ending_notice(done.reason, before, last):
            metadata["notice"] = sentence
        self._run.end(Finish(done.reason, metadata))
        with best_effort("the trace of an answer"):
            annotate(
                {
                    "gen_ai.usage.input_tokens": self._stats.usage.input_tokens,
                    "gen_ai.usage.output_tokens": self._stats.usage.output_tokens,
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
        metadata = {**self._stats.end(ending, usage), "cache": self._describe_cache()}
        if self._tools is not None and (receipt := self._tools.receipt()):
            metadata["tools"] = receipt
        return metadata

    def count(self) -> None:
        """Charge and count the answer, once it has ended."""
        with best_effort("the budget of an account"):
            self._reservation.settle(self._stats.round_usage)
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


def _cite(
    text: str, entry: Entry, tools: AnswerTools | None, question: str, zone: Zone
) -> tuple[list[TrackCard], list[str]]:
    """Return the cards of an answer, and the facts that it rests on."""
    listening = entry.listening()
    if tools is None:
        mentions = find_mentions(text, listening)
        return [make_card(each) for each in mentions], find_evidence(
            listening, mentions, question, zone
        )
    new = {item.uri: item for item in tools.new_items()}
    mentions = find_mentions(text, listening, found=[*tools.rows(), *new.values()])
    cards = [
        make_card(each, tools.why_new(new[uri]) if (uri := str(each.item.uri)) in new else None)
        for each in mentions
    ]
    # Facts are about the lists that every answer begins with.
    beside = {*new, *(str(row.uri) for row in tools.rows())} - _uris(listening)
    own = [each for each in mentions if str(each.item.uri) not in beside]
    return cards, find_evidence(listening, own, question, zone)


def _uris(listening: Listening) -> set[str]:
    """Return the addresses of all items in the listener's lists."""
    played = [play.track for play in listening.recently_played]
    items: chain[Artist | Track | Playlist] = chain(
        listening.top_artists, listening.top_tracks, played, listening.playlists
    )
    return {str(item.uri) for item in items}


def _is_worth_a_retry(failure: TryLaterError) -> bool:
    if isinstance(failure, LlmTimeoutError) or failure.reason == CIRCUIT_OPEN:
        return False
    return (failure.retry_after_s or 0) <= _RETRY_WAIT_S
