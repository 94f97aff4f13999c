"""Send a demo what its own description allows and forbids, for a bounded time: `make fuzz`.

Schemathesis makes the requests out of /openapi.json and holds every answer against it. It lives in
an environment of its own (scripts/fuzz-requirements.txt), whose `st` is given here.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lyra.app import create_app
from lyra.sandbox import Sandbox, sandbox_token
from lyra.settings import Settings
from lyra.web.context import Persona
from lyra.web.gateway.server import Runner, listen

# What these three expect is not so here, and meant. A body may be refused for reasons that no schema
# can tell (the last message has to be the user's); `status` and `session` never ask Spotify whether
# a token is good; and without the operator's token the operator's routes are not there.
NOT_HELD = "positive_data_acceptance,ignored_auth,missing_required_header"

# To a listener the operator's routes do not exist, whatever the method: 404, and never a 405.
OPERATORS_OWN = "".join(
    f'[[operations]]\ninclude-path = "{path}"\nchecks.unsupported_method.enabled = false\n'
    for path in ("/metrics", "/admin/cache")
)


@asynccontextmanager
async def own_service() -> AsyncIterator[str]:
    """The address of a demo that does not count how often it is asked."""
    async with Sandbox() as invented:
        settings = Settings(
            spotify_api_url=invented.api_url,
            llm_base_url=invented.llm_url,
            llm_api_key="sandbox",
            model="sandbox-model",
            rate_per_minute=1_000_000,
            fetches_per_minute=1_000_000,
        )
        runner = Runner(
            create_app(settings, personas=[Persona("demo", "Demo", sandbox_token())]), settings
        )
        try:
            await runner.setup()
            yield f"http://127.0.0.1:{await listen(runner, '127.0.0.1', 0)}"
        finally:
            await runner.cleanup()


async def fuzz(program: Path, seconds: int, seed: str) -> int:
    """Schemathesis' exit code: 0 when every answer was as described."""
    # It writes examples and reports where it runs.
    with TemporaryDirectory() as folder:
        (Path(folder) / "schemathesis.toml").write_text(OPERATORS_OWN, "utf-8")
        async with own_service() as url:
            process = await asyncio.create_subprocess_exec(
                str(program),
                *("run", f"{url}/openapi.json"),
                *("--header", f"Authorization: Bearer {sandbox_token()}"),
                *("--max-time", str(seconds)),
                *(("--seed", seed) if seed else ()),
                *("--exclude-checks", NOT_HELD),
                *("--suppress-health-check", "all"),
                *("--warnings", "off"),
                cwd=folder,
            )
            try:
                return await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--st", type=Path, default=Path(".venv/fuzz/bin/st"))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", default="", help="to have the same requests again")
    given = parser.parse_args()
    return asyncio.run(fuzz(given.st.absolute(), given.seconds, given.seed))


if __name__ == "__main__":
    sys.exit(main())
