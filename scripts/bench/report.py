"""What a subject has found, as text for a terminal and as sections of a page of Markdown."""

import math
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from statistics import median

_PACKAGES = ("lyra-listening", "aiohttp", "anthropic", "msgspec", "orjson", "uvloop")
_SUMMARY = "Figures to reach"
_FIGURE = re.compile(r"^\| .+ \| .+ \| .+ \| (?:kept|MISSED|BROKEN) \|$", re.MULTILINE)
_FIGURES = ("what", "found", "aim", "")


@dataclass(frozen=True)
class Figure:
    """One figure with its aim. `kept` is None where it only informs.

    A `promise` is a fact that holds on every machine, however busy: breaking it fails the run.
    """

    what: str
    found: str
    aim: str = "-"
    kept: bool | None = None
    promise: bool = False

    @property
    def verdict(self) -> str:
        """Whether the aim was met, in a word."""
        if self.kept is None:
            return ""
        return "kept" if self.kept else "BROKEN" if self.promise else "MISSED"

    @property
    def cells(self) -> tuple[str, ...]:
        return self.what, self.found, self.aim, self.verdict


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; the first cell names the row."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Finding:
    """What was found about one subject; `measured` is what `scaling.py` carries further."""

    title: str
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    table: Table | None = None
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def tables(self) -> list[Table]:
        """The table of the subject, and that of its figures."""
        figures = Table(_FIGURES, [each.cells for each in self.figures])
        return [*([self.table] if self.table else []), *([figures] if self.figures else [])]


def at_most(what: str, found: float, aim: float, unit: str) -> Figure:
    """A figure that must not be higher than its aim."""
    return Figure(what, f"{format_number(found)} {unit}", f"<= {aim:g} {unit}", found <= aim)


def at_least(what: str, found: float, aim: float, unit: str) -> Figure:
    """A figure that must not be lower than its aim."""
    return Figure(what, f"{format_number(found)} {unit}", f">= {aim:g} {unit}", found >= aim)


def exactly(what: str, found: int, aim: int) -> Figure:
    """A count that has to be this one."""
    return Figure(what, f"{found:,}", f"{aim:,}", found == aim, promise=True)


def within(what: str, seconds: Sequence[float], yardstick: Sequence[float], limit: float) -> Figure:
    """Times whose 99th percentile may be so many times the yardstick's; no times at all are a miss."""
    what, aim = f"{what} ({len(seconds):,}), p50 / p99", f"p99 <= {limit:g} x"
    if not (seconds and yardstick):
        return Figure(what, "none", aim, kept=False)
    times_of = percentile(seconds, 0.99) / percentile(yardstick, 0.99)
    return Figure(what, f"{middle_and_high(seconds)}, {times_of:.2f} x", aim, times_of <= limit)


def format_number(value: float) -> str:
    """Three digits or more, none that mean nothing."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2  # noqa: PLR2004 - digits shown
    return f"{value:,.{digits}f}"


def ms(seconds: Sequence[float]) -> str:
    """The median in milliseconds."""
    return format_number(median(seconds) * 1000)


def middle_and_high(seconds: Sequence[float]) -> str:
    """The median and the 99th percentile, in milliseconds."""
    return f"{format_number(percentile(seconds, 0.5) * 1000)} / {format_number(percentile(seconds, 0.99) * 1000)} ms"


def ratio(value: Sequence[float], unit: Sequence[float]) -> float:
    """How many times the median of `unit` the median of `value` is."""
    return median(value) / median(unit)


def times(value: Sequence[float], unit: Sequence[float]) -> str:
    """The ratio as it is printed."""
    of = ratio(value, unit)
    return f"{of:,.0f} x" if of >= 20 else f"{of:.2f} x"  # noqa: PLR2004 - digits shown


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies; not a number where there are none."""
    if not values:
        return math.nan
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def as_text(finding: Finding) -> str:
    """The finding for a terminal, columns aligned."""
    lines = [finding.title, *(_aligned(table) for table in finding.tables)]
    return "\n".join([*lines, *(f"  {note}" for note in finding.notes), ""])


def _aligned(table: Table) -> str:
    rows = [table.columns, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    lines = []
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append(f"  {first:<{widths[0]}}  {'  '.join(cells)}".rstrip())
    return "\n".join(lines)


def into_page(page: str, findings: Sequence[Finding], when: str) -> str:
    """The page with these findings in place of those before, or at its end; its summary follows."""
    for finding in findings:
        parts = [f"## {finding.title}", when, *map(_as_markdown, finding.tables)]
        parts += ["\n".join(f"- {note}" for note in finding.notes)] if finding.notes else []
        page = _replace_section(page, finding.title, "\n\n".join(parts))
    page = _replace_section(page, _SUMMARY, "")
    rows = "\n".join(_FIGURE.findall(page))
    summary = f"## {_SUMMARY}\n\n{_head(_FIGURES)}\n{rows}\n\n"
    first = page.find("\n## ") + 1
    return f"{page[:first]}{summary}{page[first:]}" if rows else page


def _replace_section(page: str, title: str, section: str) -> str:
    old = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if old.search(page):
        page = old.sub(lambda _: f"{section}\n\n" if section else "", page)
    elif section:
        page = f"{page.rstrip()}\n\n{section}"
    return page.rstrip() + "\n"


def _as_markdown(table: Table) -> str:
    return "\n".join([_head(table.columns), *map(_line, table.rows)])


def _head(columns: Sequence[str]) -> str:
    return f"{_line(columns)}\n|---{'|---:' * (len(columns) - 1)}|"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def versions(peers: Mapping[str, str]) -> str:
    """The day, the machine and the packages that figures hold for."""
    packages = ", ".join(f"{name} {release}" for name in _PACKAGES if (release := _version(name)))
    where = f"{os.cpu_count()} cores (load before: {os.getloadavg()[0]:.1f})"
    python = f"Python {platform.python_version()}"
    beside = ", ".join(f"{name} {release}" for name, release in peers.items())
    when = f"{datetime.now(UTC).date()}, {where}, {python}; {packages}."
    return f"{when} Peers: {beside}." if beside else when


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
