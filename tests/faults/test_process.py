"""The process is told to go, is killed, or has too few files: what was accepted is answered."""

import asyncio
import logging
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from lyra.cli.serving import report_unhandled
from tests.cli.conftest import greeting

HANG = {"Authorization": "Bearer sandbox.7.typical.legacy.hang"}
MESSAGE = {"message": "Which artists do I listen to most?"}

pytestmark = [
    pytest.mark.served,
    pytest.mark.timeout(60),  # a process takes seconds to start where others are busy
]

Shell = Callable[..., Awaitable[tuple[Process, str]]]


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    """Starts the demo in a shell that has said something first; the process and its address."""
    started: list[Process] = []

    async def begin(first: str = "true", **environ: str) -> tuple[Process, str]:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", f'{first}; exec "{sys.executable}" -m lyra demo --port 0'),
            cwd=tmp_path,
            env={"LYRA_RATE_PER_MINUTE": "10000", **environ},
            stdout=PIPE,
            stderr=PIPE,
        )
        started.append(process)
        return process, re.search(r"http://\S+", await greeting(process))[0]  # type: ignore[index]

    yield begin
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_request_without_its_body_does_not_delay_the_others(
    shell: Shell,
) -> None:
    process, url = await shell(LYRA_DRAIN_S="0", LYRA_BODY_TIMEOUT_S="1")
    port = int(url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /lyra/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer sandbox.7.typical.legacy\r\nContent-Length: 100\r\n\r\n{"
    )
    async with aiohttp.ClientSession() as http, http.get(f"{url}/healthz") as answer:
        assert answer.status == 200
    process.terminate()
    await process.communicate()
    await reader.read()
    writer.close()

    assert process.returncode == 0


async def test_after_a_kill_in_mid_stream_the_next_process_serves(
    shell: Shell,
) -> None:
    """And the reader learns that its answer broke off."""
    process, url = await shell(LYRA_FIRST_BYTE_S="0.05")
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/lyra/chat", headers=HANG, json=MESSAGE) as live,
    ):
        await live.content.readline()
        process.kill()
        with pytest.raises(aiohttp.ClientPayloadError):
            await live.read()
    _, url = await shell()
    async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
        assert answer.status == 200


async def test_few_open_files_refuse_newcomers_and_serve_the_others(
    shell: Shell,
) -> None:
    process, url = await shell("ulimit -n 128")
    port = int(url.rsplit(":", 1)[1])
    crowd: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    async with aiohttp.ClientSession() as http:
        for _ in range(2):
            async with http.get(f"{url}/healthz") as answer:
                assert answer.status == 200
            while len(crowd) < 100:
                crowd.append(await asyncio.open_connection("127.0.0.1", port))
        headers = {"Authorization": "Bearer sandbox.7.typical.legacy"}
        async with http.post(f"{url}/lyra/chat", headers=headers, json=MESSAGE) as answer:
            assert "data: [DONE]" in await answer.text()
    for _, writer in crowd:
        writer.close()
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()

    assert process.returncode == 0
    assert b"Too many open files" not in err


async def test_what_nobody_handles_is_logged_with_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken() -> None:
        raise RuntimeError("the cause")

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(report_unhandled)
    task = loop.create_task(broken())
    await asyncio.wait([task])
    with caplog.at_level(logging.ERROR):
        del task  # whose failure nobody has looked at

    assert "unhandled in the background: RuntimeError" in caplog.text
    assert "in broken" in caplog.text


async def test_a_crash_leaves_no_core_and_the_command_line_no_secret(
    shell: Shell,
) -> None:
    process, _ = await shell("ulimit -c unlimited", LYRA_ADMIN_TOKEN="an-admin-token-0001")
    proc = Path("/proc") / str(process.pid)
    limits = (proc / "limits").read_text("ascii")
    shown = (proc / "cmdline").read_bytes()
    process.send_signal(signal.SIGABRT)
    await process.communicate()

    assert re.search(r"Max core file size +0 ", limits)
    assert b"an-admin-token" not in shown
    assert process.returncode == -signal.SIGABRT
