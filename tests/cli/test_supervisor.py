"""Several processes on one port: replaced, killed and stopped without a lost request."""

import asyncio
import os
import re
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from lyra.sandbox import Sandbox, sandbox_token
from tests.cli.conftest import Launch, hanging_answer, until_gone

CLIENTS = 16


async def line(process: Process, sign: str) -> str:
    """The next line that the process prints with this sign in it."""
    assert process.stdout is not None
    async for text in process.stdout:
        if sign in text.decode():
            return text.decode()
    raise AssertionError(f"the process ended without {sign!r}")


class House:
    """A supervisor with two workers, spoken to at its port."""

    def __init__(self, process: Process, pids: list[int], url: str) -> None:
        self.process = process
        self.pids = pids
        self.url = url
        self.failures: list[str] = []
        self.answered = 0

    async def ask(self, http: aiohttp.ClientSession) -> None:
        """One request on a kept connection; aiohttp never sends a POST twice."""
        headers = {"Authorization": f"Bearer {sandbox_token()}"}
        try:
            async with http.post(f"{self.url}/lyra/init", headers=headers) as answer:
                body = await answer.json()
        except aiohttp.ClientError as failure:
            self.failures.append(repr(failure))
        else:
            self.answered += 1
            if not body.get("success"):
                self.failures.append(str(body))

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        """Readers who ask without a pause while the block runs."""
        done = asyncio.Event()

        async def reader() -> None:
            async with aiohttp.ClientSession() as http:
                while not done.is_set():
                    await self.ask(http)

        async with asyncio.TaskGroup() as readers:
            for _ in range(CLIENTS):
                readers.create_task(reader())
            try:
                yield
            finally:
                done.set()


async def open_house(launch: Launch, sandbox: Sandbox, **environ: str) -> House:
    given = {"LYRA_LLM": "offline", "LYRA_SPOTIFY_API_URL": sandbox.api_url, "LYRA_DRAIN_S": "1"}
    given |= {"LYRA_RATE_PER_MINUTE": "1000000"} | environ
    process = await launch("serve", "--port", "0", "--workers", "2", **given)
    told = await line(process, "serve on")
    numbers, url = re.search(r"workers ([\d, ]+) serve on (\S+);", told).groups()  # type: ignore[union-attr]
    return House(process, [int(pid) for pid in numbers.split(",")], url)


async def test_no_request_is_lost_while_the_workers_are_replaced(
    launch: Launch, sandbox: Sandbox
) -> None:
    house = await open_house(launch, sandbox)
    assert len(set(house.pids)) == 2
    async with house.under_load():
        house.process.send_signal(signal.SIGHUP)
        replaced = [await line(house.process, "replaces") for _ in house.pids]
        await line(house.process, "all workers are replaced")

    assert house.failures == []
    assert house.answered > 100
    assert {int(each.split()[-1]) for each in replaced} == set(house.pids)


async def test_a_killed_worker_is_started_again_and_the_others_serve(
    launch: Launch, sandbox: Sandbox
) -> None:
    house = await open_house(launch, sandbox)
    os.kill(house.pids[0], signal.SIGKILL)
    told = await line(house.process, "starting another")
    async with aiohttp.ClientSession() as http:
        await house.ask(http)

    assert f"pid {house.pids[0]}" in told
    assert house.failures == []


async def test_a_signal_stops_every_worker_and_the_exit_code_is_0(
    launch: Launch, sandbox: Sandbox
) -> None:
    house = await open_house(launch, sandbox)
    house.process.terminate()
    out, err = await house.process.communicate()

    assert house.process.returncode == 0
    assert b"live answers may finish" in out
    assert b"Traceback" not in err


async def test_workers_whose_supervisor_was_killed_end_too(
    launch: Launch, sandbox: Sandbox
) -> None:
    house = await open_house(launch, sandbox)
    async with asyncio.TaskGroup() as waiting:
        for pid in house.pids:
            waiting.create_task(until_gone(pid))
        house.process.kill()


async def test_a_setting_that_no_worker_can_use_is_told_once(launch: Launch) -> None:
    process = await launch("serve", "--port", "0", "--workers", "2")
    out, err = await process.communicate()

    assert process.returncode == 2
    assert out == b""
    assert err.count(b"LYRA_LLM_API_KEY") == 1


async def test_log_ins_of_several_workers_need_redis(launch: Launch) -> None:
    process = await launch("serve", "--workers", "2", LYRA_SPOTIFY_CLIENT_ID="0" * 32)
    _, err = await process.communicate()

    assert process.returncode == 2
    assert b"LYRA_WORKERS: more than one needs LYRA_REDIS_URL" in err


async def test_an_inherited_descriptor_that_does_not_listen_is_refused(launch: Launch) -> None:
    process = await launch("serve", "--fd", "0", LYRA_LLM="offline")
    _, err = await process.communicate()

    assert process.returncode == 2
    assert b"--fd: 0 is no listening socket" in err


async def origins(url: str) -> set[str | None]:
    """Whom the workers let read their answers, asked on many connections."""
    heard = set()
    for _ in range(8):
        for origin in ("https://one.example", "https://two.example"):
            headers = {"Origin": origin, "Connection": "close"}
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"{url}/healthz", headers=headers) as answer,
            ):
                heard.add(answer.headers.get("Access-Control-Allow-Origin"))
    return heard - {None}


async def reload(launch: Launch, pid: int) -> tuple[int | None, str]:
    """The exit code of `lyra reload`, and what it says."""
    process = await launch("reload", str(pid))
    out, err = await process.communicate()
    return process.returncode, (out + err).decode()


async def test_a_reload_reads_the_env_file_and_the_environment_wins(
    launch: Launch, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("LYRA_CORS_ORIGINS=https://one.example\nLYRA_RATE_PER_MINUTE=no number\n")
    house = await open_house(launch, sandbox)
    before = await origins(house.url)
    file.write_text("LYRA_CORS_ORIGINS=https://two.example\nLYRA_RATE_PER_MINUTE=no number\n")
    house.process.send_signal(signal.SIGHUP)
    await line(house.process, "all workers are replaced")
    changed = await origins(house.url)
    file.write_text("")
    house.process.send_signal(signal.SIGHUP)
    await line(house.process, "all workers are replaced")

    assert (before, changed) == ({"https://one.example"}, {"https://two.example"})
    assert await origins(house.url) == set()


async def test_a_hangup_in_mid_roll_is_one_more_roll_however_many_come(
    launch: Launch, sandbox: Sandbox
) -> None:
    house = await open_house(launch, sandbox)
    house.process.send_signal(signal.SIGHUP)
    await line(house.process, "replaces")
    for _ in range(3):
        house.process.send_signal(signal.SIGHUP)
    for _ in range(2):
        await line(house.process, "all workers are replaced")
    code, _ = await reload(launch, house.process.pid)
    house.process.terminate()
    rest, _ = await house.process.communicate()

    assert code == 0
    assert rest.count(b"replaces") == 2
    assert rest.count(b"all workers are replaced") == 1


async def test_a_failed_replacement_is_logged_and_a_later_reload_works(
    launch: Launch, sandbox: Sandbox, tmp_path: Path
) -> None:
    house = await open_house(launch, sandbox)
    (tmp_path / ".env").write_text("LYRA_STALL_S=for ever\n")
    code, said = await reload(launch, house.process.pid)
    failed = await line(house.process, "workers are replaced")
    await house.ask(http := aiohttp.ClientSession())
    (tmp_path / ".env").write_text("LYRA_STALL_S=1\n")
    mended, _ = await reload(launch, house.process.pid)
    await http.close()
    house.process.terminate()
    out, err = await house.process.communicate()

    assert (code, mended) == (1, 0)
    assert "0 of 2 workers are replaced, the others go on" in said
    assert "0 of 2 workers are replaced, the others go on" in failed
    assert "are: .env:1: LYRA_STALL_S: " in said
    assert b"LYRA_STALL_S" in err
    assert b"all workers are replaced" in out
    assert house.failures == []


async def test_a_file_of_settings_that_cannot_be_read_replaces_nobody(
    launch: Launch, sandbox: Sandbox, tmp_path: Path
) -> None:
    house = await open_house(launch, sandbox)
    (tmp_path / ".env").write_bytes("LYRA_STALL_S=1\n".encode("utf-16"))
    code, said = await reload(launch, house.process.pid)

    assert code == 1
    assert ".env:1: it is not UTF-8" in said


async def test_a_dead_worker_restarts_with_the_last_reloads_settings(
    launch: Launch, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("LYRA_CORS_ORIGINS=https://one.example\n")
    house = await open_house(launch, sandbox)
    (tmp_path / ".env").write_text("LYRA_CORS_ORIGINS=https://two.example\nnonsense\n")
    for pid in house.pids:
        os.kill(pid, signal.SIGKILL)
        await line(house.process, "starting another")

    assert await origins(house.url) == {"https://one.example"}


async def test_a_process_that_is_no_supervisor_cannot_be_reloaded(launch: Launch) -> None:
    code, said = await reload(launch, os.getpid())

    assert (code, "no supervisor" in said) == (2, True)


async def started_slowly(launch: Launch, folder: Path, **environ: str) -> Process:
    """A supervisor whose workers never come to their first line."""
    (folder / "sitecustomize.py").write_text(
        "import sys, time\n"
        "if '--lifeline' in sys.orig_argv:\n"
        "    print('a worker begins', file=sys.stderr, flush=True)\n"
        "    time.sleep(3600)\n"
    )
    given = {"LYRA_LLM": "offline", "PYTHONPATH": str(folder), **environ}
    process = await launch("serve", "--port", "0", "--workers", "2", **given)
    assert process.stderr is not None
    await process.stderr.readuntil(b"a worker begins\n")
    return process


async def test_a_signal_does_not_wait_for_workers_that_start(
    launch: Launch, tmp_path: Path
) -> None:
    process = await started_slowly(launch, tmp_path)
    process.terminate()
    out, err = await process.communicate()

    assert process.returncode == 0
    assert b"serve on" not in out
    assert b"Traceback" not in err


async def test_who_is_announced_serves_a_hangup_in_the_start_or_not(
    launch: Launch, sandbox: Sandbox
) -> None:
    given = {"LYRA_LLM": "offline", "LYRA_SPOTIFY_API_URL": sandbox.api_url}
    process = await launch("serve", "--port", "0", "--workers", "2", **given)
    async with asyncio.timeout(30):
        # As soon as it is asked for outcomes it also takes SIGHUP for what it is.
        while (await reload(launch, process.pid))[0] == 2:
            pass
    told = await line(process, "serve on")

    assert len(re.findall(r"\d+", told.partition(" serve on")[0])) == 2


async def test_workers_need_no_folder_that_can_be_written(
    launch: Launch, sandbox: Sandbox, tmp_path: Path
) -> None:
    """As on a root file system that is read-only, with nothing mounted over it."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def hook(event, told):\n"
        "    opened = event == 'open' and not str(told[0]).startswith('/dev/')\n"
        "    writes = opened and isinstance(told[2], int) and told[2] & (os.O_WRONLY | os.O_RDWR)\n"
        "    if writes or event == 'os.mkdir':\n"
        "        raise OSError(30, 'Read-only file system')\n"
        "sys.addaudithook(hook)\n"
    )
    house = await open_house(launch, sandbox, PYTHONPATH=str(tmp_path))
    house.process.terminate()
    _, err = await house.process.communicate()

    assert (house.process.returncode, b"Traceback" in err) == (0, False)


async def test_a_signal_to_all_processes_of_a_service_cuts_no_answer(
    launch: Launch, sandbox: Sandbox
) -> None:
    """As systemd sends it, unless a unit says otherwise: workers get another from the supervisor."""
    house = await open_house(
        launch,
        sandbox,
        LYRA_LLM="auto",
        LYRA_LLM_API_KEY="any",
        LYRA_LLM_BASE_URL=sandbox.llm_url,
        LYRA_FIRST_BYTE_S="0.05",
    )
    async with aiohttp.ClientSession() as http, await hanging_answer(http, house.url) as live:
        for pid in (*house.pids, house.process.pid):
            os.kill(pid, signal.SIGTERM)
        rest = await live.read()
    out, _ = await house.process.communicate()

    assert rest.endswith(b"data: [DONE]\n\n")
    assert house.process.returncode == 0
    assert b"ended with" not in out
