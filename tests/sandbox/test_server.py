"""The server around the two APIs: counters, latency, replay, hosts."""

import asyncio
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest

from lyra.sandbox import Sandbox, Stats, sandbox_token
from lyra.sandbox.replay import RECORDED
from lyra.sandbox.stats import TOKENS_KEPT
from tests.sandbox.conftest import PATHS, SpotifyCaller


async def test_the_urls_share_one_loopback_port(sandbox: Sandbox) -> None:
    assert sandbox.url.startswith("http://127.0.0.1:")
    assert sandbox.api_url == sandbox.url + "/v1"
    assert sandbox.llm_url == sandbox.url


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "example.invalid", ""])  # noqa: S104
def test_a_host_that_others_can_reach_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Sandbox(host=host)


async def test_requests_are_counted_by_endpoint_and_token(
    sandbox: Sandbox, spotify: SpotifyCaller, session: aiohttp.ClientSession
) -> None:
    token = sandbox_token(7, "empty")
    for endpoint in (*PATHS, "me"):
        await spotify.get_with(endpoint, token)

    async with session.get(f"{sandbox.url}/__sandbox/stats") as answer:
        shown = await answer.json()

    asked = {"me": 2, "artists": 1, "tracks": 1, "playlists": 1, "recent": 1}
    writes = {"create": 0, "replace": 0, "add": 0}
    assert shown == {
        "total": 6,
        "by_endpoint": {**asked, "items": 0, "search": 0, **writes},
        "by_token": {sha256(token.encode()).hexdigest()[:12]: 6},
        "written": writes,
        "logins": {"authorize": 0, "code": 0, "refresh": 0},
        "followed": 0,
        "followed_with_token": 0,
        "model_calls": 0,
        "model_open": 0,
        "model_cancelled": 0,
    }
    assert sandbox.stats.by_endpoint["me"] == 2


async def test_the_counters_can_be_reset(
    sandbox: Sandbox, spotify: SpotifyCaller, session: aiohttp.ClientSession
) -> None:
    await spotify.get("me", 7, "empty")

    async with session.delete(f"{sandbox.url}/__sandbox/stats") as answer:
        assert answer.status == 204

    assert (sandbox.stats.total, sandbox.stats.by_token) == (0, {})


def test_the_table_of_tokens_forgets_the_ones_seen_longest_ago() -> None:
    stats = Stats()
    for number in range(TOKENS_KEPT):
        stats.count("me", f"token{number}")
    stats.count("me", "token0")

    stats.count("me", "another")

    assert len(stats.by_token) == TOKENS_KEPT
    assert stats.by_token["token0"] == 2
    assert "token1" not in stats.by_token


async def test_the_servers_latency_holds_for_tokens_without_their_own(
    session: aiohttp.ClientSession,
) -> None:
    loop = asyncio.get_running_loop()
    async with Sandbox(latency=(0, 60)) as sandbox:
        spotify = SpotifyCaller(sandbox, session)
        start = loop.time()
        await spotify.get("recent", 7, "empty")
        assert loop.time() - start >= 0.06


async def test_two_sandboxes_run_side_by_side(session: aiohttp.ClientSession) -> None:
    async with Sandbox() as one, Sandbox() as two:
        await SpotifyCaller(one, session).get("me", 7, "empty")

        assert (one.stats.total, two.stats.total) == (1, 0)


async def test_a_taken_port_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="in use"):
        async with Sandbox(port=int(sandbox.url.rpartition(":")[2])):
            pass


async def test_recorded_answers_are_replayed_byte_for_byte(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    body = b'{ "id" : "recorded" }\n'
    (tmp_path / RECORDED["me"]).write_bytes(body)
    async with Sandbox(replay=tmp_path) as sandbox:
        spotify = SpotifyCaller(sandbox, session)

        found = await spotify.get_with("me", "BQDinvented0token")
        missing = await spotify.get_with("tracks", "BQDinvented0token")
        malformed = await spotify.get_with("me", "short")

    assert (found.status, found.body) == (200, body)
    assert (missing.status, malformed.status) == (404, 401)
    assert sandbox.stats.by_endpoint["me"] == 2


async def test_a_replay_folder_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        async with Sandbox(replay=tmp_path / "nowhere"):
            pass


async def test_a_replay_folder_without_recordings_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds none of me\.json"):
        async with Sandbox(replay=tmp_path):
            pass
