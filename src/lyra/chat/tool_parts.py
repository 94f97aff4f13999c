"""The parts of an answer that show what its tools do, with call ids of Lyra's own.

A model may use an id twice, or send one that is no id; ids that are made here are unique among all
answers. Invariant: each call that was begun is shown with exactly one output or error, unless the
answer is cut short itself.
"""

from collections.abc import Sequence

from lyra.chat.parts import (
    ToolInputAvailable,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    status,
)
from lyra.chat.runs.run import Run
from lyra.chat.tools.toolbox import PreparedCall, ToolOutcome

_NOT_RUN = "This was not looked up."


class ToolParts:
    """The parts of one answer's calls, over all of its rounds."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._calls = 0  # of the rounds before this one
        self._open: list[str] = []  # the ids of this round's calls, in their order

    def start(self, name: str, title: str) -> None:
        """Show that a call has begun."""
        self._run.end_text()
        call_id = f"{self._run.id}_call{self._calls + len(self._open) + 1}"
        self._open.append(call_id)
        self._run.add(ToolInputStart(call_id, name, title, provider_executed=True, dynamic=True))

    def show_calls(self, calls: Sequence[PreparedCall]) -> None:
        """Show with what the calls are made, and what is done meanwhile."""
        self._run.end_text()  # words may come behind the calls
        for each in calls:
            self._run.add(
                ToolInputAvailable(
                    self._id_of(each),
                    each.name,
                    each.arguments,
                    each.title,
                    provider_executed=True,
                    dynamic=True,
                )
            )
            self._run.add(status("searching", tool=each.name, title=each.title))

    def show_outcomes(self, outcomes: Sequence[ToolOutcome]) -> None:
        """Show how the calls went. This ends the round."""
        for each in outcomes:
            call_id = self._id_of(each.prepared)
            if each.output is None:
                self._fail(call_id, each.error)
            else:
                output = ToolOutputAvailable(
                    call_id, each.output, provider_executed=True, dynamic=True
                )
                self._run.add(output)
        self._forget_round()

    def end_round(self) -> None:
        """End a round whose calls are not run."""
        if self._open:
            self._run.end_text()
        for call_id in self._open:
            self._fail(call_id, _NOT_RUN)
        self._forget_round()

    def _fail(self, call_id: str, sentence: str) -> None:
        self._run.add(ToolOutputError(call_id, sentence, provider_executed=True, dynamic=True))

    def _id_of(self, prepared: PreparedCall) -> str:
        return self._open[prepared.call.number]

    def _forget_round(self) -> None:
        self._calls += len(self._open)
        self._open = []
