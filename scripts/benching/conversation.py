"""Subject 3: ten messages with the listener kept, against a fetch for each message."""

from time import perf_counter

from benching.place import Place
from benching.reader import Turn
from benching.report import Promise, Table, ms, times

LOW_MS, HIGH_MS = 40, 200
QUICK_MS = 4, 20
RUNS, QUICK_RUNS = 3, 1
MESSAGES = 10
ONE_FETCH = 5
SAVED = 0.9
QUESTIONS = ("Which artists do I listen to most?", "What did I play last?", "Which genres?")


async def measure(place: Place) -> Table:
    """A conversation in three ways; the calls are those that the invented Spotify counted."""
    low, high = QUICK_MS if place.quick else (LOW_MS, HIGH_MS)
    runs = QUICK_RUNS if place.quick else RUNS
    seconds: dict[str, list[float]] = {"kept": [], "parallel": [], "in a row": []}
    calls: dict[str, set[int]] = {"kept": set(), "parallel": set(), "in a row": set()}
    for _ in range(runs):
        for before, spent in seconds.items():
            token = await place.new_listener(low, high)
            if before == "in a row":
                await place.reader.init(token)  # Lyra's own five calls are no part of this way
            counted, began = await place.reader.spotify_calls(), perf_counter()
            await _converse(place, token, before)
            spent.append(perf_counter() - began)
            calls[before].add(await place.reader.spotify_calls() - counted)
    kept, parallel, in_a_row = seconds.values()
    return Table(
        f"3. A conversation of {MESSAGES} messages, Spotify at {low} to {high} ms",
        (f"median of {runs}", "ms", "of Lyra", "Spotify calls"),
        [
            ("Lyra", ms(kept), times(kept, kept), _listed(calls["kept"])),
            (
                "Lyra, made to forget before each message",
                ms(parallel),
                times(parallel, kept),
                _listed(calls["parallel"]),
            ),
            (
                "five calls in a row before each message",
                ms(in_a_row),
                times(in_a_row, kept),
                _listed(calls["in a row"]),
            ),
        ],
        promises=_promises(calls["kept"], calls["parallel"]),
        notes=[
            f"{MESSAGES} gathered fetches cannot cost more than {MESSAGES} x; the aim of 10 x is for calls in a row.",
            "The third way asks a Lyra that is warm already, after calls of its own to Spotify.",
        ],
    )


async def _converse(place: Place, token: str, before: str) -> None:
    """Ten messages, each with all those before it, as chat kits send them."""
    history: list[Turn] = []
    for number in range(MESSAGES):
        if before == "parallel":
            await place.reader.forget(token)
        elif before == "in a row":
            await place.reader.five_in_a_row(token)
        question = QUESTIONS[number % len(QUESTIONS)]
        answer = await place.reader.ask(token, question, history)
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
