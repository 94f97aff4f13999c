"""Subject and yardsticks in turns, and what the slices of each add up to."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

from bench.cores import OTHERS_MAY_USE, Watch

_MORE = 2  # slices, to take disturbed ones again, before those have to do
_ENOUGH = 2  # calm slices, to do without the disturbed ones


@dataclass(frozen=True)
class Slice:
    """What one slice has brought: units of work, its length, and the subject's processor time.

    `steady_us` is the same for each unit while nothing began or ended, where that is measured.
    """

    units: int
    seconds: float
    cpu_s: float
    steady_us: float = 0.0

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of processor for each unit."""
        return self.cpu_s / self.units * 1e6


@dataclass
class Slices:
    """One subject's slices: those that others left alone, and those that they did not."""

    calm: list[Slice] = field(default_factory=list)
    disturbed: list[Slice] = field(default_factory=list)

    @property
    def kept(self) -> list[Slice]:
        """The calm ones; all, where there are not enough of them."""
        return self.calm if len(self.calm) >= _ENOUGH else self.calm + self.disturbed

    @property
    def rates(self) -> list[float]:
        return [each.rate for each in self.kept]

    @property
    def cpu_us(self) -> list[float]:
        return [each.cpu_us for each in self.kept]

    @property
    def steady_us(self) -> list[float]:
        return [each.steady_us for each in self.kept]

    @property
    def busy(self) -> float:
        """The share of a core that the subject used."""
        return median(each.cpu_s / each.seconds for each in self.kept)


def gain(one: Slices, unit: Slices) -> float:
    """How many times the work of `unit` this one does on a core.

    By units a second, where both had their core to themselves; else by processor for each, since a
    rate then says how the core was shared.
    """
    if one.kept is one.calm and unit.kept is unit.calm:
        return median(one.rates) / median(unit.rates)
    return median(unit.cpu_us) / median(one.cpu_us)


Take = Callable[[], Awaitable[Slice]]


async def take_turns(
    watch: Callable[[], Watch], subjects: Mapping[str, Take], wanted: int
) -> dict[str, Slices]:
    """So many calm slices of each subject, turn and turn about."""
    found = {name: Slices() for name in subjects}
    for _ in range(wanted + _MORE):
        for name, take in subjects.items():
            if len(found[name].calm) < wanted:
                watching = watch()
                one = await take()
                calm = watching.others() <= OTHERS_MAY_USE
                (found[name].calm if calm else found[name].disturbed).append(one)
    return found


def disturbance(found: Mapping[str, Slices]) -> str:
    """How many slices were dropped, or had to be kept although others used the cores."""
    disturbed = sum(len(each.disturbed) for each in found.values())
    total = sum(len(each.calm) for each in found.values()) + disturbed
    noisy = any(each.kept is not each.calm for each in found.values())
    if noisy:
        return (
            f"DISTURBED: others used the cores in {disturbed} of {total} slices, and some are kept:"
            " requests/s mean nothing here, and aims are judged by CPU."
        )
    return f"{disturbed} of {total} slices were dropped: others used the cores."
