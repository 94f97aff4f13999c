"""Puts a steady load of questions on a Lyra, and tells how long the listeners waited.

    .venv/bin/python scripts/load_test.py --rate 20 --seconds 10         starts a demo and ends it
    .venv/bin/python scripts/load_test.py http://127.0.0.1:8080 --json   asks this one

The loop is open: questions come at random moments (Poisson), however slow the answers are, and
every time counts from the moment at which the question was due. A server that falls behind looks
as bad as it is. The listeners are invented ones of the sandbox, so the server has to be a demo, or
has to read from `lyra sandbox`. Lyra lets one listener ask LYRA_RATE_PER_MINUTE times a minute and
LYRA_STREAMS_PER_TOKEN times at once; more --listeners share the load. Exits 1 when a question was
not answered in full, 2 when nothing could be asked.
"""

import argparse
import asyncio
import ipaddress
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from time import perf_counter
from typing import Any

import aiohttp
import orjson
from rich.console import Console
from rich.live import Live
from rich.text import Text
from yarl import URL

from own_demo import own_demo

MOST_QUESTIONS = 20_000
MOST_SECONDS = 600
MOST_OPEN = 2_000  # questions under way; one more is counted as an error and not asked
ANSWER_S = 60
RATE_PER_MINUTE = 60  # what Lyra lets one listener ask, unless it is set otherwise
HEADROOM = 0.5  # of that rate is used, since the answers' own limit is per listener, too
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
QUESTIONS = (
    "Which artists do I listen to most?",
    "What did I play last?",
    "Which genres are these?",
    "Recommend something new.",
)


@dataclass
class Measured:
    """What was measured so far, in seconds; `cold` and `warm` are waits for the first word.

    `late` is how long after its due moment a question was sent: this script's own delay.
    """

    late: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    due: int = 0
    open: int = 0

    @property
    def times(self) -> dict[str, list[float]]:
        """The lists of times under the names that the report gives them."""
        return {
            "sent late": self.late,
            "first word, cold": self.cold,
            "first word, warm": self.warm,
            "gap between words": self.gaps,
            "whole answer": self.whole,
        }


class Load:
    """Many listeners of one server."""

    def __init__(self, http: aiohttp.ClientSession, url: str, listeners: int) -> None:
        self.measured = Measured()
        self._http = http
        self._url = f"{url}/lyra/chat"
        self._listeners = listeners

    async def run(self, rate: float, seconds: float, rng: Random) -> None:
        """Ask at random moments for this long, and wait for the answers."""
        began = perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, after_s in enumerate(arrivals(rate, seconds, rng)):
                await asyncio.sleep(began + after_s - perf_counter())
                if self.measured.open < MOST_OPEN:
                    group.create_task(self._ask(number, began + after_s))
                else:
                    self.measured.errors["not_asked"] += 1
                self.measured.due += 1

    async def _ask(self, number: int, due: float) -> None:
        self.measured.open += 1
        self.measured.late.append(perf_counter() - due)
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._read(number, due)
        except TimeoutError:
            self.measured.errors["timeout"] += 1
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as failure:
            # No connection, or what came is no answer of Lyra's.
            self.measured.errors[type(failure).__name__] += 1
        finally:
            self.measured.open -= 1

    async def _read(self, number: int, due: float) -> None:
        token = f"sandbox.{number % self._listeners}.typical.legacy.lat-80-400"
        body = {"message": QUESTIONS[number % len(QUESTIONS)]}
        headers = {"Authorization": f"Bearer {token}"}
        async with self._http.post(self._url, json=body, headers=headers) as answer:
            if answer.status != 200:  # noqa: PLR2004 - a started answer
                payload = orjson.loads(await answer.read())
                self.measured.errors[str(payload["error"]["code"])] += 1
                return
            await self._listen(answer, due)

    async def _listen(self, answer: aiohttp.ClientResponse, due: float) -> None:
        waits, last, ending = self.measured.warm, 0.0, "no_end"
        async for line in answer.content:
            now = perf_counter()
            if line.startswith(b'data: {"type":"text-delta"'):
                if last:
                    self.measured.gaps.append(now - last)
                else:
                    waits.append(now - due)
                last = now
            elif line.startswith(b'data: {"type":"start"'):
                cache = orjson.loads(line[6:])["messageMetadata"]["cache"]
                waits = self.measured.warm if cache["state"] == "hit" else self.measured.cold
            elif line.startswith(b'data: {"type":"data-error"'):
                ending = orjson.loads(line[6:])["data"]["code"]
            elif line.startswith(b'data: {"type":"finish","finishReason":"stop"'):
                self.measured.whole.append(now - due)
                return
        self.measured.errors[ending] += 1


def arrivals(rate: float, seconds: float, rng: Random) -> Iterator[float]:
    """The moments of a Poisson process, in seconds from its beginning."""
    moment = rng.expovariate(rate)
    while moment < seconds:
        yield moment
        moment += rng.expovariate(rate)


def percentile(sorted_times: Sequence[float], share: float) -> float:
    """The time below which this share of the times lies, in milliseconds."""
    at = min(len(sorted_times) - 1, int(len(sorted_times) * share))
    return round(sorted_times[at] * 1000, 2)


def report(measured: Measured) -> dict[str, Any]:
    """The figures: counts, errors by code, and times in milliseconds."""
    times = {}
    for name, unsorted in measured.times.items():
        ordered = sorted(unsorted)
        shares = SHARES if ordered else {}
        shares_ms = {name: percentile(ordered, share) for name, share in shares.items()}
        times[name] = {"count": len(ordered), **shares_ms}
    return {
        "asked": measured.due,
        "answered": len(measured.whole),
        "errors": dict(measured.errors),
        "times_ms": times,
        "histogram_ms": histogram([*measured.cold, *measured.warm]),
    }


def histogram(times: Sequence[float]) -> list[list[int]]:
    """How many waits for the first word were below 1, 2, 4, 8 ... ms, empty ends left out."""
    counts = Counter(int(seconds * 1000).bit_length() for seconds in times)
    rows = range(min(counts, default=0), max(counts, default=-1) + 1)
    return [[2**row, counts[row]] for row in rows]


def as_text(figures: dict[str, Any]) -> str:
    """The figures for a person."""
    lines = [f"{figures['answered']} of {figures['asked']} questions were answered in full."]
    lines += [f"  {count} x {code}" for code, count in figures["errors"].items()]
    lines += ["", f"{'ms':20}{'count':>8}{'p50':>10}{'p95':>10}{'p99':>10}"]
    for name, row in figures["times_ms"].items():
        cells = (f"{row[each]:,.1f}" if each in row else "" for each in SHARES)
        lines.append(f"{name:20}{row['count']:>8}{''.join(f'{cell:>10}' for cell in cells)}")
    most = max((count for _, count in figures["histogram_ms"]), default=1)
    lines += ["", "Waits for the first word:"]
    for bound, count in figures["histogram_ms"]:
        lines.append(f"  below {bound:>6} ms {count:>6} {'#' * -(-count * 50 // most)}")
    return "\n".join(lines)


class Progress:
    """What the terminal shows meanwhile: drawn anew by rich, several times a second."""

    def __init__(self, measured: Measured, until: float) -> None:
        self._measured = measured
        self._until = until

    def __rich__(self) -> Text:
        """One line."""
        seen = self._measured
        left = max(0.0, self._until - perf_counter())
        latest = sorted(seen.warm[-100:])
        wait = f", first word {percentile(latest, 0.5):.1f} ms (p50)" if latest else ""
        errors = sum(seen.errors.values())
        return Text(
            f"{left:4.0f} s left: {seen.due} asked, {len(seen.whole)} answered, "
            f"{seen.open} under way, {errors} errors{wait}"
        )


async def measure(asked: argparse.Namespace) -> Measured:
    """Put the load on the server that was asked for, or on a demo."""
    async with AsyncExitStack() as stack:
        url = asked.url or await stack.enter_async_context(own_demo())
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        load = Load(http, url.rstrip("/"), asked.listeners)
        progress = Progress(load.measured, perf_counter() + asked.seconds)
        # On the error channel, so that --json can be piped.
        console = Console(stderr=True)
        if console.is_terminal:
            stack.enter_context(Live(progress, console=console, transient=True))
        await load.run(asked.rate, asked.seconds, Random(asked.seed))  # noqa: S311 - no secret
        return load.measured


def main() -> int:
    """Load, then report; 0 when every question was answered in full."""
    asked = arguments()
    try:
        measured = asyncio.run(measure(asked))
    except (RuntimeError, TimeoutError) as failure:
        print(f"load_test: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    figures = report(measured)
    if asked.json:
        print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    else:
        print(as_text(figures))
    if not figures["answered"]:
        return 2
    return 1 if figures["errors"] else 0


def arguments() -> argparse.Namespace:
    """The command line, within its bounds."""
    parser = argparse.ArgumentParser(description="Put a steady load of questions on a Lyra.")
    parser.add_argument("url", nargs="?", help="a running demo; without it one is started")
    parser.add_argument("--rate", type=float, default=10, help="questions a second (10)")
    parser.add_argument("--seconds", type=float, default=10, help="for how long (10)")
    parser.add_argument("--listeners", type=int, help="invented listeners (as many as are needed)")
    parser.add_argument("--seed", type=int, default=7, help="of the random moments (7)")
    parser.add_argument("--json", action="store_true", help="one JSON document, for programs")
    parser.add_argument("--allow-remote", action="store_true", help="load another machine's Lyra")
    asked = parser.parse_args()
    if not (0 < asked.seconds <= MOST_SECONDS and 0 < asked.rate * asked.seconds <= MOST_QUESTIONS):
        parser.error(f"at most {MOST_SECONDS} seconds and {MOST_QUESTIONS} questions")
    if asked.listeners is None:
        asked.listeners = max(20, round(asked.rate * 60 / RATE_PER_MINUTE / HEADROOM))
    if asked.listeners < 1:
        parser.error("at least one listener")
    if asked.url and not asked.allow_remote and not on_loopback(asked.url):
        parser.error("this is another machine; --allow-remote if it is yours to load")
    return asked


def on_loopback(url: str) -> bool:
    """Whether this address is of this machine."""
    host = URL(url).host or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    sys.exit(main())
