"""Ten messages with the listener kept, against a fetch for each; and the first word of each kind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter

from bench.harness import Place
from bench.reader import Reader, Turn
from bench.report import Promise, Table, aim, ms, ratio, times
from lyra.sandbox import sandbox_token

LOW_MS, HIGH_MS = 40, 200
QUICK_MS = 4, 20
RUNS, QUICK_RUNS = 2, 1
MESSAGES = 10
ONE_FETCH = 5
SAVED = 0.9
QUESTIONS = ("Which artists do I listen to most?", "What did I play last?", "Which genres?")
FIRST_LOW_MS, FIRST_HIGH_MS = 400, 2500
QUICK_FIRST_MS = 40, 250
FIRST_RUNS, FOLLOW_UPS = 3, 5
SOONER = 100


@dataclass(frozen=True)
class Talk:
    """A Lyra in front of the sandbox, whose counters and faults this section needs."""

    place: Place
    reader: Reader

    async def new_listener(self, low_ms: int, high_ms: int) -> str:
        """A token never used before, whose five answers take `low_ms` to `high_ms`."""
        seed, fault = self.place.seed(), self.place.fault
        # The sandbox invents a listener on the first call; that must not count as Spotify's time.
        await self.reader.spotify("me", sandbox_token(seed, "typical", "legacy"))
        faults = [f"lat-{low_ms}-{high_ms}", *([fault] if fault else [])]
        return sandbox_token(seed, "typical", "legacy", *faults)


@asynccontextmanager
async def _talk(place: Place) -> AsyncIterator[Talk]:
    async with place.sandbox() as sandbox, place.lyra(behind=sandbox.url) as lyra:
        yield Talk(place, Reader(place.http, lyra.url, sandbox.url))


async def measure(place: Place) -> list[Table]:
    """The first word, then whole conversations."""
    async with _talk(place) as talk:
        return [await _first_words(talk), await _conversations(talk)]


async def _first_words(talk: Talk) -> Table:
    low, high = QUICK_FIRST_MS if talk.place.quick else (FIRST_LOW_MS, FIRST_HIGH_MS)
    cold, warm = [], []
    for _ in range(1 if talk.place.quick else FIRST_RUNS):
        token = await talk.new_listener(low, high)
        cold.append((await talk.reader.ask(token, QUESTIONS[0])).first_word_s)
        follow_ups = [
            await talk.reader.ask(token, QUESTIONS[0])
            for _ in range(1 if talk.place.quick else FOLLOW_UPS)
        ]
        warm += [answer.first_word_s for answer in follow_ups]
    return Table(
        f"The first word, Spotify at {low} to {high} ms, a model that never waits",
        ("median", "ms", "of a follow-up"),
        [
            (f"cold, first message ({len(cold)})", ms(cold), times(cold, warm)),
            (f"warm, follow-up ({len(warm)})", ms(warm), times(warm, warm)),
        ],
        notes=["The model's own time is not in it."],
        aims=[aim("first word of a follow-up, sooner", ratio(cold, warm), SOONER, "x", least=True)],
    )


async def _conversations(talk: Talk) -> Table:
    """A conversation in three ways; the calls are those that the invented Spotify counted."""
    low, high = QUICK_MS if talk.place.quick else (LOW_MS, HIGH_MS)
    runs = QUICK_RUNS if talk.place.quick else RUNS
    seconds: dict[str, list[float]] = {"kept": [], "parallel": [], "in a row": []}
    calls: dict[str, set[int]] = {"kept": set(), "parallel": set(), "in a row": set()}
    for _ in range(runs):
        for before, spent in seconds.items():
            token = await talk.new_listener(low, high)
            if before == "in a row":
                await talk.reader.init(token)  # Lyra's own five calls are no part of this way
            counted, began = await talk.reader.spotify_calls(), perf_counter()
            await _converse(talk.reader, token, before)
            spent.append(perf_counter() - began)
            calls[before].add(await talk.reader.spotify_calls() - counted)
    told = {
        "kept": "Lyra",
        "parallel": "Lyra, made to forget before each message",
        "in a row": "five calls in a row before each message",
    }
    return Table(
        f"A conversation of {MESSAGES} messages, Spotify at {low} to {high} ms",
        (f"median of {runs}", "ms", "of Lyra", "Spotify calls"),
        [
            (name, ms(seconds[way]), times(seconds[way], seconds["kept"]), _listed(calls[way]))
            for way, name in told.items()
        ],
        promises=_promises(calls["kept"], calls["parallel"]),
        notes=[
            f"{MESSAGES} gathered fetches cannot cost more than {MESSAGES} x; the third way is without them.",
            "The third way asks a Lyra that is warm already, after calls of its own to Spotify.",
        ],
    )


async def _converse(reader: Reader, token: str, before: str) -> None:
    """Ten messages, each with all those before it, as chat kits send them."""
    history: list[Turn] = []
    for number in range(MESSAGES):
        if before == "parallel":
            await reader.forget(token)
        elif before == "in a row":
            await reader.five_in_a_row(token)
        question = QUESTIONS[number % len(QUESTIONS)]
        answer = await reader.ask(token, question, history)
        history += [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer.words},
        ]


def _promises(kept: set[int], fetched: set[int]) -> list[Promise]:
    saved = 1 - max(kept) / min(fetched)
    return [
        Promise(
            f"a conversation costs {ONE_FETCH} Spotify calls (found {_listed(kept)})",
            kept == {ONE_FETCH},
        ),
        Promise(f"90 % of the calls are saved (found {saved:.0%})", saved >= SAVED),
    ]


def _listed(counts: set[int]) -> str:
    return ", ".join(map(str, sorted(counts)))
