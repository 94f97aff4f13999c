"""Each fault as a client meets it."""

import asyncio

import aiohttp
import orjson
import pytest

from lyra.sandbox import Sandbox, sandbox_token
from lyra.sandbox.connections import HUGE_BYTES
from lyra.sandbox.tokens import RULES, parse_token

from .conftest import PATHS, SpotifyCaller

JSON = "application/json; charset=utf-8"
COMPLETE = [
    ("scope-me", 403, JSON, b'{"error":{"status":403,"message":"Insufficient client scope"}}'),
    ("perm-me", 401, JSON, b'{"error":{"status":401,"message":"Permissions missing"}}'),
    ("401-me", 401, JSON,
     b'{"error":{"status":401,"message":"Missing/invalid/expired access token"}}'),
    ("404-me", 404, JSON, b'{"error":{"status":404,"message":"Resource not found"}}'),
    ("500-me", 500, JSON, b'{"error":{"status":500,"message":"Server error"}}'),
    ("503-me", 503, None, b""),
    ("504-me", 504, JSON, b'{"error":{"status":504,"message":"Gateway timeout"}}'),
    ("429-me", 429, "text/plain; charset=utf-8", b"Too many requests"),
    ("429-3-me", 429, JSON, b'{"error":{"status":429,"message":"API rate limit exceeded"}}'),
    ("quota-me", 429, JSON,
     b'{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}'),
    ("empty200-me", 200, None, b""),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "status", "content_type", "body"), COMPLETE)
async def test_a_fault_answers_as_spotify_was_seen_to(
    spotify: SpotifyCaller, fault: str, status: int, content_type: str | None, body: bytes
) -> None:
    answer = await spotify.get("me", 7, "empty", "restricted", fault)

    assert (answer.status, answer.body) == (status, body)
    assert content_type == answer.headers.get("content-type")


@pytest.mark.parametrize(
    ("fault", "retry_after"), [("429", None), ("429-3", "3"), ("quota", "48925"), ("503", None)]
)
async def test_retry_after_is_sent_where_the_fault_has_it(
    spotify: SpotifyCaller, fault: str, retry_after: str | None
) -> None:
    answer = await spotify.get("tracks", 7, "empty", "restricted", fault)

    assert answer.headers.get("retry-after") == retry_after


@pytest.mark.parametrize(("fault", "status"), [("502", 502), ("html", 200)])
async def test_some_faults_answer_html(spotify: SpotifyCaller, fault: str, status: int) -> None:
    answer = await spotify.get("artists", 7, "empty", "restricted", fault)

    assert answer.status == status
    assert answer.headers["content-type"] == "text/html"
    assert b"<html>" in answer.body


async def test_a_fault_with_an_endpoint_spares_the_others(spotify: SpotifyCaller) -> None:
    token = sandbox_token(7, "empty", "restricted", "503-tracks", "scope-recent")

    statuses = {name: (await spotify.get_with(name, token)).status for name in PATHS}

    assert statuses == {"me": 200, "artists": 200, "tracks": 503, "recent": 403, "playlists": 200}


@pytest.mark.parametrize(
    ("fault", "status"), [("once503", 503), ("once429-1", 429), ("once401", 401)]
)
async def test_a_once_fault_strikes_the_first_request_of_each_endpoint(
    spotify: SpotifyCaller, fault: str, status: int
) -> None:
    token = sandbox_token(7, "empty", "restricted", fault)

    for endpoint in ("me", "tracks"):
        first = await spotify.get_with(endpoint, token)
        second = await spotify.get_with(endpoint, token)
        assert (first.status, second.status) == (status, 200)


async def test_a_once_fault_is_kept_per_token(spotify: SpotifyCaller) -> None:
    first = await spotify.get("me", 1, "empty", "restricted", "once503")
    other = await spotify.get("me", 2, "empty", "restricted", "once503")

    assert (first.status, other.status) == (503, 503)


@pytest.mark.parametrize(("fault", "status"), [("revoked-2", 401), ("down-2", 503)])
async def test_a_token_can_fail_after_so_many_requests(
    spotify: SpotifyCaller, fault: str, status: int
) -> None:
    token = sandbox_token(7, "empty", "restricted", fault)

    statuses = [(await spotify.get_with(name, token)).status for name in PATHS]

    assert statuses == [200, 200, status, status, status]


async def test_the_first_fault_that_strikes_wins(spotify: SpotifyCaller) -> None:
    token = sandbox_token(7, "empty", "restricted", "once500", "503")

    statuses = [(await spotify.get_with("me", token)).status for _ in range(2)]

    assert statuses == [500, 503]


async def test_a_truncated_body_is_whole_to_http_and_broken_as_json(
    spotify: SpotifyCaller,
) -> None:
    whole = await spotify.get("me")

    answer = await spotify.get("me", 7, "typical", "restricted", "truncated")

    assert answer.body == whole.body[: len(whole.body) // 2]
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answer.body)


async def test_a_cut_body_ends_before_its_length(spotify: SpotifyCaller) -> None:
    with pytest.raises(aiohttp.ClientPayloadError):
        await spotify.get("artists", 7, "typical", "restricted", "cut")


async def test_a_reset_breaks_the_connection(spotify: SpotifyCaller) -> None:
    with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
        await spotify.get("me", 7, "empty", "restricted", "reset")


async def test_a_huge_body_is_valid_json_of_more_than_eight_mebibytes(
    spotify: SpotifyCaller,
) -> None:
    answer = await spotify.get("me", 7, "empty", "restricted", "huge")

    assert len(answer.body) > HUGE_BYTES
    assert answer.json["items"] == []
    assert "content-length" not in answer.headers


async def test_a_hanging_request_ends_when_the_sandbox_stops(
    session: aiohttp.ClientSession,
) -> None:
    async with Sandbox() as sandbox, asyncio.TaskGroup() as group:
        spotify = SpotifyCaller(sandbox, session)
        token = sandbox_token(7, "empty", "restricted", "hang")
        waiting = group.create_task(_disconnected(spotify, token))
        await sandbox.stats.until(lambda stats: stats.total == 1)
        assert not waiting.done()
        await sandbox.__aexit__()

    assert waiting.result()


async def _disconnected(spotify: SpotifyCaller, token: str) -> bool:
    try:
        await spotify.get_with("me", token)
    except aiohttp.ClientConnectionError:
        return True
    return False


async def test_a_dripping_body_comes_byte_by_byte(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    token = sandbox_token(7, "empty", "restricted", "drip")
    headers = {"Authorization": f"Bearer {token}"}

    async with session.get(f"{sandbox.api_url}/me", headers=headers) as answer:
        pieces = [await answer.content.readany() for _ in range(2)]

        assert [len(piece) for piece in pieces] == [1, 1]
        assert answer.content_length is not None
        assert answer.content_length > 100


async def test_lat_makes_me_the_quickest_and_recent_the_slowest(spotify: SpotifyCaller) -> None:
    await spotify.get("me", 7, "empty")  # the listener is built by now
    token = sandbox_token(7, "empty", "restricted", "lat-0-160")
    loop = asyncio.get_running_loop()
    ended: dict[str, float] = {}

    async def timed(endpoint: str) -> None:
        await spotify.get_with(endpoint, token)
        ended[endpoint] = loop.time()

    start = loop.time()
    async with asyncio.TaskGroup() as group:
        for endpoint in PATHS:
            group.create_task(timed(endpoint))

    assert list(ended) == ["me", "artists", "tracks", "playlists", "recent"]
    assert ended["recent"] - start >= 0.16


async def test_slow_delays_every_call(spotify: SpotifyCaller) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()

    await spotify.get("me", 7, "empty", "restricted", "slow-40")

    assert loop.time() - start >= 0.04


def test_every_fault_of_the_language_is_tried_here() -> None:
    elsewhere = {"lat", "slow", "revoked", "down", "502", "html", "truncated", "cut", "reset",
                 "huge", "hang", "drip"}  # fmt: skip
    tried = {parse_token(f"sandbox.7.empty.mixed.{row[0]}").faults[0].name for row in COMPLETE}

    assert tried | elsewhere == set(RULES)
