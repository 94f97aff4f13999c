"""Tables of figures, as text for a terminal and as a page of Markdown."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from typing import Literal

_PACKAGES = ("lyra-listening", "aiohttp", "aiocache", "anthropic", "msgspec", "orjson", "uvloop")
_INTRO = """\
# Benchmarks

Written by `make bench WRITE=1`; do not edit. `make bench ONLY=warm,tokens` measures some rows.

The subject is a process on one core; what loads it, and the Spotify and the model behind it, have
the other (where there are two). Subject and yardsticks take turns in one run; figures are medians
of slices, and slices in which other programs used more than 5 % of a core are taken again. CPU is
the kernel's count for the process. Times are of one machine on one day: **read the ratios, and CPU
before requests a second**. Every row stands beside its yardstick:

- **bare aiohttp**: a handler that answers the same bytes, on uvloop (`scripts/bench/servers/bare.py`)
- **raw protocol**: an asyncio protocol that writes the same bytes (`servers/raw.py`)
- **lean pipeline**: model to reader in aiohttp by hand, without decoding (`servers/relay.py`)
- **peer**: the same service on FastAPI, uvicorn, sse-starlette, the SDK's `text_stream`, spotipy in
  threads (or tekore) and cachetools, each as its documentation advises (`peers/service.py`)

The load is a client of bare protocols in Python (`wire.py`, `streams.py`); the raw protocol's row
shows what it can do at least. Broken promises fail a run; aims that are not reached do not.
"""


@dataclass(frozen=True)
class Promise:
    """Something that holds on every machine; `told` says what, with the figures found."""

    told: str
    kept: bool


@dataclass(frozen=True)
class Aim:
    """A figure to reach, and what was found."""

    what: str
    found: str
    aim: str
    reached: bool


@dataclass(frozen=True)
class Curve:
    """Microseconds of processor by size, to be drawn; both axes are named."""

    across: str
    up: str
    points: Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Table:
    """One subject: rows of cells under columns, the first cell names the row.

    `measured` holds figures under the names that `scaling.py` carries further.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    promises: Sequence[Promise] = ()
    notes: Sequence[str] = ()
    aims: Sequence[Aim] = ()
    curve: Curve | None = None
    measured: Mapping[str, float] = field(default_factory=dict)


def aim(what: str, value: float, limit: float, unit: str, *, least: bool = False) -> Aim:
    """At most the limit, or at least. The unit stands behind both numbers."""
    word = "at least" if least else "at most"
    reached = value >= limit if least else value <= limit
    return Aim(what, f"{number(value)} {unit}", f"{word} {number(limit)} {unit}", reached)


def number(value: float) -> str:
    """Three digits or more, none that mean nothing."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2  # noqa: PLR2004 - digits shown
    return f"{value:,.{digits}f}"


def ms(seconds: Sequence[float]) -> str:
    """The median in milliseconds."""
    return f"{median(seconds) * 1000:,.1f}"


def ratio(value: Sequence[float], unit: Sequence[float]) -> float:
    """How many times the median of `unit` the median of `value` is."""
    return median(value) / median(unit)


def times(value: Sequence[float], unit: Sequence[float]) -> str:
    """The ratio as it is printed."""
    found = ratio(value, unit)
    return f"{found:,.0f} x" if found >= 20 else f"{found:.2f} x"  # noqa: PLR2004 - digits shown


def percentile(seconds: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))]


def figures(tables: Sequence[Table]) -> Table:
    """Every aim of these tables in one."""
    aims = [each for table in tables for each in table.aims]
    rows = [(each.what, each.found, each.aim, "yes" if each.reached else "NO") for each in aims]
    return Table("Figures to reach", ("", "found", "aim", "reached"), rows)


def as_text(table: Table) -> str:
    """The table for a terminal, columns aligned."""
    lines = [table.columns, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.columns))]
    told = [table.title]
    for first, *others in lines:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        told.append(f"  {first:<{widths[0]}}  {'  '.join(cells)}")
    return "\n".join([*told, *(f"  {each}" for each in _below(table)), ""])


def as_page(tables: Sequence[Table], plot: str, peers: Mapping[str, str]) -> str:
    """All tables as Markdown, with the day and the versions they hold for, and the plot's file."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    where = (
        f"{datetime.now(UTC).date()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    drawn = [f"\n![CPU by size]({plot})\n"] if any(each.curve for each in tables) else []
    sections = map(_section, [figures(tables), *tables])
    beside = ", ".join(f"{name} {release}" for name, release in peers.items()) or "not installed"
    return "\n".join([_INTRO, f"{where}; {packages}. Peers: {beside}.", *sections, *drawn, ""])


def _section(table: Table) -> str:
    head = [_line(table.columns), "|---" + "|---:" * (len(table.columns) - 1) + "|"]
    below = _below(table)
    listed = ["", *(f"- {each}" for each in below)] if below else []
    return "\n".join([f"\n## {table.title}\n", *head, *map(_line, table.rows), *listed])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _below(table: Table) -> list[str]:
    return [*map(_reached, table.aims), *map(_verdict, table.promises), *table.notes]


def _reached(found: Aim) -> str:
    verdict: Literal["reached", "NOT reached"] = "reached" if found.reached else "NOT reached"
    return f"{verdict}: {found.what}: {found.found} (aim: {found.aim})"


def _verdict(promise: Promise) -> str:
    return f"{'kept' if promise.kept else 'BROKEN'}: {promise.told}"
