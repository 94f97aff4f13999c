"""The verdicts over what Lyra tells many listeners, counted by kind."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lyra.listening.models import Listening, SectionName
from lyra.sandbox.listeners import build_listener
from lyra.sandbox.plays import HABITS
from lyra.timezones import load_zone
from tests.support.statements import listener, page_data, summary_shapes
from tests.support.statements.asked_shapes import judge_fact
from tests.support.statements.raw import RawListener
from tests.support.statements.shapes import Verdict

PERSONAS = tuple(HABITS)
REGIMES = ("restricted", "legacy")
_KEPT = 3  # examples of each kind of fault


@dataclass
class Figures:
    """How many statements have which verdict, by where they stand, and examples of the wrong ones."""

    listeners: int = 0
    counts: dict[str, Counter[Verdict]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: Counter[tuple[str, str, Verdict]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, where: str, kind: str, verdict: Verdict, text: str, whose: str) -> None:
        """Count one statement."""
        self.counts[where][verdict] += 1
        if verdict != "true":
            self.wrong[where, kind, verdict] += 1
            if len(kept := self.examples[where, kind]) < _KEPT:
                kept.append(f"{whose}: {text}")

    @property
    def total(self) -> Counter[Verdict]:
        """All verdicts together."""
        return sum(self.counts.values(), Counter())

    def table(self) -> str:
        """The counts as a table in Markdown, for docs/EVALUATION.md."""
        rows = [
            "| what is told | statements | true | false | misleading |",
            "|---|---:|---:|---:|---:|",
        ]
        for where, counts in [*self.counts.items(), ("**all**", self.total)]:
            numbers = (counts.total(), *(counts[each] for each in ("true", "false", "misleading")))
            rows.append(f"| {where} | {' | '.join(f'{number:,}' for number in numbers)} |")
        return "\n".join(rows)

    def report(self) -> str:
        """The wrong kinds with examples, for people."""
        lines = [
            f"{self.listeners} listeners, {self.total.total():,} statements: {dict(self.total)}"
        ]
        for (where, kind, verdict), number in self.wrong.most_common():
            lines.append(f"{number:7,} {verdict} {where}: {kind}")
            lines += [f"        {example}" for example in self.examples[where, kind]]
        return "\n".join(lines)


def statements(
    personas: Iterable[str] = PERSONAS,
    regimes: Sequence[str] = REGIMES,
    seeds: Iterable[int] = range(1, 61),
    zone: str | None = None,
) -> Figures:
    """Return the verdicts over everything that is told these listeners of the sandbox, in a zone."""

    async def every() -> Figures:
        figures = Figures()
        for seed in seeds:
            for persona in personas:
                one = build_listener(seed, persona)
                for regime in regimes:
                    bodies = listener.sandbox_bodies(one, regime)
                    await judge_listener(figures, bodies, f"{seed}.{persona}.{regime}", zone)
        return figures

    return asyncio.run(every())


async def judge_listener(
    figures: Figures,
    bodies: Mapping[SectionName, bytes | None],
    whose: str,
    zone: str | None = None,
) -> Listening:
    """Judge everything that is told one listener in this zone; return what Lyra keeps of them."""
    raw = RawListener(listener.raw_bodies(bodies), zone)
    listening, clock = await listener.listen(bodies), await load_zone(zone)
    figures.listeners += 1
    page = listener.page_data(listening, clock)
    for kind, verdict, text in summary_shapes.judge_summary(raw, page["summary"]):
        figures.add("summary", kind, verdict, text, whose)
    for kind, verdict, text in page_data.judge_page(raw, page):
        figures.add("page", kind, verdict, text, whose)
    for where, facts in (
        ("facts about items", listener.facts_about_items(listening)),
        ("facts asked for", listener.facts_asked_for(listening, clock)),
    ):
        for fact in facts:
            figures.add(where, *judge_fact(raw, fact), fact, whose)
    for fact in listener.facts_off_topic(listening):
        figures.add("facts off topic", "a fact nobody asked for", "misleading", fact, whose)
    return listening
