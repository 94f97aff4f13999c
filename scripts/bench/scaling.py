"""The figures of a run, carried to many listeners. What it assumes is named here and in docs/SCALING.md."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.report import Finding, Table

SIZES = (1_000_000, 10_000_000, 100_000_000)
SESSIONS = 1.0  # of a listener in a day
QUESTIONS = 5  # in a session
WORDS = 150  # model tokens in an answer
PROMPT = 3_000  # model tokens in a question: rules, listening data, the talk so far
BUSIEST_HOUR = 0.1  # of the day's sessions
A_SECOND = 50  # tokens that the model says in an answer
USED = 0.5  # of each core
KEPT_S = 3_600  # LYRA_CACHE_TTL_S
CALLS = 5  # of Spotify's for a load
FRAME_BYTES = 150  # a token's frame with chunk and TCP/IP heads
SPOTIFY_KIB = 43  # a load's five recorded answers, compressed
NEEDED = ("warm_us", "cold_ms", "token_us", "listener_kib", "stream_kib", "entry_kib")


@dataclass(frozen=True)
class Load:
    """What so many listeners do in a second of the busiest hour."""

    listeners: int

    @property
    def sessions(self) -> float:
        return self.listeners * SESSIONS * BUSIEST_HOUR / 3_600

    @property
    def questions(self) -> float:
        return self.sessions * QUESTIONS

    @property
    def words(self) -> float:
        return self.questions * WORDS

    @property
    def streams(self) -> float:
        return self.words / A_SECOND

    @property
    def kept(self) -> float:
        return self.sessions * KEPT_S


def carried(findings: Sequence[Finding]) -> Finding | None:
    """The table, if this run has measured all that it takes."""
    found = {name: value for each in findings for name, value in each.measured.items()}
    if not set(NEEDED) <= set(found):
        return None
    columns = [dict(_figures(Load(size), found)) for size in SIZES]
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    heads = tuple(f"{size // 10**6} million" for size in SIZES)
    notes = ["By the formulas and assumptions of docs/SCALING.md, from this run's figures alone."]
    table = Table(("", *heads), rows)
    return Finding("Carried to many listeners, the busiest hour", notes=notes, table=table)


def _figures(load: Load, found: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    yield "Spotify calls a second", f"{load.sessions * CALLS:,.0f}"
    yield "questions a second", f"{load.questions:,.0f}"
    yield "model tokens a second, out", f"{load.words:,.0f}"
    yield "model tokens a second, in", f"{load.questions * PROMPT:,.0f}"
    yield "open streams", f"{load.streams:,.0f}"
    yield f"cores, each {USED:.0%} used", f"{cores(load, found):,.1f}"
    yield "of them for tokens", f"{load.words * found['token_us'] / 1e6 / USED:,.1f}"
    yield "listeners in memory", f"{load.kept:,.0f}"
    yield "memory for them, GiB", f"{load.kept * found['listener_kib'] / 2**20:,.1f}"
    yield "memory for open streams, GiB", f"{load.streams * found['stream_kib'] / 2**20:,.2f}"
    yield "Redis memory, GiB", f"{load.kept * found['entry_kib'] / 2**20:,.1f}"
    yield "Redis writes a second", f"{load.sessions:,.0f}"
    yield "to readers, Mbit/s", f"{load.words * FRAME_BYTES * 8 / 1e6:,.0f}"
    yield "from Spotify, Mbit/s", f"{load.sessions * SPOTIFY_KIB * 1024 * 8 / 1e6:,.0f}"


def cores(load: Load, found: Mapping[str, float]) -> float:
    """Tokens, loads, and two warm requests a session (the page asks once more for a profile)."""
    used_us = (
        load.words * found["token_us"]
        + load.sessions * found["cold_ms"] * 1000
        + load.sessions * 2 * found["warm_us"]
    )
    return used_us / 1e6 / USED
