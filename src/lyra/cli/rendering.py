"""Rendering of an answer while it grows: Markdown on a terminal, plain text in a pipe."""

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

from lyra.cli.client import strip_controls

_REDRAWS_PER_SECOND = 12
_SPARE_LINES = 2  # lines left free, so that the terminal never scrolls under a redrawn answer


class Renderer(Protocol):
    """An answer on the screen; `text` is all of it."""

    text: str

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def add(self, words: str) -> None:
        """Show more words."""

    def show_status(self, status: str) -> None:
        """Show what the server is doing, until words come."""


class PlainRenderer:
    """Prints the words as they come, nothing else."""

    def __init__(self) -> None:
        self.text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        print(flush=True)

    def add(self, words: str) -> None:
        """Print the words at once."""
        self.text += words
        print(words, end="", flush=True)

    def show_status(self, status: str) -> None:
        """Print nothing: a program reads this."""


class MarkdownRenderer:
    """Draws Markdown anew while it grows: the end of a long answer, and all of it once it is whole."""

    def __init__(self, console: Console) -> None:
        self.text = ""
        self._status = ""
        self._console = console
        self._live = Live(
            self,
            console=console,
            refresh_per_second=_REDRAWS_PER_SECOND,
            transient=True,
            screen=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        for line in self._lines(self._console, self._console.options):
            self._console.print(line, soft_wrap=True)

    def add(self, words: str) -> None:
        """Show the words at the next redrawing."""
        self.text += words

    def show_status(self, status: str) -> None:
        """Show this, dimmed, until there are words."""
        self._status = status

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw as much of the answer's end as the terminal has room for."""
        if not self.text:
            yield Text(self._status, style="dim")
            return
        yield from self._lines(console, options)[-max(1, console.height - _SPARE_LINES) :]

    def _lines(self, console: Console, options: ConsoleOptions) -> list[Text]:
        # Links would hide where they lead to.
        markdown = Markdown(self.text, hyperlinks=False)
        return [_clean_line(line) for line in console.render_lines(markdown, options, pad=False)]


def _clean_line(segments: list[Segment]) -> Text:
    """Return a line without control characters: Markdown has entities for them (&#27;)."""
    return Text.assemble(*((strip_controls(each.text), each.style or "") for each in segments))
