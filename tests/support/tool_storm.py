"""A seeded storm over all that an answer with tools passes, in virtual time, with a judge of every answer.

Real: the runs, the generator, the tools, the catalogue's searches and budgets, the listeners' cache, and
Spotify's client. Invented: the model behind its port, and Spotify below the client.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import orjson
import pytest

from lyra.cache.keys import Key
from lyra.cache.listeners import ListenerCache
from lyra.catalogue.budgets import SearchBudgets, SearchRefusedError
from lyra.catalogue.queries import Query
from lyra.catalogue.search import CatalogueSearch
from lyra.chat.generation import AnswerGenerator
from lyra.chat.model.model_circuit import ModelCircuit
from lyra.chat.model.port import Prompt
from lyra.chat.request_schema import ChatInput, Turn
from lyra.chat.runs.registry import RunRegistry
from lyra.chat.runs.run import Run
from lyra.chat.runs.supervisor import RunSupervisor
from lyra.chat.token_quota import TokenQuota
from lyra.chat.tools.toolbox import MAX_CALLS, MAX_ROUNDS, Toolbox
from lyra.circuit_breaker import CircuitBreaker
from lyra.errors import LyraError
from lyra.metrics import Metrics
from lyra.playlists.proposals import Proposals
from lyra.settings import Settings
from lyra.spotify.client import SpotifyClient
from lyra.spotify.endpoints import SEARCHES_AT_ONCE
from lyra.spotify.transport import Transport
from tests.support.invented_music import Catalogue, Listener, Song, marks, pool_song
from tests.support.storm_model import Answer, StormModel
from tests.support.storm_spotify import (
    AnswerToken,
    Births,
    Ledger,
    StormSession,
    WatchedSpotify,
    Weather,
    noting,
)
from tests.support.stream_grammar import check_parts
from tests.support.virtual_time import now, pass_time

MIDNIGHT = 1_795_046_400.0  # seconds since 1970
Json = dict[str, Any]
Manner = Literal["stays", "leaves", "stops", "returns", "forgets"]
_MANNERS: tuple[Manner, ...] = ("stays", "stays", "stays", "stays", "stays", "stays", "stays",
    "leaves", "stops", "returns", "forgets")  # fmt: skip
_STYLES = ("talk", "one", "one", "one", "two", "endless", "wild")


@dataclass(frozen=True)
class Scale:
    """How large a storm is. `hours` begin so that a day turns on the way.

    `settings` are those that are not drawn.
    """

    listeners: int = 12
    hours: float = 1.5
    pause_s: float = 400.0  # between two questions of a listener, on average
    crowd: float = 0.3  # of the questions are asked by all at the same moment
    settings: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def _faults_logged() -> Iterator[list[str]]:
    """Collect what Lyra logs as a fault of its own; all else of its log is not shown."""
    seen: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    logger, handler = logging.getLogger("lyra"), Keep(logging.ERROR)
    logger.addHandler(handler)
    before, logger.propagate = logger.propagate, False
    try:
        yield seen
    finally:
        logger.propagate = before
        logger.removeHandler(handler)


class ToolStorm:
    """Listeners who ask, leave, stop and forget, in changing weather, under small bounds."""

    def __init__(self, seed: int, scale: Scale, patch: pytest.MonkeyPatch) -> None:
        self.rng = rng = Random(seed)
        self.scale = scale
        self.births = Births()
        self.listeners = [Listener(number) for number in range(scale.listeners)]
        self.catalogue = Catalogue(self.listeners)
        drawn: Json = {
            "searches_per_answer": (10, 4, 1, 10)[seed % 4],
            "searches_per_hour": (60, 15, 60, 5)[seed % 4],
            "searches_per_day": (5, 0, 3, 0, 0)[seed % 5] * scale.listeners,
            "cache_max_entries": rng.choice((1, 1, 2)) * scale.listeners,
            "cache_ttl_s": rng.choice((60, 3600)),
            "tool_timeout_s": rng.choice((2, 8)),
            "fetches_per_minute": 1_000_000,
            "streams_per_token": rng.choice((1, 3, 50)),
            "resume_grace_s": rng.choice((0, 15)),
            "run_keep_s": rng.choice((0, 120)),
            "daily_tokens": rng.choice((0, 10**9)),
        }
        self.settings = Settings(**{**drawn, **scale.settings})
        self.max_queries, self.max_flights = (
            rng.choice((3, 40, 10_000)),
            rng.choice((5, 1000, 1000)),
        )
        patch.setattr("lyra.catalogue.search._MAX_QUERIES", self.max_queries)
        patch.setattr("lyra.catalogue.search.MAX_FLIGHTS", self.max_flights)
        self.answers: list[Answer] = []
        self.runs_of: dict[int, Run] = {}
        self.did: Counter[str] = Counter()
        self.wrong: list[AssertionError] = []  # seen within Lyra, which goes on after any exception
        self._crowd_at = asyncio.Event()
        self._crowd: tuple[Song, ...] = ()

    def wall_clock(self) -> float:
        """Begin so long before midnight that it comes within the time."""
        return MIDNIGHT - min(self.scale.hours / 2, 6) * 3600 + now() - self._began

    async def run(self) -> None:
        """Storm for as long as the scale says, drain, and look at what is left."""
        asyncio.get_running_loop().set_task_factory(self.births)
        self._began = now()
        with _faults_logged() as faults:
            self._build()
            await self._storm()
        assert self.wrong == [], self.wrong[:3]
        assert faults == [], faults[:3]
        self._judge_rest()

    async def _storm(self) -> None:
        try:
            async with self.supervisor.supervise(), asyncio.TaskGroup() as group:
                idle = [
                    group.create_task(each)
                    for each in (self.cache.sweep_forever(), self._change(), self._clear())
                ]
                async with asyncio.TaskGroup() as asking:
                    for listener in self.listeners:
                        asking.create_task(self._live(listener))
                    await pass_time(self.scale.hours * 3600)
                    await self.runs.drain()
                for task in idle:
                    task.cancel()
            await self._probe()
            await self._close()
        except AssertionError:
            assert self.wrong == [], self.wrong[:3]  # where it was seen first
            raise

    def _build(self) -> None:
        settings, metrics = self.settings, Metrics()
        self.weather = Weather(Random(self.rng.random()))
        self.session = StormSession(self.weather, self.catalogue, self.listeners)
        session: Any = self.session
        transport = Transport(
            session,
            settings.spotify_api_url,
            timeout_s=settings.spotify_timeout_s,
            clock=self.wall_clock,
        )
        nothing: Any = None
        client = SpotifyClient(
            transport, nothing, metrics, timeout_s=settings.spotify_timeout_s, rng=self.rng
        )
        bounds = {
            "answer": settings.searches_per_answer,
            "listener": settings.searches_per_hour,
            "app": settings.searches_per_day,
        }
        self.ledger = Ledger(self.births, self.wall_clock, bounds, self.wrong)
        spotify = WatchedSpotify(client, self.ledger)
        self.cache = ListenerCache(
            settings,
            spotify,
            metrics,
            rng=self.rng,
            clock=now,
            wall_clock=self.wall_clock,
            throttle=client.throttle,
        )
        self.budgets = SearchBudgets(
            settings, entries=self.scale.listeners, wall_clock=self.wall_clock
        )
        self.search = CatalogueSearch(spotify, self.cache.keys, self.budgets, clock=now)
        self.model = StormModel(self._answer_of, self._read_prompt, self.catalogue)
        self.quota = TokenQuota(
            settings.daily_tokens, entries=self.scale.listeners, wall_clock=self.wall_clock
        )
        self.generator = AnswerGenerator(
            settings,
            self.model,
            metrics,
            self.rng,
            ModelCircuit(CircuitBreaker("the model", now), metrics),
            self.quota,
            self.cache.keys,
            Toolbox(
                settings,
                self.search,
                self.budgets,
                self.cache,
                Proposals(settings, self.cache.keys, None, wall_clock=self.wall_clock),
            ),
            wall_clock=self.wall_clock,
        )
        self.supervisor = RunSupervisor(settings.answer_timeout_s, clock=now)
        self.runs = RunRegistry(settings, None, self.supervisor)

    # ---- what happens

    async def _live(self, listener: Listener) -> None:
        rng = Random(self.rng.random())
        while not self.runs.draining:
            pause_s = self.scale.pause_s * rng.uniform(0.2, 1.8)
            if rng.random() < self.scale.crowd:
                with suppress(TimeoutError):
                    async with asyncio.timeout(4 * pause_s):
                        await self._crowd_at.wait()
                await self._ask(listener, rng, self._crowd)
            else:
                await pass_time(pause_s)
                await self._ask(listener, rng)

    async def _ask(self, listener: Listener, rng: Random, crowd: tuple[Song, ...] = ()) -> None:
        answer = Answer(
            len(self.answers), listener, Random(rng.random()), rng.choice(_STYLES), crowd
        )
        self.answers.append(answer)
        token, manner = AnswerToken(listener, answer.number), rng.choice(_MANNERS)
        owner, resumable = self.cache.key(token), manner == "returns"
        question = ChatInput((Turn("user", f"Question {answer.number}"),), resumable=resumable)
        self.did[manner] += 1
        try:
            async with self.runs.open_run(owner, token, question) as run:
                lookup = await self.cache.lookup(token)
                self.runs_of[answer.number] = run
                produce = self.generator.generate(
                    run, lookup, question, token=token, request_id="1"
                )
                self.runs.start(run, produce)
                await self._read(run, token, rng, manner)
        except LyraError as failure:
            self.did[f"refused: {failure.code}"] += 1
        if manner == "returns" and answer.number in self.runs_of:
            await pass_time(rng.uniform(0, 8))
            await self._return(owner, token, self.runs_of[answer.number])
        await self._judge_tables()

    async def _read(self, run: Run, token: AnswerToken, rng: Random, manner: Manner) -> None:
        if manner != "stays":
            with suppress(TimeoutError):
                async with asyncio.timeout(rng.uniform(0, 8)):
                    await run.wait_ended()
        if manner in ("leaves", "returns"):
            return
        if manner == "stops":
            await self.runs.stop(self.cache.key(token), run.id)
        if manner == "forgets":
            await self.cache.clear(token)
            await self.runs.end(self.cache.key(token))
        await run.wait_ended()

    async def _return(self, owner: Key, token: AnswerToken, run: Run) -> None:
        found = await self.runs.find(owner, token, run.id)
        if found is None:
            return
        self.did["came back"] += 1
        with found.read():
            await run.wait_ended()

    async def _change(self) -> None:
        tokens = [listener.token for listener in self.listeners]
        while True:
            await pass_time(self.rng.uniform(100, 900))
            self.weather.change(tokens)
            self.model.faulty = self.rng.choice((0, 0, 0.05, 0.3))

    async def _clear(self) -> None:
        """Gather a crowd now and then, and forget everybody more rarely."""
        while True:
            await pass_time(self.rng.uniform(200, 1200))
            first = self.rng.randrange(10_000)
            self._crowd = tuple(pool_song((first + each) % 300) for each in range(4))
            some = self.rng.sample(self.listeners, self.scale.listeners // 2)
            self.weather.refused |= {each.token: self.rng.choice((401, 403, 403)) for each in some}
            self._crowd_at.set()
            self._crowd_at = asyncio.Event()
            if self.rng.random() < 0.1:
                self.did["cleared all"] += 1
                await self.cache.clear()

    # ---- what may never be

    def _answer_of(self, question: str) -> Answer:
        return self.answers[int(question.removeprefix("Question "))]

    async def _judge_tables(self) -> None:
        """Nothing is above its bound, and nothing is searched for that nobody waits for."""
        sizes = self.search.stats()
        assert sizes["queries"] <= self.max_queries
        assert sizes["flights"] <= self.max_flights
        assert self.cache.stats()["entries"] <= self.settings.cache_max_entries
        for _ in range(5):
            await asyncio.sleep(0)
        if not len(self.runs):
            assert self.search.stats()["flights"] == self.ledger.open == 0, "nobody waits for it"

    def _read_prompt(self, answer: Answer, prompt: Prompt) -> None:
        with noting(self.wrong):
            self._judge_prompt(answer, prompt)

    def _judge_prompt(self, answer: Answer, prompt: Prompt) -> None:
        """The model gets its own turns back, its own results, and one listener's data."""
        assert len(prompt.rounds) < MAX_ROUNDS
        assert prompt.calls_allowed or prompt.rounds
        context = prompt.context()
        listed = any(heading in context for heading in ("\n# top ", "\n# playlists"))
        assert marks(context) == ({answer.listener.number} if listed else set())
        assert [one.blocks for one in prompt.rounds] == answer.turns[: len(prompt.rounds)]
        run = 0
        for one in prompt.rounds:
            calls = [block for block in one.blocks if block["type"] == "tool_use"]
            assert [each.call_id for each in one.results] == [each["id"] for each in calls]
            for call, result in zip(calls, one.results, strict=True):
                if not result.failed:
                    run += 1
                    self._judge_output(
                        answer.listener, call["name"], call["input"], orjson.loads(result.content)
                    )
        assert run <= MAX_CALLS

    def _judge_output(self, listener: Listener, tool: str, call: Json, output: Json) -> None:
        self.did[tool] += 1
        match tool:
            case "find_music":
                self._judge_finds(listener, call["items"], output)
            case "search_catalogue":
                self._judge_search(listener, call, output)
            case "get_listening":
                self._judge_rows(listener, call, output)
            case _:
                raise AssertionError(tool)

    def _judge_rows(self, listener: Listener, call: Json, output: Json) -> None:
        """The rows are this listener's."""
        assert call.get("uri", listener.playlist) == listener.playlist
        songs = listener.detail(call.get("range") or "playlist")
        assert [(row["name"], row["artists"]) for row in output["rows"]] == [
            (song.title, [song.artist]) for song in songs
        ]

    def _judge_search(self, listener: Listener, call: Json, output: Json) -> None:
        """Each item is one that Spotify shows for these words, well or badly."""
        words, kind = call["query"], call["kind"]
        assert len(output["items"]) <= call["limit"]
        shown = [
            *self.catalogue.find(words, kind),
            *self.catalogue.find(f"something else than {words}", kind),
        ]
        for row in output["items"]:
            assert row["uri"] in {each["uri"] for each in shown}
            self._judge_known(listener, row, row["known"])

    def _judge_known(self, listener: Listener, item: Json, known: Json | None) -> None:
        """What only a detail shows may be known by it, or not yet; all else is as the data say."""
        song = item["uri"].startswith("spotify:track:")
        place = listener.place(item["name"], item["artists"][0] if song else None)
        if place is None and listener.hidden(item["uri"]) and known is not None:
            place = {"section": "elsewhere"}
        assert known == place, "known as by another listener's data"

    def _judge_finds(self, listener: Listener, asked: list[Json], output: Json) -> None:
        """Each item is the one that was asked for, and known as this listener's data say."""
        assert len(output["items"]) == len(asked)
        for wanted, row in zip(asked, output["items"], strict=True):
            title, artist = wanted.get("title"), wanted["artist"]
            assert row["asked"].get("title") == title
            if row["found"]:
                self.did["found"] += 1
                assert row["item"]["name"] == (title or artist)
                assert row["item"]["artists"] == [artist]
                self._judge_known(listener, row["item"], row["known"])
            else:
                self._judge_reason(listener, row["reason"])

    def _judge_reason(self, listener: Listener, reason: str) -> None:
        """What is said of a token was said to this very token."""
        self.did[f"reason: {reason}"] += 1
        if reason == "token_rejected":
            assert self.session.statuses[listener.token, 401], "another token's refusal"
        if reason in ("forbidden", "not_registered", "missing_scope", "owner_not_premium"):
            assert self.session.statuses[listener.token, 403], "another token's refusal"
        if reason == "app":
            assert self.settings.searches_per_day

    def _judge_run(self, answer: Answer, run: Run) -> None:
        assert run.ended
        assert not run.busy
        parts = [orjson.loads(line) for line in run.lines(0)]
        if not parts:
            self.did["unseen"] += 1
            return
        check_parts(parts)
        calls, found, read = {}, set(), set()
        for part in parts:
            if part["type"] == "tool-input-available":
                calls[part["toolCallId"]] = part["toolName"], part["input"]
            if part["type"] == "tool-output-available":
                output, (tool, call) = part["output"], calls[part["toolCallId"]]
                self._judge_output(answer.listener, tool, call, output)
                items = [row.get("item", row) for row in output.get("items", ())]
                found |= {item["uri"] for item in items if "uri" in item}
                if tool == "get_listening":
                    songs = answer.listener.detail(call.get("range") or "playlist")
                    read |= {song.uri for song in songs}
        cards = [part for part in parts if part["type"] == "data-track"]
        self._judge_cards(answer, cards, found, read)
        if parts[-1].get("finishReason") == "stop":
            texts = "".join(part["delta"] for part in parts if part["type"] == "text-delta")
            named = {song.uri for song in answer.named if f"**{song.title}**" in texts}
            due = {uri for uri in named if uri in found | read or answer.listener.holds(uri)}
            assert {card["id"] for card in cards if card["data"]["kind"] == "track"} == due
        told = orjson.dumps([part for part in parts if part["type"] == "data-because"]).decode()
        assert marks(told) <= {answer.listener.number}
        last = parts[-2]["messageMetadata"] if parts[-1]["type"] == "abort" else _metadata(parts)
        receipt = last.get("tools", {"calls": 0, "searches": 0})
        assert receipt["calls"] <= MAX_CALLS
        assert self.ledger.by_answer[answer.number] <= receipt["searches"]
        assert receipt["searches"] <= self.settings.searches_per_answer
        self.did["ended: " + (last.get("aborted") or parts[-1].get("finishReason", ""))] += 1

    def _judge_cards(
        self, answer: Answer, cards: list[Json], found: set[str], read: set[str]
    ) -> None:
        """Only what was found for this answer, or is this listener's; new is what is not theirs."""
        for card in cards:
            own = answer.listener.holds(card["id"]) or card["id"] in read
            assert own or card["id"] in found, "a card of nothing that was found"
            assert card["data"].get("new", False) is not own
            self.did["cards"] += 1
            self.did["new cards"] += not own
            self.did["cards of details"] += card["id"] in found & read

    # ---- the end

    async def _probe(self) -> None:
        """All places for searches are free again, and no more than those."""
        assert len(self.runs) == 0
        await self._judge_tables()
        await pass_time(86_400 + 60)  # budgets begin anew; pauses, hangs and keeping are over
        self.weather.calm()
        self.session.gate.clear()
        probed = SEARCHES_AT_ONCE + 4
        probes = asyncio.gather(*map(self._probe_one, range(probed)))
        await pass_time(1)
        assert self.ledger.open == min(SEARCHES_AT_ONCE, self.max_flights), "a place was lost"
        self.session.gate.set()
        assert sum(await probes) == min(probed, self.max_flights)

    async def _probe_one(self, number: int) -> bool:
        listener = Listener(self.scale.listeners + number)
        budget = self.budgets.open_answer(Key(f"probe {number}"))
        token = AnswerToken(listener, -1 - number)
        try:
            await self.search.search(token, Query("track", f"probe {number}"), budget)
        except SearchRefusedError:
            return False
        return True

    async def _close(self) -> None:
        await self.cache.drain(10)
        await self.search.close()
        await self.runs.close()
        await self.quota.close()
        await self.cache.close()
        await pass_time(1)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left

    def _judge_rest(self) -> None:
        for number, run in self.runs_of.items():
            self._judge_run(self.answers[number], run)
        assert self.search.stats()["flights"] == 0
        assert self.ledger.open == 0
        assert self.runs.stats()["live"] == self.runs.stats()["readers"] == 0
        assert self.runs.stats()["unread"] == self.runs.stats()["kept"] == 0
        assert self.quota.stats()["held"] == 0
        assert self.cache.stats()["flights"] == self.cache.stats()["locks"] == 0
        assert self.supervisor.stats() == {"answers_total": 0, "stuck": 0}

    def told(self) -> str:
        """What the storm did, for people."""
        figures = {
            "answers": len(self.runs_of),
            "model calls": self.model.calls,
            "searches": self.ledger.searches,
            **{name: self.search.stats()[name] for name in ("hits_total", "joined_total")},
            "most in an answer": max(self.ledger.by_answer.values(), default=0),
            "most in an hour": max(self.ledger.by_hour.values(), default=0),
            "most in a day": max(self.ledger.by_day.values(), default=0),
            "most at once": self.ledger.most_open,
        }
        counted = {**figures, **dict(sorted(self.did.items()))}
        return ", ".join(f"{name} {count}" for name, count in counted.items())


def _metadata(parts: list[Json]) -> Json:
    metadata: Json = parts[-1]["messageMetadata"]
    return metadata
