"""Work beside an answer, such as measuring and counting, that must not fail the answer."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Log a failure of the block instead of raising it: no answer depends on the block."""
    try:
        yield
    except Exception:
        log.exception("%s broke: this is a fault in Lyra", what)
