"""`lyra` that tells, at SIGUSR2, how much memory is in use. Run as a process, with lyra's arguments.

What a process has resident is more than what it uses: the C library and Python's allocator keep freed
memory for the next time, in pieces that depend on the order in which it was freed, and cycles wait
for the collector, which Lyra lets run rarely. None of it adds up; what is in use would, in a leak. It
is written to `WEIGHT` in the working directory, in bytes: `used`, and what is `resident` once freed
memory was given back. Only this tells them apart, so it needs CPython and glibc 2.33.
"""

import ctypes
import gc
import os
import re
import signal
import sys
from pathlib import Path
from tempfile import TemporaryFile

import orjson

from bench.service import WEIGHT
from lyra.__main__ import main
from lyra.web.http.memory_guard import resident_bytes

_SMALL = re.compile(rb"# bytes in allocated blocks\s*=\s*([\d,]+)")
_LIBC = ctypes.CDLL(None)
_STDERR = 2


class _Mallinfo(ctypes.Structure):
    """See `man mallinfo2`."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def used_bytes() -> int:
    """What the process uses: Python's small blocks, and what the C library has given out."""
    gc.collect()
    _LIBC.mallinfo2.restype = _Mallinfo
    large = _LIBC.mallinfo2()
    return _small_bytes() + int(large.uordblks) + int(large.hblkhd)


def _small_bytes() -> int:
    """Bytes in the blocks of Python's allocator, which tells of them on the standard error alone."""
    with TemporaryFile() as output:
        stderr = os.dup(_STDERR)
        os.dup2(output.fileno(), _STDERR)
        try:
            sys._debugmallocstats()  # noqa: SLF001 - documented
        finally:
            os.dup2(stderr, _STDERR)
            os.close(stderr)
        output.seek(0)
        (bytes_,) = _SMALL.findall(output.read())
    return int(bytes_.replace(b",", b""))


def _tell(*_: object) -> None:
    used = used_bytes()
    _LIBC.malloc_trim(0)
    begun = Path(f"{WEIGHT}.begun")
    begun.write_bytes(orjson.dumps({"used": used, "resident": resident_bytes()}))
    begun.replace(WEIGHT)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, _tell)
    main()
