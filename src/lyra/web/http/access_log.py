"""One line a request: what it was, how it ended and how long it took, of closed sets and numbers."""

import logging
from collections.abc import Callable
from typing import NamedTuple

log = logging.getLogger("lyra.web.requests")


class AccessRecord(NamedTuple):
    """A request that has its answer. `route` is the template: the path was a stranger's choice."""

    method: str
    route: str
    status: int
    ms: float
    request_id: str

    def line(self) -> str:
        """The words for people."""
        return f"{self.method} {self.route} {self.status} {self.ms:.1f} ms"

    @property
    def level(self) -> int:
        """DEBUG for the probes of those who watch the service, which come every few seconds."""
        return logging.DEBUG if self.route in _PROBES else logging.INFO


_PROBES = frozenset({"/healthz", "/readyz"})
RequestLog = Callable[[AccessRecord], None]


def log_request(record: AccessRecord) -> None:
    """Hand the line to the standard library's logging, for whoever runs Lyra in their own process.

    `lyra serve` has a cheaper way, see `lyra.cli.logs`: a log record costs as much as a look-up.
    """
    if log.isEnabledFor(record.level):
        log.log(record.level, "%s", record.line())
