"""Tuning of the garbage collector, in a process of Lyra's own."""

import gc

_YOUNG = 300  # new objects before a young collection; with Python's 700 one takes up to 7 ms
_FULL = 300  # middle collections before a full one; Python's default is 10


def tune_gc() -> None:
    """Make full collections rare, and young ones short; call it before the imports.

    A full collection blocks the loop, the longer the more work is under way (a tenth of a second
    for five hundred log-ins, half a second for five thousand streams), and finds nothing: Lyra's
    objects go with their last reference, and the few cycles go while they are young. Only old
    cycles, of answers that failed, wait for it: at most a million objects, some 80 MiB.
    """
    _, middle, _ = gc.get_threshold()
    gc.set_threshold(_YOUNG, middle, _FULL)
