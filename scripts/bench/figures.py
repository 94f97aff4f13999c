"""Figures with their aims beside them, as text for a terminal and as sections of a page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One row: what was found, and the aim. `kept` is None where it only informs."""

    what: str
    found: str
    aim: str = "-"
    kept: bool | None = None

    @property
    def verdict(self) -> str:
        """Whether the aim was met, in a word."""
        return {None: "", True: "kept", False: "MISSED"}[self.kept]


@dataclass(frozen=True)
class Finding:
    """What was found about one subject."""

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()


def percentile(seconds: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))]


def at_most(what: str, found: float, aim: float, unit: str) -> Figure:
    """A figure that must not be higher than its aim."""
    return Figure(what, f"{found:,.1f} {unit}", f"<= {aim:g} {unit}", found <= aim)


def exactly(what: str, found: int, aim: int) -> Figure:
    """A count that has to be this one."""
    return Figure(what, f"{found:,}", f"{aim:,}", found == aim)


def middle_and_high(seconds: Sequence[float]) -> str:
    """The median and the 99th percentile, in milliseconds."""
    return f"{percentile(seconds, 0.5) * 1000:.1f} / {percentile(seconds, 0.99) * 1000:.1f} ms"


def within(what: str, seconds: Sequence[float], aim_s: float) -> Figure:
    """Times whose 99th percentile must not be above the aim; no times at all are a miss."""
    told = f"{what} ({len(seconds):,}), p50 / p99"
    aim = f"p99 <= {aim_s * 1000:g} ms"
    if not seconds:
        return Figure(told, "none", aim, kept=False)
    return Figure(told, middle_and_high(seconds), aim, percentile(seconds, 0.99) <= aim_s)


def as_text(finding: Finding) -> str:
    """The finding for a terminal, columns aligned."""
    lines = [(each.what, each.found, each.aim, each.verdict) for each in finding.figures]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    told = [finding.title]
    for what, found, aim, verdict in lines:
        cells = (what.ljust(widths[0]), found.rjust(widths[1]), aim.rjust(widths[2]), verdict)
        told.append(f"  {'  '.join(cells)}".rstrip())
    return "\n".join([*told, *(f"  {note}" for note in finding.notes), ""])


def into_page(page: str, finding: Finding, when: str) -> str:
    """The page with this finding's section in place of the one before, or at the end."""
    rows = [f"| {f.what} | {f.found} | {f.aim} | {f.verdict} |" for f in finding.figures]
    lines = [f"## {finding.title}", "", when, "", "| what | found | aim | |"]
    lines += ["|---|---:|---:|---|", *rows]
    if finding.notes:
        lines += ["", *(f"- {note}" for note in finding.notes)]
    section = "\n".join(lines) + "\n"
    old = re.compile(rf"^## {re.escape(finding.title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if old.search(page):
        return old.sub(lambda _: f"{section}\n", page).rstrip("\n") + "\n"
    return f"{page.rstrip()}\n\n{section}"
