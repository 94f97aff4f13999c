"""Each fault as a client meets it."""

import asyncio

import aiohttp
import orjson
import pytest

from lyra.sandbox import Sandbox, sandbox_token
from lyra.sandbox.connections import BOMB_BYTES, HUGE_BYTES
from lyra.sandbox.tokens import RULES, parse_token
from tests.sandbox.conftest import PATHS, SpotifyCaller

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
RATE = b'{"error":{"status":429,"message":"API rate limit exceeded"}}'
NOT_PREMIUM = (
    b'{"error":{"status":403,"message":"Active premium subscription required for the owner of the '
    b"app. When the subscription status changes, it can take a few hours before requests are "
    b'allowed again."}}'
)
QUOTA = b'{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}'
COMPLETE = [
    ("scope-me", 403, JSON, b'{"error":{"status":403,"message":"Insufficient client scope"}}'),
    ("perm-me", 401, JSON, b'{"error":{"status":401,"message":"Permissions missing"}}'),
    ("401-me", 401, JSON,
     b'{"error":{"status":401,"message":"Missing/invalid/expired access token"}}'),
    ("401old-me", 401, JSON, b'{"error":{"status":401,"message":"The access token expired"}}'),
    ("401missing-me", 401, JSON, b'{"error":{"status":401,"message":"Access token missing"}}'),
    ("403-me", 403, JSON, b'{"error":{"status":403,"message":"Forbidden"}}'),
    ("403text-me", 403, TEXT, b"User not registered in the Developer Dashboard"),
    ("403check-me", 403, TEXT,
     b"Check settings on developer.spotify.com/dashboard, the user may not be registered."),
    ("403premium-me", 403, JSON,
     NOT_PREMIUM),
    ("404-me", 404, JSON, b'{"error":{"status":404,"message":"Resource not found"}}'),
    ("500-me", 500, JSON, b'{"error":{"status":500,"message":"Server error"}}'),
    ("503-me", 503, None, b""),
    ("504-me", 504, JSON, b'{"error":{"status":504,"message":"Gateway timeout"}}'),
    ("429-me", 429, TEXT, b"Too many requests"),
    ("429-3-me", 429, JSON, RATE),
    ("429bare-me", 429, JSON, RATE),
    ("429empty-1-me", 429, None, b""),
    ("429date-9-me", 429, JSON, RATE),
    ("429past-me", 429, JSON, RATE),
    ("429word-me", 429, JSON, RATE),
    ("429giant-me", 429, JSON, RATE),
    ("429two-1-30-me", 429, JSON, RATE),
    ("quota-me", 429, JSON, QUOTA),
    ("quota-0-me", 429, JSON, QUOTA),
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
    ("fault", "retry_after"),
    [
        ("429", []),
        ("429-3", ["3"]),
        ("429bare", []),
        ("429empty-1", ["1"]),
        ("429date-90", ["Sun, 22 Nov 2026 12:01:30 GMT"]),
        ("429past", ["-5"]),
        ("429word", ["abc"]),
        ("429giant", ["99999999999999999999"]),
        ("429two-1-30", ["1", "30"]),
        ("quota", ["48925"]),
        ("503", []),
    ],
)
async def test_retry_after_is_sent_where_the_fault_has_it(
    sandbox: Sandbox, session: aiohttp.ClientSession, fault: str, retry_after: list[str]
) -> None:
    token = sandbox_token(7, "empty", "restricted", fault)
    headers = {"Authorization": f"Bearer {token}"}

    async with session.get(f"{sandbox.api_url}/me/top/tracks", headers=headers) as answer:
        assert answer.headers.getall("Retry-After", []) == retry_after


async def test_a_quota_is_counted_by_endpoint_and_comes_back_after_a_day(
    sandbox: Sandbox, spotify: SpotifyCaller
) -> None:
    token = sandbox_token(7, "empty", "restricted", "quota-2")

    statuses = [(await spotify.get_with("me", token)).status for _ in range(3)]
    sandbox.clock.advance(3600)
    over = await spotify.get_with("me", token)
    other = await spotify.get_with("artists", token)
    sandbox.clock.advance(82_800)
    again = await spotify.get_with("me", token)

    assert statuses == [200, 200, 429]
    assert (over.status, over.body, over.headers["retry-after"]) == (429, QUOTA, "82800")
    assert (other.status, again.status) == (200, 200)


async def test_a_fault_can_begin_late_and_end_early(spotify: SpotifyCaller) -> None:
    token = sandbox_token(7, "empty", "restricted", "500~2+2", "429-1-artists~3")

    me = [(await spotify.get_with("me", token)).status for _ in range(5)]
    artists = [(await spotify.get_with("artists", token)).status for _ in range(5)]

    assert me == [200, 500, 500, 200, 200]
    assert artists == [200, 500, 500, 429, 429]


async def test_a_mislabelled_body_is_json_that_calls_itself_html(spotify: SpotifyCaller) -> None:
    answer = await spotify.get("me", 7, "empty", "restricted", "mislabelled")

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.json["id"] == "empty7"


async def test_a_packed_body_is_the_same_body_once_unpacked(spotify: SpotifyCaller) -> None:
    plain = await spotify.get("artists")

    packed = await spotify.get("artists", 7, "typical", "restricted", "gzip")

    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.body) // 2
    assert packed.body == plain.body


async def test_a_bomb_unpacks_to_a_thousand_times_its_size(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    token = sandbox_token(7, "empty", "restricted", "bomb")
    headers = {"Authorization": f"Bearer {token}"}

    unpacked = 0
    async with session.get(f"{sandbox.api_url}/me", headers=headers) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.content_length is not None
        async for piece in answer.content.iter_any():
            unpacked += len(piece)

    assert unpacked > BOMB_BYTES > 100 * answer.content_length


@pytest.mark.parametrize(("follow", "followed"), [(True, 1), (False, 0)])
async def test_a_redirect_leads_to_another_host_that_counts_who_follows(
    sandbox: Sandbox, session: aiohttp.ClientSession, *, follow: bool, followed: int
) -> None:
    token = sandbox_token(7, "empty", "restricted", "redirect")
    headers = {"Authorization": f"Bearer {token}"}

    url = f"{sandbox.api_url}/me"
    async with session.get(url, headers=headers, allow_redirects=follow) as answer:
        first = answer.history[0] if answer.history else answer

    assert first.status == 302
    assert first.headers["Location"].startswith("http://localhost:")
    # aiohttp leaves the token behind when the host changes.
    assert (sandbox.stats.followed, sandbox.stats.followed_with_token) == (followed, 0)


async def test_a_token_that_follows_a_redirect_is_counted(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    headers = {"Authorization": "Bearer invented-token"}

    async with session.get(f"{sandbox.url}/__sandbox/elsewhere", headers=headers) as answer:
        assert answer.status == 200

    assert (sandbox.stats.followed, sandbox.stats.followed_with_token) == (1, 1)


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
    elsewhere = {"lat", "slow", "revoked", "down", "502", "html", "nulls", "truncated", "cut", "reset",
                 "huge", "hang", "drip", "mislabelled", "gzip", "bomb", "redirect", "late", "ungranted"}  # fmt: skip
    tried = {parse_token(f"sandbox.7.empty.mixed.{row[0]}").faults[0].name for row in COMPLETE}

    assert tried | elsewhere == set(RULES)
