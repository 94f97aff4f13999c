"""Counting what Python does, where the fact is that something costs no more with more around it."""

import gc
import sys
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from threading import get_ident
from types import CodeType, FrameType
from typing import Any


class _Steps:
    def __init__(self) -> None:
        self.count = 0
        self._thread = get_ident()

    def __call__(self, frame: FrameType, event: str, _: Any) -> "_Steps":
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.count += event == "opcode"
        return self

    def note(self, _: CodeType, __: int) -> None:
        """Count an instruction of this thread."""
        self.count += get_ident() == self._thread


@contextmanager
def _counting(steps: _Steps) -> Iterator[None]:
    # From 3.12 on, whether a frame's instructions are traced depends on what was traced before.
    if sys.version_info >= (3, 12):
        monitoring, tool = sys.monitoring, 4
        event = monitoring.events.INSTRUCTION
        monitoring.use_tool_id(tool, "steps")
        monitoring.register_callback(tool, event, steps.note)
        monitoring.set_events(tool, event)
        try:
            yield
        finally:
            monitoring.set_events(tool, 0)
            monitoring.register_callback(tool, event, None)
            monitoring.free_tool_id(tool)
    else:
        before = sys.gettrace()
        sys.settrace(steps)
        try:
            yield
        finally:
            sys.settrace(before)


async def steps_of(work: Awaitable[object]) -> int:
    """How many instructions this work takes; a comprehension counts each of its items.

    A call into C counts as one, whatever it walks over.
    """
    steps = _Steps()
    gc.disable()  # a collection would have the finalizers of others counted
    try:
        with _counting(steps):
            await work
    finally:
        gc.enable()
    return steps.count
