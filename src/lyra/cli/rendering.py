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
_MOST_BELOW = 160  # an answer of Lyra's has fewer lines under it
_TEXT_BREAK = "\n\n"  # between two texts of one answer


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

    def begin_text(self) -> None:
        """Begin another text of the answer: a paragraph of its own."""

    def show_status(self, status: str) -> None:
        """Show what the server is doing, until words come."""

    def show_below(self, line: str, *, quiet: bool = False) -> None:
        """Show a line under the whole answer, unless it is empty: a card, or, quietly, what it has cost."""


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

    def begin_text(self) -> None:
        """Print a blank line between two texts."""
        if self.text:
            self.add(_TEXT_BREAK)

    def show_status(self, status: str) -> None:
        """Print nothing: a program reads this."""

    def show_below(self, line: str, *, quiet: bool = False) -> None:
        """Print nothing: a program reads this."""


class MarkdownRenderer:
    """Draws Markdown anew while it grows: the end of a long answer, and all of it once it is whole."""

    def __init__(self, console: Console) -> None:
        self.text = ""
        self._status = ""
        self._below: list[Text] = []
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
        if self._below:
            self._console.print()
        for line in self._below:
            # Whole, whatever its length: an address that is cut leads nowhere.
            self._console.print(line, soft_wrap=True)

    def add(self, words: str) -> None:
        """Show the words at the next redrawing."""
        self.text += words
        self._status = ""

    def begin_text(self) -> None:
        """Leave a blank line between two texts."""
        if self.text:
            self.add(_TEXT_BREAK)

    def show_status(self, status: str) -> None:
        """Show this, dimmed, under the words so far, until there are more."""
        self._status = status

    def show_below(self, line: str, *, quiet: bool = False) -> None:
        """Print the line once the answer is whole; dimmed, if it is quiet."""
        if line and len(self._below) < _MOST_BELOW:
            self._below.append(Text(line, style="dim" if quiet else ""))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw as much of the answer's end as the terminal has room for."""
        lines = self._lines(console, options) if self.text else []
        if self._status or not lines:
            lines.append(Text(self._status, style="dim", no_wrap=True, overflow="ellipsis"))
        yield from lines[-max(1, console.height - _SPARE_LINES) :]

    def _lines(self, console: Console, options: ConsoleOptions) -> list[Text]:
        # Links would hide where they lead to.
        markdown = Markdown(self.text, hyperlinks=False)
        return [_clean_line(line) for line in console.render_lines(markdown, options, pad=False)]


def _clean_line(segments: list[Segment]) -> Text:
    """Return a line without control characters: Markdown has entities for them (&#27;)."""
    return Text.assemble(*((strip_controls(each.text), each.style or "") for each in segments))
