"""A model in this process that calls tools at random, well and badly, and reads what it gets back."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from lyra.chat.model.port import (
    Block,
    Done,
    ModelStream,
    OnPiece,
    Prompt,
    ToolCall,
    ToolProgress,
    ToolStart,
    Usage,
)
from lyra.errors import (
    LlmInterruptedError,
    LlmRateLimitedError,
    LlmTruncatedError,
    LlmUnavailableError,
)
from tests.support.invented_music import DETAILS, POOL, Catalogue, Listener, Song, pool_song
from tests.support.virtual_time import pass_time

Json = dict[str, Any]
_NO_CALLS: tuple[Any, ...] = (
    None,
    {},
    {"items": []},
    {"items": [{"artist": 7}]},
    {"items": [{"artist": "Pool Artist 1p"}] * 13},
    {"items": [{"artist": "Pool Artist 1p"}], "more": 1},
    {"query": ""},
)


@dataclass
class Answer:
    """One answer from the model's side: what it has sent in each round that went well, and said."""

    number: int
    listener: Listener
    rng: Random
    style: str
    crowd: tuple[Song, ...] = ()  # what everybody asks for at this moment
    turns: list[tuple[Block, ...]] = field(default_factory=list)
    read: set[Song] = field(default_factory=set)  # of the details that it has asked for
    named: list[Song] = field(default_factory=list)


class StormModel:
    """Answers by what `answer_of` says about the question; `read` sees every prompt."""

    name = "storm"
    offline = False

    def __init__(
        self,
        answer_of: Callable[[str], Answer],
        read: Callable[[Answer, Prompt], None],
        catalogue: Catalogue,
    ) -> None:
        self._answer_of = answer_of
        self._read = read
        self._catalogue = catalogue
        self.faulty = 0.0
        self.calls = 0

    @asynccontextmanager
    async def open(self, prompt: Prompt) -> AsyncIterator[ModelStream]:
        answer = self._answer_of(prompt.turns[-1].text)
        self._read(answer, prompt)
        self.calls += 1
        await pass_time(answer.rng.uniform(0.1, 2))
        if answer.rng.random() < self.faulty:
            raise answer.rng.choice((LlmUnavailableError, LlmRateLimitedError))(retry_after_s=1)
        yield _Turn(self, answer, prompt)

    async def speak(self, answer: Answer, prompt: Prompt, on_piece: OnPiece) -> None:
        """One turn, with breaks between its pieces."""
        rng = answer.rng
        on_piece(Usage(input_tokens=rng.randrange(1, 500)))
        calls = self._calls(answer, prompt)
        text = "Let me look. " if calls else self._last_words(answer, prompt)
        blocks: list[Block] = []
        if text and rng.random() < 0.9:
            for at in range(0, len(text), 60):
                on_piece(text[at : at + 60])
            blocks.append({"type": "text", "text": text})
        await pass_time(rng.uniform(0, 1))
        if rng.random() < self.faulty:
            await self._break(rng)
        for call in calls:
            on_piece(ToolStart(call.name))
            on_piece(ToolProgress())
            arguments = call.arguments or {}
            blocks.append(
                {"type": "tool_use", "id": call.call_id, "name": call.name, "input": arguments}
            )
        cut = rng.random() < 0.03
        if calls and not cut:
            del answer.turns[len(prompt.rounds) :]
            answer.turns.append(tuple(blocks))
        done = () if cut else tuple(calls)
        reason = "length" if cut else "stop"
        on_piece(Done(reason, Usage(100, 10), done, tuple(blocks) if done else ()))  # type: ignore[arg-type]

    async def _break(self, rng: Random) -> None:
        if rng.random() < 0.3:
            await pass_time(1000)
        raise rng.choice((LlmInterruptedError, LlmTruncatedError))

    def _calls(self, answer: Answer, prompt: Prompt) -> list[ToolCall]:
        rounds = len(prompt.rounds)
        wanted = {"talk": 0, "one": 1, "two": 2, "endless": 9, "wild": 3}[answer.style]
        if rounds >= wanted or (not prompt.calls_allowed and answer.style != "endless"):
            return []
        count = answer.rng.choice((1, 1, 2, 12) if answer.style == "wild" else (1, 1, 1, 3))
        return [self._call(answer, rounds, number) for number in range(count)]

    def _call(self, answer: Answer, rounds: int, number: int) -> ToolCall:
        rng, call_id = answer.rng, f"toolu_{rounds}_{number}"
        if answer.style == "wild" and rng.random() < 0.5:
            name = rng.choice(("find_music", "find_music", "search_catalogue", "delete_all"))
            return ToolCall(number, call_id, name, rng.choice(_NO_CALLS))
        if not answer.crowd and rng.random() < 0.3:
            return ToolCall(number, call_id, *self._other_call(answer))
        songs = list(answer.crowd) or [self._song(answer) for _ in range(rng.randrange(1, 9))]
        songs += sorted(answer.read, key=str)
        return ToolCall(
            number, call_id, "find_music", {"items": [self._ask(rng, s) for s in songs]}
        )

    def _other_call(self, answer: Answer) -> tuple[str, Json]:
        """A free search, or a detail: the listener's own or, for the playlist, somebody else's."""
        rng = answer.rng
        if rng.random() < 0.5:
            words = rng.choice((f"mood {rng.randrange(40)}", f"Pool Artist {rng.randrange(60)}p"))
            kind = rng.choice(("track", "track", "artist"))
            return "search_catalogue", {"query": words, "kind": kind, "limit": rng.randrange(1, 11)}
        detail = rng.choice(DETAILS)
        answer.read.update(answer.listener.detail(detail))
        if detail != "playlist":
            return "get_listening", {"section": "top_tracks", "range": detail}
        other = Listener(rng.randrange(40))
        whose = rng.choice((answer.listener, answer.listener, other))
        return "get_listening", {"section": "playlist", "uri": whose.playlist}

    def _song(self, answer: Answer) -> Song:
        """A song that many ask for, one of the listener's own, anybody's, or one that is none."""
        rng, drawn = answer.rng, answer.rng.random()
        if drawn < 0.5:
            return pool_song(int(POOL * rng.random() ** 2))
        if drawn < 0.65:
            return rng.choice(answer.listener.top_tracks)
        if drawn < 0.8:
            return answer.listener.detail(rng.choice(DETAILS))[rng.randrange(2)]
        if drawn < 0.9:
            return rng.choice(self._catalogue.songs)
        return Song(f"No Song {rng.randrange(10_000)}n", f"Pool Artist {rng.randrange(60)}p")

    def _ask(self, rng: Random, song: Song) -> Json:
        drawn = rng.random()
        if drawn < 0.1:
            return {"artist": song.artist}
        if drawn < 0.13:
            return {"artist": song.artist, "title": song.title, "kind": "album"}
        return {"artist": song.artist, "title": song.title}

    def _last_words(self, answer: Answer, prompt: Prompt) -> str:
        """Names what was found, what the listener knows, and what nobody has looked up."""
        rng = answer.rng
        found = [
            Song(each["item"]["name"], each["item"]["artists"][0])
            for one in prompt.rounds
            for result in one.results
            if not result.failed
            for each in orjson.loads(result.content).get("items", ())
            if each.get("found") and each["item"]["uri"].startswith("spotify:track:")
        ]
        answer.named = list(dict.fromkeys(rng.sample(found, min(2, len(found)))))
        detail = answer.listener.detail(rng.choice(DETAILS))
        answer.named += [rng.choice(answer.listener.top_tracks), rng.choice(self._catalogue.songs)]
        answer.named = list(dict.fromkeys([*answer.named, *detail]))
        lines = [f"- **{song.title}** \u2013 {song.artist}" for song in answer.named]
        return "Here you are:\n\n" + "\n".join(lines) + "\n"


class _Turn:
    def __init__(self, model: StormModel, answer: Answer, prompt: Prompt) -> None:
        self._model, self._answer, self._prompt = model, answer, prompt

    async def stream_to(self, on_piece: OnPiece) -> None:
        """See ModelStream.stream_to."""
        await self._model.speak(self._answer, self._prompt, on_piece)
