"""What a process manager and an operator see of a running process."""

import re
import socket
from pathlib import Path

import aiohttp

from tests.cli.conftest import Launch, greeting


async def test_a_process_manager_hears_ready_and_stopping(launch: Launch, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        process = await launch("demo", "--port", "0", NOTIFY_SOCKET=path)
        await greeting(process)
        ready = manager.recv(1024)
        process.terminate()
        await process.communicate()
        stopping = manager.recv(1024)

    assert ready.decode() == f"READY=1\nMAINPID={process.pid}"
    assert stopping.startswith(b"STOPPING=1\n")


async def test_a_manager_that_does_not_listen_is_no_fault(launch: Launch) -> None:
    process = await launch("demo", "--port", "0", NOTIFY_SOCKET="@nobody-listens-here")
    await greeting(process)
    process.terminate()
    _, err = await process.communicate()

    assert (process.returncode, err) == (0, b"")


async def test_the_operators_port_needs_no_token_and_the_public_one_has_no_such_routes(
    launch: Launch,
) -> None:
    process = await launch("demo", "--port", "0", LYRA_ADMIN_PORT="0")
    told = await greeting(process)
    admin = re.search(r"admin: +(http://\S+)/metrics", told)[1]  # type: ignore[index]
    public = re.search(r"page: +(http://\S+)/", told)[1]  # type: ignore[index]
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{admin}/metrics") as metrics:
            assert "lyra_requests_total" in await metrics.text()
        async with http.get(f"{admin}/admin/cache") as cache:
            assert cache.status == 200
        async with http.get(f"{public}/metrics") as hidden:
            assert hidden.status == 404


async def test_an_operators_port_in_use_is_named(launch: Launch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = await launch("demo", "--port", "0", LYRA_ADMIN_PORT=port)
        _, err = await process.communicate()

    assert process.returncode == 2
    assert err.decode().startswith(f"lyra: LYRA_ADMIN_PORT: cannot listen on 127.0.0.1:{port}")
