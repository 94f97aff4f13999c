"""What ends a process, and how: hang-ups, closed terminals, signals in mid-start."""

import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.cli.conftest import Launch, greeting, hanging_answer, until_gone
from tests.support.curl import curl_commands
from tests.support.terminal import Terminal, open_terminal


async def live_answer(http: aiohttp.ClientSession, told: str) -> aiohttp.ClientResponse:
    """An answer of the demo that has begun and does not end by itself."""
    url = next(word for word in curl_commands(told)[1] if word.startswith("http"))
    return await hanging_answer(http, url.removesuffix("/lyra/chat"))


async def test_a_hangup_drains_a_single_process_like_any_signal(launch: Launch) -> None:
    process = await launch("demo", "--port", "0", LYRA_DRAIN_S="0", LYRA_FIRST_BYTE_S="0.05")
    told = await greeting(process)
    async with aiohttp.ClientSession() as http, await live_answer(http, told) as live:
        process.send_signal(signal.SIGHUP)
        rest = await live.read()
    _, err = await process.communicate()

    assert b'"type":"abort"' in rest
    assert rest.endswith(b"data: [DONE]\n\n")
    assert (process.returncode, b"Traceback" in err) == (0, False)


async def test_hangups_one_after_another_cut_no_answer(launch: Launch) -> None:
    """As a closing terminal and its shell both send one."""
    process = await launch("demo", "--port", "0", LYRA_DRAIN_S="0", LYRA_FIRST_BYTE_S="0.05")
    told = await greeting(process)
    async with aiohttp.ClientSession() as http, await live_answer(http, told) as live:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None
        await process.stdout.readuntil(b"live answers may finish\n")
        process.send_signal(signal.SIGHUP)
        rest = await live.read()
    await process.communicate()

    assert rest.endswith(b"data: [DONE]\n\n")
    assert process.returncode == 0


@pytest.fixture
async def terminal(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Terminal]:
    async with open_terminal(
        tmp_path,
        *("serve", "--port", "0", *request.param),
        LYRA_LLM="offline",
        LYRA_SPOTIFY_API_URL="http://127.0.0.1:9/v1",
    ) as opened:
        yield opened


@pytest.mark.parametrize("terminal", [(), ("--workers", "2")], indirect=True)
async def test_a_closed_terminal_ends_the_service_as_a_signal_does(terminal: Terminal) -> None:
    told = await terminal.until("Ctrl-C stops")
    terminal.close()

    assert await terminal.process.wait() == 0
    for workers in re.findall(r"workers ([\d, ]+) serve on", told.decode()):
        for pid in workers.split(", "):
            await nobody(int(pid))


async def nobody(pid: int) -> None:
    """Wait until there is no such process."""
    try:
        await until_gone(pid)
    except ProcessLookupError:
        return


async def test_who_was_started_with_nohup_outlives_the_terminal(
    launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    )
    process = await launch("demo", "--port", "0", PYTHONPATH=str(tmp_path))
    url = re.search(r"http://\S+?:\d+", await greeting(process))[0]  # type: ignore[index]
    process.send_signal(signal.SIGHUP)
    async with aiohttp.ClientSession() as http, http.get(f"{url}/healthz") as answer:
        assert answer.status == 200


HANG = (
    "import importlib.abc, sys, threading\n"
    "class Hang(importlib.abc.MetaPathFinder):\n"
    "    def find_spec(self, name, path, target=None):\n"
    "        if name == '{module}':\n"
    "            print('hangs', file=sys.stderr, flush=True)\n"
    "            threading.Event().wait()\n"
    "sys.meta_path.insert(0, Hang())\n"
)


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")])
async def test_a_signal_does_not_wait_for_the_models_client(
    launch: Launch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Which takes seconds to import on a busy machine; here it takes for ever."""
    (tmp_path / "sitecustomize.py").write_text(
        HANG.format(module="lyra.chat.model.anthropic_model")
    )
    given = {"LYRA_LLM_BASE_URL": "http://127.0.0.1:9", "PYTHONPATH": str(tmp_path)}
    process = await launch("serve", "--port", "0", *arguments, **given)
    assert process.stderr is not None
    await process.stderr.readuntil(b"hangs\n")
    process.terminate()
    _, err = await process.communicate()

    assert (process.returncode, b"Traceback" in err) == (0, False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["lyra.cli", "lyra.settings", "lyra.web", "uvloop"])
async def test_a_signal_in_the_middle_of_the_imports_is_no_traceback(
    launch: Launch, tmp_path: Path, module: str, number: signal.Signals
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANG.format(module=module))
    process = await launch("demo", "--port", "0", PYTHONPATH=str(tmp_path))
    assert process.stderr is not None
    await process.stderr.readuntil(b"hangs\n")
    process.send_signal(number)
    _, err = await process.communicate()

    assert (process.returncode, err) == (0 if number == signal.SIGTERM else 130, b"")
