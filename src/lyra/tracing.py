"""Spans, as the service tells of them: where nobody collects traces, nothing is done.

What a span tells comes from closed sets (routes, sections, codes) or is a number: never a token, a
key, a name or a word of a listener. `lyra.otel` gives them to OpenTelemetry.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Literal, Protocol, Self

Told = Mapping[str, str | int | float]
Kind = Literal["internal", "server", "client"]


class Span(Protocol):
    """One piece of work while it is going on."""

    def set_attributes(self, told: Told) -> None:
        """Say more of it; an `error.type` among that says that it failed."""
        ...


class _NoSpan:
    def set_attributes(self, told: Told) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


_UNTOLD = _NoSpan()


class Tracer:
    """Traces that nobody collects."""

    collected = False

    def span(
        self,
        name: str,  # noqa: ARG002 - for those who collect
        told: Told | None = None,  # noqa: ARG002
        *,
        kind: Kind = "internal",  # noqa: ARG002
        cause: object = None,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        """The block's span: within the one around it, or within `cause` if that is given."""
        return _UNTOLD

    def current_context(self) -> object:
        """The place in the trace, as a `cause` for work that another task does."""
        return None

    def annotate(self, told: Told) -> None:
        """Say more of the span around this."""
