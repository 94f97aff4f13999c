"""What a command does not use is not imported: start-up is waiting time."""

import re
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from pathlib import Path

from tests.cli.conftest import Launch, greeting

# Of redis a part: Python also tells what was looked for and not found.
UNUSED = ("anthropic", "pydantic", "redis.client", "cryptography", "rich", "lyra.sandbox")
_IMPORTED = re.compile(r"import time:[^|]*\|[^|]*\| *(\S+)")


def unused(told: bytes, *more: str) -> set[str]:
    """Those of the modules named that Python says it has imported."""
    return set(_IMPORTED.findall(told.decode())) & {*UNUSED, *more}


async def test_help_imports_neither_a_server_nor_what_it_would_use(tmp_path: Path) -> None:
    process = await create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "lyra", "--help"), cwd=tmp_path, stderr=PIPE
    )
    _, err = await process.communicate()

    assert process.returncode == 0
    assert unused(err, "aiohttp", "lyra.app", "aiocache", "prometheus_client") == set()


async def test_serving_without_model_and_redis_imports_neither(launch: Launch) -> None:
    process = await launch("serve", "--port", "0", PYTHONPROFILEIMPORTTIME="1", LYRA_LLM="offline")
    await greeting(process)
    process.terminate()
    _, err = await process.communicate()

    assert process.returncode == 0
    assert unused(err) == set()
    assert b" lyra.app\n" in err  # so it does tell what is imported
