"""What the siege is judged by: memory in use, of small objects and large, and none that was freed."""

import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from pathlib import Path

import orjson
import pytest

pytestmark = pytest.mark.served

SCRIPTS = Path(__file__).parents[2] / "scripts"
MIB = 2**20
HOLD_AND_FREE = """
import json
from bench.servers import weighed
weighed.used_bytes()
before = weighed.used_bytes()
held = [bytes(70 + number % 8) for number in range(50_000)]
held += [bytes(100_000) for _ in range(50)]
during = weighed.used_bytes()
del held
print(json.dumps([during - before, weighed.used_bytes() - before]))
"""


async def test_what_is_held_counts_and_what_was_freed_does_not() -> None:
    process = await create_subprocess_exec(
        *(sys.executable, "-c", HOLD_AND_FREE),
        cwd=SCRIPTS,
        env={"PYTHONPATH": str(SCRIPTS)},
        stdout=PIPE,
    )
    out, _ = await process.communicate()
    held, left = orjson.loads(out)

    assert 9 * MIB < held < 12 * MIB
    assert abs(left) < 0.2 * MIB
