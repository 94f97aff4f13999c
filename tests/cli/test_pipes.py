"""Output that nobody reads, that has another encoding, or that there is none of; and Ctrl-C."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.conftest import QUESTION, Launch, start_pipe
from tests.conftest import Start
from tests.support.terminal import Scripted, open_scripted

WORDS = "北京 and Beyoncé → 🎵."


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    async with open_scripted() as server:
        server.say(WORDS)
        yield server


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", WORDS),
        ("cp1252", "?? and Beyoncé ? ?."),
        ("ascii", "?? and Beyonc? ? ?."),
        ("latin-1", "?? and Beyoncé ? ?."),
    ],
)
async def test_what_the_output_cannot_show_is_replaced(
    tmp_path: Path, scripted: Scripted, encoding: str, shown: str
) -> None:
    process = await start_pipe(
        tmp_path, "--url", scripted.url, PYTHONIOENCODING=encoding, LC_ALL="C"
    )
    out, err = await process.communicate(f"{QUESTION}\n".encode(encoding))

    assert (process.returncode, err) == (0, b"")
    assert out.decode(encoding).strip() == shown


@pytest.mark.parametrize("arguments", [("doctor",), ("doctor", "--json"), ("--help",)])
async def test_every_command_writes_to_a_pipe_of_ascii(
    launch: Launch, arguments: tuple[str, ...]
) -> None:
    given = {"LYRA_SPOTIFY_API_URL": "http://127.0.0.1:9/v1", "PYTHONIOENCODING": "ascii"}
    process = await launch(*arguments, **given)
    out, err = await process.communicate()

    assert (out.isascii(), err) == (True, b"")
    assert process.returncode in (0, 1)


async def unread(folder: Path, *arguments: str, output: int, **environ: str) -> tuple[int, bytes]:
    """Exit code and complaints of a command whose output goes there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "lyra", *arguments),
        cwd=folder,
        env={"LYRA_SPOTIFY_API_URL": "http://127.0.0.1:9/v1", **environ},
        stdin=DEVNULL,
        stdout=output,
        stderr=PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, err


COMMANDS = [("doctor",), ("doctor", "--json"), ("--help",), ("--version",), ("serve", "--help")]


@pytest.mark.parametrize("arguments", COMMANDS)
async def test_a_pipe_that_nobody_reads_is_no_complaint(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code, err = await unread(tmp_path, *arguments, output=writer)
    os.close(writer)

    assert (code, err) == (141, b"")


async def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    code, err = await unread(tmp_path, "doctor", "--json", output=full)
    os.close(full)

    assert code == 1
    assert err.decode() == "lyra: the output cannot be written (No space left on device).\n"


async def test_whoever_reads_an_answer_may_leave(tmp_path: Path, start: Start) -> None:
    """As `head` does after its first lines."""
    service = await start(model="fault:hang")
    process = await start_pipe(tmp_path, "--url", service.url, SPOTIFY_TOKEN="sandbox.7")
    code, err = await left(process)

    assert (code, err) == (141, b"")


async def left(process: Process) -> tuple[int, bytes]:
    """What becomes of it when its output is closed before the first question."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    transport = process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
    transport.close()
    process.stdin.write(b"Hello?\n" * 3)
    process.stdin.close()
    err = await process.stderr.read()
    return await process.wait(), err


async def test_ctrl_c_ends_a_pipe_in_the_middle_of_an_answer(tmp_path: Path, start: Start) -> None:
    service = await start(model="fault:hang")
    token = "sandbox.7.typical.legacy"
    process = await start_pipe(tmp_path, "--url", service.url, SPOTIFY_TOKEN=token)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{QUESTION}\n{QUESTION}\n".encode())
    assert await process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()

    assert (process.returncode, err) == (130, b"")


async def test_ctrl_c_ends_a_pipe_that_waits_for_a_question(
    tmp_path: Path, scripted: Scripted
) -> None:
    process = await start_pipe(tmp_path, "--url", scripted.url)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{QUESTION}\n".encode())
    await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()

    assert (process.returncode, out, err) == (130, b"", b"")


async def test_who_has_neither_input_nor_output_meets_no_traceback(
    tmp_path: Path, scripted: Scripted
) -> None:
    closed = "import os, sys; os.close(0); os.close(1); os.execv(sys.executable, sys.argv[1:])"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", closed, sys.executable, "-m", "lyra", "chat"),
        *("--url", scripted.url),
        cwd=tmp_path,
        env={},
        stderr=PIPE,
    )
    _, err = await process.communicate()

    assert (process.returncode, err) == (0, b"")


async def test_questions_that_cannot_be_read_are_one_line(
    tmp_path: Path, scripted: Scripted
) -> None:
    unreadable = os.open(tmp_path / "questions", os.O_WRONLY | os.O_CREAT)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lyra", "chat", "--url", scripted.url),
        env={},
        stdin=unreadable,
        stdout=PIPE,
        stderr=PIPE,
    )
    os.close(unreadable)
    _, err = await process.communicate()

    assert process.returncode == 1
    assert err.decode().splitlines() == [
        "lyra: The questions cannot be read (Bad file descriptor)."
    ]


@pytest.mark.parametrize(
    "arguments", [("serve",), ("serve", "--workers", "2"), ("chat", "--url", "-")]
)
async def test_a_complaint_that_cannot_be_written_keeps_its_exit_code(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lyra", *arguments),
        cwd=tmp_path,
        env={"LYRA_PORT": "none"},
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=full,
    )
    os.close(full)

    assert await process.wait() == 2
