"""Tables of figures, as text for a terminal and as a page of Markdown."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median

_PACKAGES = ("lyra", "aiohttp", "aiocache", "anthropic", "msgspec", "orjson", "uvloop")
_INTRO = """\
# Benchmarks

Written by `.venv/bin/python scripts/bench.py --write docs/BENCHMARKS.md`; do not edit.

Lyra, the sandbox (an invented Spotify and an invented model, docs/SANDBOX.md) and a bare aiohttp
server each run as a process on 127.0.0.1; the load comes from a fourth. Subject and yardstick take
turns in one run, and figures are medians. Times are of one machine on one day: **read the ratios**.
Only the promises decide whether a run succeeds.
"""


@dataclass(frozen=True)
class Promise:
    """Something that holds on every machine; `told` says what, with the figures found."""

    told: str
    kept: bool


@dataclass(frozen=True)
class Table:
    """One subject: rows of cells under columns, the first cell names the row."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    promises: Sequence[Promise] = ()
    notes: Sequence[str] = ()


def ms(seconds: Sequence[float]) -> str:
    """The median in milliseconds."""
    return f"{median(seconds) * 1000:,.1f}"


def times(value: Sequence[float], unit: Sequence[float]) -> str:
    """How many times the median of `unit` the median of `value` is."""
    ratio = median(value) / median(unit)
    return f"{ratio:,.0f} x" if ratio >= 20 else f"{ratio:.2f} x"  # noqa: PLR2004 - digits shown


def percentile(seconds: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))]


def as_text(table: Table) -> str:
    """The table for a terminal, columns aligned."""
    lines = [table.columns, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.columns))]
    told = [table.title]
    for first, *others in lines:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        told.append(f"  {first:<{widths[0]}}  {'  '.join(cells)}")
    told += [f"  {_verdict(promise)}" for promise in table.promises]
    return "\n".join([*told, *(f"  {note}" for note in table.notes), ""])


def as_page(tables: Sequence[Table]) -> str:
    """All tables as Markdown, with the day and the versions they hold for."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    where = (
        f"{datetime.now(UTC).date()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    return "\n".join([_INTRO, f"{where}; {packages}.", *map(_section, tables)])


def _section(table: Table) -> str:
    head = [_line(table.columns), "|---" + "|---:" * (len(table.columns) - 1) + "|"]
    below = [*map(_verdict, table.promises), *table.notes]
    listed = ["", *(f"- {each}" for each in below)] if below else []
    return "\n".join([f"\n## {table.title}\n", *head, *map(_line, table.rows), *listed])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _verdict(promise: Promise) -> str:
    return f"{'kept' if promise.kept else 'BROKEN'}: {promise.told}"
