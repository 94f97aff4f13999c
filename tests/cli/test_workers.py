"""Several processes on one port: replaced, killed and stopped without a lost request."""

import asyncio
import os
import re
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from lyra.sandbox import Sandbox, sandbox_token
from tests.cli.conftest import Launch

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
    given["LYRA_RATE_PER_MINUTE"] = "1000000"
    process = await launch("serve", "--port", "0", "--workers", "2", **given, **environ)
    told = await line(process, "serve on")
    numbers, url = re.search(r"workers ([\d, ]+) serve on (\S+);", told).groups()  # type: ignore[union-attr]
    return House(process, [int(pid) for pid in numbers.split(",")], url)


async def gone(pid: int) -> None:
    """Wait until this process, which is nobody's child here, has ended."""
    descriptor = os.pidfd_open(pid)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    await ended.wait()
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)


async def test_x4_no_request_is_lost_while_the_workers_are_replaced(
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


async def test_x1_a_signal_stops_every_worker_and_the_exit_code_is_0(
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
            waiting.create_task(gone(pid))
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
