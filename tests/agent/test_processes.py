"""Programs as people write them: several loops, threads, forks, sudden ends; none leaves a trace."""

import signal
from collections.abc import Awaitable, Callable

import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.agent.conftest import Launch, Outcome

Run = Callable[..., Awaitable[Outcome]]

HANGING = sandbox_token(7, "typical", "legacy", "hang")
CANARY = "987650001234500017"
START = "import asyncio, os\nfrom lyra.agent import *\ntoken = os.environ['SPOTIFY_TOKEN']\n"
PLAIN = "import os, threading\nimport lyra_agent\ntoken = os.environ['SPOTIFY_TOKEN']\n"

OLD_LOOPS = f"""{START}
for _ in range(3):
    loop = asyncio.new_event_loop()
    print(loop.run_until_complete(initialize_user_session(token))["cache"]["state"])
    loop.close()
"""
RUNNING_LOOP = """
import asyncio, os
import lyra_agent

async def main():
    print(lyra_agent.initialize_user_session(os.environ["SPOTIFY_TOKEN"])["success"])

asyncio.run(main())
"""
FORK = f"""{PLAIN}
import sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of threads and forks
lyra_agent.initialize_user_session(token)
child = os.fork()
if not child:
    empty = len(lyra_agent.USER_CACHE) == 0
    loaded = lyra_agent.initialize_user_session(token)["cache"]["state"]
    sys.exit(0 if empty and loaded == "miss" else 7)
print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print("parent", lyra_agent.initialize_user_session(token)["cache"]["state"])
"""


@pytest.mark.parametrize(
    ("program", "printed", "calls"),
    [
        pytest.param(OLD_LOOPS, "miss\nhit\nhit\n", 5, id="loops closed by hand"),
        pytest.param(RUNNING_LOOP, "True\n", 5, id="plain call beside a running loop"),
        pytest.param(FORK, "child 0\nparent hit\n", 10, id="a forked child loads anew"),
    ],
)
async def test_a_program_ends_without_a_warning(
    program: str, printed: str, calls: int, run: Run, sandbox: Sandbox
) -> None:
    assert await run(program) == Outcome(0, printed, "")
    assert sandbox.stats.total == calls


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            f"{PLAIN}threading.Thread(target=lyra_agent.initialize_user_session, args=(token,),"
            " daemon=True).start()\ninput()\n",
            id="thread",
        ),
        pytest.param(
            f"{START}async def main():\n"
            "    call = asyncio.get_running_loop().create_task(initialize_user_session(token))\n"
            "    await asyncio.to_thread(input)\n"
            "asyncio.run(main())\n",
            id="loop",
        ),
    ],
)
async def test_a_program_may_end_in_the_middle_of_a_fetch(
    program: str, launch: Launch, sandbox: Sandbox
) -> None:
    running = await launch(program, HANGING)
    await sandbox.stats.until(lambda stats: stats.total == 5)
    outcome = await running.end("\n")

    assert (outcome.code, outcome.err) == (0, "")


async def test_ctrl_c_ends_a_waiting_call(launch: Launch, sandbox: Sandbox) -> None:
    program = f"{PLAIN}lyra_agent.initialize_user_session(token)\n"
    running = await launch(program, HANGING, LYRA_SPOTIFY_TIMEOUT_S="3600")
    await sandbox.stats.until(lambda stats: stats.total == 5)
    running.interrupt()
    outcome = await running.end()

    assert outcome.code == -signal.SIGINT
    assert outcome.err.splitlines()[-1] == "KeyboardInterrupt"


async def test_importing_starts_no_thread_and_reads_no_settings(run: Run) -> None:
    program = "import threading, lyra_agent, lyra.agent\nprint(threading.active_count())\n"
    outcome = await run(program, LYRA_CACHE_TTL_S="nonsense")

    assert outcome == Outcome(0, "1\n", "")


@pytest.mark.parametrize("first_line", [START, PLAIN])
async def test_a_wrong_setting_raises_and_names_the_variable(first_line: str, run: Run) -> None:
    call = "asyncio.run(cache_stats())" if first_line is START else "lyra_agent.cache_stats()"
    outcome = await run(f"{first_line}{call}\n", LYRA_CACHE_TTL_S="nonsense")

    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("lyra.settings.SettingError: LYRA_CACHE_TTL_S")


LATE = f"""
import atexit
atexit.register(lambda: late())  # the older handler runs last, after that of lyra.agent
{PLAIN}
def late():
    print(threading.active_count(), "thread")
    try:
        lyra_agent.cache_stats()
    except RuntimeError as wrong:
        print(wrong)
lyra_agent.cache_stats()
"""


async def test_at_the_exit_the_thread_ends_and_later_calls_are_refused(run: Run) -> None:
    printed = "1 thread\nthe interpreter is exiting: Lyra takes no more calls\n"

    assert await run(LATE) == Outcome(0, printed, "")


async def test_no_token_is_in_any_log_or_traceback(run: Run) -> None:
    program = f"""{START}
import logging, lyra_agent
logging.basicConfig(level=logging.DEBUG)
for each in (token, token + ".hang", token + ".503", token + ".reset", token.replace("typical", "expired")):
    asyncio.run(initialize_user_session(each), debug=True)
    lyra_agent.get_full_spotify_profile(each)
    lyra_agent.clear_user_cache(each)
    lyra_agent.get_cached_user_data(each + " ")
for wrong in (lyra_agent.get_user_cache_key, lyra_agent.USER_CACHE.__getitem__):
    try:
        wrong(token + " ")
    except (KeyError, ValueError):
        logging.exception("as expected")
print(lyra_agent.USER_CACHE, open_lyra)
"""
    token = sandbox_token(int(CANARY), "typical", "legacy")
    outcome = await run(
        program, token, LYRA_SPOTIFY_TIMEOUT_S="0.3", PYTHONASYNCIODEBUG="1", LYRA_CACHE_TTL_S="60"
    )

    assert outcome.code == 0, outcome.err
    assert "as expected" in outcome.err
    assert CANARY not in outcome.out + outcome.err
