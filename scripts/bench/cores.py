"""Which core does what, and how much of them others used meanwhile. Linux only.

The subject has one core and everything that loads it the other, where there are two; else they
share. A process's time on a core is the kernel's own count of it, the one behind /proc/PID/stat,
read through its clock: nanoseconds instead of ticks of 10 ms.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_BUSY = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal
OTHERS_MAY_USE = 0.05  # of one core, before a slice is dropped


@dataclass(frozen=True)
class Cores:
    """The cores of the subject, and of the load."""

    subject: frozenset[int]
    load: frozenset[int]

    @property
    def pinned(self) -> bool:
        """Whether the two are apart."""
        return self.subject != self.load


def share_out() -> Cores:
    """A core each from those that this process may use; all for both when there is one only."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) == 1:
        return Cores(frozenset(allowed), frozenset(allowed))
    return Cores(frozenset(allowed[1:2]), frozenset(allowed[:1]))


def cpu_s(pid: int) -> float:
    """Seconds of processor that this process has used, all its threads together."""
    return time.clock_gettime((~pid << 3) | 2)  # the kernel's id for the clock of a process


def children(pid: int) -> list[int]:
    """The processes that this one has started and that still run."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident(pid: int) -> int:
    """Bytes of this process in memory."""
    fields = Path(f"/proc/{pid}/status").read_text().split()
    return int(fields[fields.index("VmRSS:") + 1]) * 1024


class Watch:
    """How busy the cores were with others than these processes since the start."""

    def __init__(self, cores: Cores, pids: Iterable[int]) -> None:
        self._names = {f"cpu{number}" for number in cores.subject | cores.load}
        self._load = {f"cpu{number}" for number in cores.load}
        self._pids = list(pids)
        self._load_before = _busy_s(self._load)
        self._before = self._readings()

    def _readings(self) -> tuple[float, float, float]:
        own = sum(map(cpu_s, self._pids)) + time.process_time()
        return time.perf_counter(), own, _busy_s(self._names)

    def others(self) -> float:
        """The share of one core that others used."""
        began, own, busy = self._before
        ended, own_now, busy_now = self._readings()
        return max(0.0, (busy_now - busy) - (own_now - own)) / (ended - began)

    def load_busy(self) -> float:
        """The share of the load's cores that was used, by anybody."""
        elapsed_s = time.perf_counter() - self._before[0]
        return (_busy_s(self._load) - self._load_before) / elapsed_s / len(self._load)


def _busy_s(names: set[str]) -> float:
    lines = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    fields = (line[1:] for line in lines if line[0] in names)
    return sum(int(each[column]) for each in fields for column in _BUSY) / _TICKS
