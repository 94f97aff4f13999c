"""How often the garbage collector looks, in a process of Lyra's own."""

import gc

_YOUNG = 300  # objects more than there were; with Python's own 700 one takes up to 7 ms
_FULL = 300  # younger collections before a full one; Python's own figure is 10


def tune_gc() -> None:
    """Make full collections rare, and young ones short; to be called before the imports.

    A full one holds the loop up for as long as there is work under way, a tenth of a second for
    five hundred log-ins and half a second for five thousand streams, and finds nothing: what Lyra
    makes goes with its last reference, and the little that does not goes young. What grew old in a
    cycle, of answers that failed, waits for one: at most a million objects, some 80 MiB.
    """
    _, middle, _ = gc.get_threshold()
    gc.set_threshold(_YOUNG, middle, _FULL)
