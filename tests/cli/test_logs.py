"""The log: a line a record, written in the background, bounded."""

import asyncio
import logging
import os
import re
import socket
import sys
from io import StringIO
from pathlib import Path

import aiohttp
import orjson
import pytest

from lyra.cli.logs import BufferedHandler, TextStyle
from lyra.cli.redact import Redactor
from tests.cli.conftest import Launch, greeting

SAID = 2_000


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("lyra.test", logging.INFO, "", 0, text, None, None)


def test_lines_for_which_there_is_no_room_are_dropped_and_told() -> None:
    out = StringIO()
    lines = BufferedHandler(out, TextStyle(Redactor()), capacity=3)
    for n in range(1000):
        lines.emit(record(f"line {n}"))
    lines.close()

    told = out.getvalue()
    dropped = sum(
        map(int, re.findall(r"^(\d+) lines of the log were dropped$", told, re.MULTILINE))
    )
    assert dropped > 0
    assert told.count("line ") + dropped == 1000


def test_a_pipe_that_nobody_reads_holds_nobody_up() -> None:
    reader, writer = os.pipe()
    lines = BufferedHandler(os.fdopen(writer, "w"), TextStyle(Redactor()), capacity=5)
    for _ in range(50):
        lines.emit(record("x" * 100_000))  # more than any pipe holds
    os.close(reader)
    lines.close()

    assert lines.dropped > 0


async def test_the_service_answers_although_nobody_reads_its_log(launch: Launch) -> None:
    process = await launch("demo", "--port", "0", LYRA_LOG_LEVEL="debug")
    url = re.search(r"http://\S+", await greeting(process))[0]  # type: ignore[index]
    headers = {"X-Request-Id": "x" * 64}  # long lines: more than the pipe and this test hold
    async with aiohttp.ClientSession(url) as http:
        for _ in range(SAID):
            async with http.get("/healthz", headers=headers) as answer:
                assert answer.status == 200
    process.terminate()
    _, err = await process.communicate()

    lines = err.decode().splitlines()
    assert sum("GET /healthz 200" in line for line in lines) == SAID
    assert b"Traceback" not in err


async def test_a_json_line_has_the_request_as_members(launch: Launch) -> None:
    process = await launch("demo", "--port", "0", LYRA_LOG="json")
    url = re.search(r"http://\S+", await greeting(process))[0]  # type: ignore[index]
    async with (
        aiohttp.ClientSession(url) as http,
        http.get("/nowhere/secret-path", headers={"X-Request-Id": "abc-1"}) as answer,
    ):
        assert answer.status == 404
    process.terminate()
    _, err = await process.communicate()

    told = [orjson.loads(line) for line in err.splitlines()]
    (said,) = [line for line in told if line["request_id"] == "abc-1"]
    assert (said["level"], said["method"], said["route"], said["status"]) == (
        "INFO",
        "GET",
        "unknown",
        404,
    )
    assert said["ms"] >= 0
    assert b"secret-path" not in err


async def test_a_closed_stderr_ends_the_log_and_not_the_service(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lyra", "demo", "--port", "0"),
        cwd=tmp_path,
        env={},
        stdout=asyncio.subprocess.PIPE,
        stderr=writer,
    )
    os.close(writer)
    url = re.search(r"http://\S+", await greeting(process))[0]  # type: ignore[index]
    os.close(reader)
    async with aiohttp.ClientSession(url) as http:
        for _ in range(20):
            async with http.get("/healthz") as answer:
                assert answer.status == 200
    process.terminate()
    await process.communicate()

    assert process.returncode == 0


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_full_disk_for_the_log_costs_no_answer_and_no_ending(
    tmp_path: Path, unused_tcp_port: int, workers: str
) -> None:
    """Nor does one that takes no greeting."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        manager.bind(str(tmp_path / "notify"))
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", f'exec "{sys.executable}" -m lyra serve >/dev/full 2>/dev/full'),
            env={
                "LYRA_LLM": "offline",
                "LYRA_WORKERS": workers,
                "LYRA_PORT": str(unused_tcp_port),
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
            },
        )
        try:
            ready = await asyncio.get_running_loop().sock_recv(manager, 1024)
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"http://127.0.0.1:{unused_tcp_port}/healthz") as answer,
            ):
                status = answer.status
        finally:
            process.terminate()
            code = await process.wait()

    assert ready.startswith(b"READY=1")
    assert (status, code) == (200, 0)
