"""The access log: one line a request, made of closed sets and numbers alone."""

import logging
from collections.abc import Callable
from typing import NamedTuple

log = logging.getLogger("lyra.web.requests")


class AccessRecord(NamedTuple):
    """A request that has its response. `route` is the template: the path was a stranger's choice."""

    method: str
    route: str
    status: int
    ms: float
    request_id: str

    def line(self) -> str:
        """Return the line for people to read."""
        return f"{self.method} {self.route} {self.status} {self.ms:.1f} ms"

    @property
    def level(self) -> int:
        """DEBUG for health checks, which come every few seconds; else INFO."""
        return logging.DEBUG if self.route in _PROBES else logging.INFO


_PROBES = frozenset({"/healthz", "/readyz"})
RequestLog = Callable[[AccessRecord], None]


def log_request(record: AccessRecord) -> None:
    """Log the record with the standard library, for programs that run Lyra in their own process.

    `lyra serve` has a cheaper way, see `lyra.cli.logs`: a log record costs as much as a look-up.
    """
    if log.isEnabledFor(record.level):
        log.log(record.level, "%s", record.line())
