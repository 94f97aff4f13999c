"""What a process manager and an operator see of a running process."""

import asyncio
import re
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from lyra.cli.serving import serve_until_stopped
from lyra.settings import SettingError, Settings
from lyra.spotify.endpoints import PATHS
from tests.cli.conftest import Launch, greeting
from tests.support.curl import curl_commands, run_curl
from tests.support.fault_kit import scripted


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


async def test_connections_are_prewarmed_before_the_first_listener(
    launch: Launch,
) -> None:
    """And that listener opens no other."""
    profile = b'{"id":"vesna"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(profile), profile)
    async with scripted((answer,)) as spotify:
        process = await launch(
            "serve", "--port", "0", LYRA_LLM="offline", LYRA_SPOTIFY_API_URL=spotify.url
        )
        url = re.search(r"http://[\d.]+:\d+", await greeting(process))[0]  # type: ignore[index]
        while spotify.connections < len(PATHS):  # noqa: ASYNC110 - the server rings no bell
            await asyncio.sleep(0.01)
        asked_before = len(spotify.requests)
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer listener-one"}) as http,
            http.post(f"{url}/lyra/init") as loaded,
        ):
            assert loaded.status == 200

    assert (asked_before, len(spotify.requests)) == (0, len(PATHS))
    assert spotify.connections == len(PATHS)


async def test_a_manager_that_does_not_listen_is_no_fault(launch: Launch) -> None:
    process = await launch("demo", "--port", "0", NOTIFY_SOCKET="@nobody-listens-here")
    await greeting(process)
    process.terminate()
    _, err = await process.communicate()

    assert (process.returncode, err) == (0, b"")


async def test_the_collector_searches_nothing_in_full_before_it_serves(
    launch: Launch, tmp_path: Path
) -> None:
    """Each such search would hold up whoever comes; Python's own rhythm makes several."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print(gc.get_stats()[2]['collections'], file=sys.stderr))\n"
    )
    process = await launch("demo", "--port", "0", PYTHONPATH=str(tmp_path))
    await greeting(process)
    process.terminate()
    _, err = await process.communicate()

    assert err == b"0\n"


async def test_the_admin_port_needs_no_token_and_alone_has_its_routes(
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


async def test_traces_go_to_the_collector_that_the_environment_names(launch: Launch) -> None:
    async with scripted((b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",)) as collector:
        named = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        process = await launch("demo", "--port", "0", **named)
        init = curl_commands(await greeting(process))[0]
        await run_curl(init)
        process.terminate()
        _, err = await process.communicate()

    assert (process.returncode, b"Traceback" in err) == (0, False)
    (sent,) = collector.requests
    assert sent.startswith(b"POST /v1/traces ")
    for told in (b"service.name", b"lyra", b"POST /lyra/init", b"bring a listener"):
        assert told in sent
    assert b"sandbox.7" not in sent


async def test_a_collector_that_is_away_holds_nobody_up(
    launch: Launch, unused_tcp_port: int
) -> None:
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{unused_tcp_port}"}
    process = await launch("demo", "--port", "0", **named)
    init = curl_commands(await greeting(process))[0]
    told = await run_curl(init)
    process.terminate()
    await process.communicate()

    assert '"success":true' in told
    assert process.returncode == 0


async def test_a_collector_without_the_sdk_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(SettingError, match=r"\[traces\]"):
        await serve_until_stopped(Settings(llm="offline", port=0))


async def test_the_service_runs_without_uvloop_and_isal(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['uvloop'] = sys.modules['isal'] = None\n"
    )
    process = await launch("demo", "--port", "0", PYTHONPATH=str(tmp_path))
    init, chat = curl_commands(await greeting(process))
    told = [await run_curl(init), await run_curl(chat)]
    process.terminate()
    _, err = await process.communicate()

    assert '"success":true' in told[0]
    assert told[1].endswith("data: [DONE]\n\n")
    assert (process.returncode, b"Traceback" in err) == (0, False)
