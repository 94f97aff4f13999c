"""The event loops that Lyra runs on, for facts that their transports could make different."""

import asyncio
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import pytest

Loop = Callable[[], asyncio.AbstractEventLoop]

LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio")]
if find_spec("uvloop"):  # there are no wheels of it for every platform
    LOOPS.append(pytest.param(import_module("uvloop").new_event_loop, id="uvloop"))
