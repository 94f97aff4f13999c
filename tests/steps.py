"""Counting what Python does, where the fact is that something costs no more with more around it."""

import sys
from collections.abc import Awaitable
from types import FrameType
from typing import Any


class _Steps:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> "_Steps":
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.count += event == "opcode"
        return self


async def steps_of(work: Awaitable[object]) -> int:
    """How many instructions this work takes; a comprehension counts each of its items.

    A call into C counts as one, whatever it walks over.
    """
    steps, before = _Steps(), sys.gettrace()
    sys.settrace(steps)
    try:
        await work
    finally:
        sys.settrace(before)
    return steps.count
