"""What is done beside an answer: measuring, counting, adding to it. It may fail alone."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Do within the block what no answer depends on: a failure is logged, and ends the block."""
    try:
        yield
    except Exception:
        log.exception("%s broke: this is a fault in Lyra", what)
