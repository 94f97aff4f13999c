"""A process that nears its bound of memory does no new work, and gives up what can be made again."""

from pathlib import Path

import pytest

from lyra.cli.serving import fit_memory_limit
from lyra.sandbox import Sandbox
from lyra.settings import Settings
from lyra.web.http.memory_guard import resident_bytes
from tests.conftest import Start
from tests.support.calls import call, chat, chatting, init, read_until
from tests.support.error_shape import check_error
from tests.support.memory import BOUND, GIB, fill_memory
from tests.support.stream_grammar import read_body


async def test_at_four_fifths_of_the_bound_new_work_is_refused(
    start: Start, sandbox: Sandbox
) -> None:
    """What is running goes on."""
    service = await start(max_memory_bytes=BOUND)
    await fill_memory(service, 0.81)

    refused = [await init(service), await chat(service)]
    ready = await call(service, "GET", "/readyz")
    alive = await call(service, "GET", "/healthz")
    stopped = await call(service, "POST", "/lyra/chat/run_0/stop", headers=service.headers())
    forgotten = await call(service, "DELETE", "/lyra/session", headers=service.headers())

    for answer in refused:
        assert check_error(answer, "overloaded")["retry_after_s"] == 5
    assert (ready.status, alive.status, stopped.status, forgotten.status) == (503, 200, 404, 204)
    assert sandbox.stats.total == 0


async def test_a_stream_that_runs_goes_on_while_memory_is_short(start: Start) -> None:
    service = await start(max_memory_bytes=BOUND, model="fault:hang")
    async with chatting(service) as response:
        seen = await read_until(response, b"text-delta")
        await fill_memory(service, 0.95)
        name = seen.split(b'"messageId":"')[1].split(b'"')[0].decode()
        stopped = await call(service, "POST", f"/lyra/chat/{name}/stop", headers=service.headers())
        rest = await read_until(response, b"[DONE]")

    assert stopped.status == 204
    assert read_body(seen + rest).ending == "abort"


async def test_at_nine_tenths_of_the_bound_the_cache_is_evicted(start: Start) -> None:
    """Its listeners are read again later."""
    service = await start(max_memory_bytes=BOUND)
    await init(service)
    await fill_memory(service, 0.89)
    kept = service.services.lyra.listeners.stats()["entries"]
    await fill_memory(service, 0.91)
    entries = service.services.lyra.listeners.stats()["entries"]
    await fill_memory(service, 0.5)
    again = await init(service)

    assert (kept, entries) == (1, 0)
    assert again.json["cache"]["state"] == "miss"


def test_what_is_taken_is_seen() -> None:
    before = resident_bytes()
    taken = bytearray(b"x" * (64 << 20))

    assert resident_bytes() - before > len(taken) // 2


async def test_without_a_bound_memory_is_not_looked_at(start: Start) -> None:
    service = await start()

    assert (await init(service)).status == 200
    assert service.services.memory_guard.stats()["bound_bytes"] == 0


@pytest.mark.parametrize(
    ("files", "bound"),
    [
        ({"memory.max": "max\n"}, 8 * GIB),
        ({"memory.max": f"{GIB}\n"}, GIB),
        ({}, 8 * GIB),
    ],
)
def test_the_memory_bound_is_the_cgroups_or_the_machines(
    tmp_path: Path, files: dict[str, str], bound: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    settings = Settings(workers=2)

    limited = fit_memory_limit(settings, group=tmp_path, machine=8 * GIB)

    assert limited.max_memory_bytes == bound // 2


def test_a_bound_that_was_set_stays() -> None:
    settings = Settings(max_memory_bytes=GIB)

    assert fit_memory_limit(settings, machine=8 * GIB) == settings
