"""What can be measured, by name and by group; the order is that of a whole run."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import NamedTuple

from bench.harness import Harness
from bench.report import Finding

Measure = Callable[[Harness], Awaitable[Finding | list[Finding]]]
SPEED, FAULTS = "speed", "faults"
PAGES = {SPEED: "BENCHMARKS.md", FAULTS: "FAULT-FIGURES.md"}


class Subject(NamedTuple):
    """A function of a module in `rows/`, and what it measures. Only what is asked for is imported."""

    name: str
    module: str
    group: str
    what: str

    @property
    def measure(self) -> Measure:
        function: Measure = getattr(import_module(f"bench.rows.{self.module}"), self.name)
        return function


SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("warm", "warm", SPEED, "a warm POST /lyra/init beside bare aiohttp and the peer"),
        Subject("tokens", "tokens", SPEED, "a token from the model to the reader, 200 streams"),
        Subject("first", "first", SPEED, "the first word: alone, beside streams, on a busy core"),
        Subject("cold", "cold", SPEED, "the first load of a listener"),
        Subject("crowd", "crowd", SPEED, "a thousand first requests of one listener at once"),
        Subject("storm", "storm", SPEED, "five hundred log-ins at once, and streams beside them"),
        Subject("memory", "memory", SPEED, "a listener, a stream, a connection in memory"),
        Subject("start", "start", SPEED, "from exec to the first answer"),
        Subject("kept", "kept", SPEED, "thousands of kept listeners: memory, collector, reads"),
        Subject("scale", "scale", SPEED, "by entries, by streams, by workers"),
        Subject("talk", "talk", SPEED, "ten messages for one fetch; the first word of a follow-up"),
        Subject("find", "find", SPEED, "music looked up: ten songs, a crowd, a round of tools"),
        Subject("cache", "cache", SPEED, "the cache beside five others"),
        Subject("tier", "tier", SPEED, "two processes over one Redis"),
        Subject("page", "page", SPEED, "the page in Chromium"),
        Subject("leavers", "leavers", FAULTS, "readers who leave: the model's call is closed"),
        Subject("stops", "leavers", FAULTS, "readers who press Stop"),
        Subject("drain", "drain", FAULTS, "SIGTERM with a thousand live streams"),
        Subject("streams", "crowds", FAULTS, "five thousand open streams on one process"),
        Subject("idle", "crowds", FAULTS, "ten thousand connections at rest"),
        Subject("lasting", "lasting", FAULTS, "long answers whose body came late"),
        Subject("hostile", "hostile", FAULTS, "the loop's stall by one hostile request"),
        Subject("bodies", "bodies", FAULTS, "the loop's stall by kinds of bodies"),
        Subject("stalls", "stalls", FAULTS, "the loop's stall by answers of Spotify"),
        Subject("overload", "overload", FAULTS, "ten times the peak"),
        Subject("redis", "redis", FAULTS, "a Redis that is full, read-only, resets, speaks TLS"),
        Subject("rolling", "rolling", FAULTS, "workers replaced one by one under load"),
        Subject("bystanders", "siege", FAULTS, "a bystander beside each hostile client"),
        Subject("siege", "siege", FAULTS, "ordinary listeners beside all hostile clients"),
        Subject("soak", "soak", FAULTS, "very many requests: nothing is left over"),
        Subject("table", "table", FAULTS, "every test that docs/FAULTS.md names"),
    )
}


def chosen(names: str) -> list[Subject]:
    """The subjects of these names and groups, by commas or spaces; all where nothing is named.

    Raises:
        ValueError: a name is unknown; the message has the known ones.
    """
    wanted = names.replace(",", " ").split()
    if unknown := sorted(set(wanted) - set(SUBJECTS) - set(PAGES)):
        raise ValueError(f"{', '.join(unknown)}: known are {', '.join([*SUBJECTS, *PAGES])}")
    return [
        subject
        for subject in SUBJECTS.values()
        if not wanted or subject.name in wanted or subject.group in wanted
    ]
