"""What the functions answer, over real HTTP to an invented Spotify."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from lyra.agent import (
    Answer,
    cache_stats,
    clear_user_cache,
    configure,
    get_cached_user_data,
    get_comprehensive_user_data,
    get_full_spotify_profile,
    initialize_user_session,
    open_lyra,
)
from lyra.sandbox import Sandbox, sandbox_token
from lyra.settings import Settings
from tests.agent.conftest import TOKEN, Configure
from tests.conftest import LONG_S

KEYS = [
    "profile",
    "top_artists",
    "top_tracks",
    "recently_played",
    "playlists",
    "genre_analysis",
    "summary",
]
FETCHING = (initialize_user_session, get_comprehensive_user_data, get_full_spotify_profile)
OF_A_TOKEN: tuple[Callable[[str], Awaitable[Answer | None]], ...] = (
    *FETCHING,
    get_cached_user_data,
    clear_user_cache,
)

pytestmark = pytest.mark.usefixtures("use")


async def test_the_first_call_loads_and_the_second_finds(sandbox: Sandbox) -> None:
    first = await initialize_user_session(TOKEN)
    second = await initialize_user_session(TOKEN)

    assert (first["success"], second["success"]) == (True, True)
    assert (first["cache"]["state"], first["cache"]["spotify_calls"]) == ("miss", 5)
    assert (second["cache"]["state"], second["cache"]["spotify_calls"]) == ("hit", 0)
    assert sandbox.stats.total == 5


async def test_a_session_has_the_members_of_the_http_answer() -> None:
    result = await initialize_user_session(TOKEN)

    assert list(result) == [
        "success",
        "message",
        "summary",
        "profile",
        "genre_analysis",
        "sections",
        "cache",
    ]
    assert "error" not in result
    assert result["profile"]["display_name"]
    assert result["sections"]["top_artists"] == {"status": "ok", "count": 50}


@pytest.mark.parametrize("read", [get_comprehensive_user_data, get_full_spotify_profile])
async def test_data_is_made_of_builtins_in_the_promised_shape(
    read: Callable[[str], Awaitable[Answer]],
) -> None:
    data = await read(TOKEN)

    assert list(data) == KEYS
    assert len(data["top_artists"]["medium_term"]) == 50
    assert len(data["top_tracks"]["medium_term"]) == 50
    assert [type(data[key]) for key in KEYS] == [dict, dict, dict, list, list, dict, str]
    assert data["recently_played"][0]["track"]["name"]
    # JSON has no tuples, so equality shows that there is none.
    assert orjson.loads(orjson.dumps(data)) == data


async def test_cached_data_is_none_on_a_miss_and_the_same_on_a_hit(
    sandbox: Sandbox,
) -> None:
    before = await get_cached_user_data(TOKEN)
    assert (before, sandbox.stats.total) == (None, 0)
    fetched = await get_comprehensive_user_data(TOKEN)

    assert await get_cached_user_data(TOKEN) == fetched
    assert sandbox.stats.total == 5


async def test_a_full_profile_is_always_fetched_and_never_kept(sandbox: Sandbox) -> None:
    await get_full_spotify_profile(TOKEN)
    assert await get_cached_user_data(TOKEN) is None
    await initialize_user_session(TOKEN)
    await get_full_spotify_profile(TOKEN)

    assert sandbox.stats.total == 15


async def test_a_hundred_first_calls_at_once_make_five_spotify_calls(sandbox: Sandbox) -> None:
    token = sandbox_token(7, "typical", "legacy", "slow-50")
    results = await asyncio.gather(*(initialize_user_session(token) for _ in range(100)))

    assert {result["success"] for result in results} == {True}
    assert sandbox.stats.total == 5


async def test_callers_on_several_loops_and_threads_share_one_fetch(sandbox: Sandbox) -> None:
    token = sandbox_token(7, "typical", "legacy", "slow-200")

    def in_a_loop_of_its_own() -> Any:
        return asyncio.run(initialize_user_session(token))["success"]

    here = asyncio.get_running_loop()
    # A pool of its own: the sandbox needs the loop's.
    with ThreadPoolExecutor(4) as pool:
        results = await asyncio.gather(
            *(here.run_in_executor(pool, in_a_loop_of_its_own) for _ in range(4))
        )

    assert (results, sandbox.stats.total) == ([True] * 4, 5)


async def test_a_caller_who_leaves_cancels_no_fetch(sandbox: Sandbox) -> None:
    token = sandbox_token(7, "typical", "legacy", "slow-50")
    leaver = asyncio.get_running_loop().create_task(initialize_user_session(token))
    async with asyncio.timeout(LONG_S):
        await sandbox.stats.until(lambda stats: stats.total == 5)
    leaver.cancel()
    result = await initialize_user_session(token)

    assert leaver.cancelling()
    assert (result["success"], sandbox.stats.total) == (True, 5)


async def test_clearing_one_listener_leaves_the_others() -> None:
    other = sandbox_token(8, "typical", "legacy")
    await initialize_user_session(TOKEN)
    await initialize_user_session(other)
    cleared = await clear_user_cache(TOKEN)

    assert cleared["success"]
    assert await get_cached_user_data(TOKEN) is None
    assert await get_cached_user_data(other) is not None


async def test_clearing_without_a_token_forgets_everybody() -> None:
    await initialize_user_session(TOKEN)
    await initialize_user_session(sandbox_token(8, "typical", "legacy"))
    await clear_user_cache()

    assert (await cache_stats())["entries"] == 0


async def test_an_empty_token_does_not_clear_everybody() -> None:
    await initialize_user_session(TOKEN)
    answer = await clear_user_cache("")

    assert answer["error"]["code"] == "malformed_token"
    assert await get_cached_user_data(TOKEN) is not None


async def test_a_clear_during_a_fetch_wins(sandbox: Sandbox) -> None:
    token = sandbox_token(7, "typical", "legacy", "slow-50")
    async with asyncio.timeout(LONG_S), asyncio.TaskGroup() as group:
        running = group.create_task(initialize_user_session(token))
        await sandbox.stats.until(lambda stats: stats.total == 5)
        await clear_user_cache(token)

    assert running.result()["success"]
    assert await get_cached_user_data(token) is None


async def test_a_missing_part_is_a_success_that_names_it() -> None:
    token = sandbox_token(7, "typical", "legacy", "scope-recent")
    result = await initialize_user_session(token)
    data = await get_comprehensive_user_data(token)

    assert result["success"]
    assert result["sections"]["recently_played"]["code"] == "missing_scope"
    assert (data["recently_played"], len(data["top_artists"]["medium_term"])) == ([], 50)


EVERY_SCOPE = [f"scope-{each}" for each in ("me", "artists", "tracks", "recent", "playlists")]


@pytest.mark.parametrize("fetch", FETCHING)
@pytest.mark.parametrize(
    ("persona", "faults", "expected"),
    [
        ("expired", [], {"code": "spotify_token_rejected", "action": "reauthorize"}),
        ("not_registered", [], {"code": "spotify_forbidden", "reason": "not_registered"}),
        ("owner_not_premium", [], {"code": "spotify_forbidden", "reason": "owner_not_premium"}),
        ("typical", EVERY_SCOPE, {"code": "spotify_forbidden", "reason": "missing_scope"}),
        ("typical", ["429-60"], {"code": "spotify_rate_limited", "retry_after_s": 60}),
        ("typical", ["quota"], {"code": "spotify_quota_exceeded", "retryable": True}),
        ("typical", ["404-me", "html"], {"code": "spotify_unavailable", "retryable": True}),
        ("typical", ["hang"], {"code": "spotify_timeout", "retryable": True}),
    ],
)
async def test_every_failure_of_spotify_is_told_and_not_raised(
    fetch: Callable[[str], Awaitable[Answer]],
    persona: str,
    faults: list[str],
    expected: dict[str, Any],
    use: Configure,
) -> None:
    if "hang" in faults:
        use(spotify_timeout_s=0.2)
    answer = await fetch(sandbox_token(7, persona, "legacy", *faults))

    check_failure(answer)
    assert answer["error"].items() >= expected.items()


def check_failure(answer: Answer | None) -> None:
    """The one shape of a failure."""
    assert answer is not None
    assert list(answer) == ["success", "error", "message"]
    assert answer["success"] is False
    assert answer["message"] == answer["error"]["message"]
    known = {"code", "message", "retryable", "action", "reason", "retry_after_s"}
    assert {"code", "message", "retryable"} <= set(answer["error"]) <= known


@pytest.mark.parametrize("ask", OF_A_TOKEN)
@pytest.mark.parametrize("token", ["", " ", "short", "Bearer " + TOKEN, TOKEN + "\n", "é" * 20, 7])
async def test_what_is_not_a_token_is_a_failure_and_no_exception(
    ask: Callable[[Any], Awaitable[Answer | None]], token: Any, sandbox: Sandbox
) -> None:
    answer = await ask(token)

    check_failure(answer)
    assert answer
    assert answer["error"]["code"] == "malformed_token"
    assert "header" not in answer["message"]
    assert sandbox.stats.total == 0


@pytest.mark.parametrize("ask", FETCHING)
async def test_no_token_at_all_is_a_failure_too(
    ask: Callable[[Any], Awaitable[Answer]],
) -> None:
    answer = await ask(None)

    assert answer["error"]["code"] == "malformed_token"


@pytest.mark.parametrize("first", [initialize_user_session, get_full_spotify_profile])
async def test_more_fetches_than_allowed_are_told_to_come_back(
    first: Callable[[str], Coroutine[Any, Any, Answer]], sandbox: Sandbox, use: Configure
) -> None:
    use(spotify_max_fetches=1)
    slow = sandbox_token(7, "typical", "legacy", "slow-100")
    async with asyncio.timeout(LONG_S), asyncio.TaskGroup() as group:
        running = group.create_task(first(slow))
        await sandbox.stats.until(lambda stats: stats.total == 5)
        second = await first(sandbox_token(8, "typical", "legacy"))

    assert second["error"]["code"] == "overloaded"
    assert "error" not in running.result()


async def test_a_token_that_is_refused_directly_is_forgotten() -> None:
    token = sandbox_token(7, "typical", "legacy", "revoked-5")
    await initialize_user_session(token)
    refused = await get_full_spotify_profile(token)

    assert refused["error"]["code"] == "spotify_token_rejected"
    assert await get_cached_user_data(token) is None


async def test_other_settings_begin_with_an_empty_cache(sandbox: Sandbox, use: Configure) -> None:
    await initialize_user_session(TOKEN)
    use(cache_ttl_s=60)

    assert await get_cached_user_data(TOKEN) is None
    assert (await initialize_user_session(TOKEN))["cache"]["expires_in_s"] <= 60
    assert sandbox.stats.total == 10


async def test_a_running_call_is_untouched_by_a_change_of_settings(
    sandbox: Sandbox, use: Configure
) -> None:
    token = sandbox_token(7, "typical", "legacy", "slow-100")
    async with asyncio.timeout(LONG_S), asyncio.TaskGroup() as group:
        running = group.create_task(initialize_user_session(token))
        await sandbox.stats.until(lambda stats: stats.total == 5)
        use(cache_ttl_s=60)
        assert await get_cached_user_data(token) is None

    assert running.result()["success"]


def test_only_settings_configure() -> None:
    with pytest.raises(TypeError, match=r"lyra\.settings\.Settings, not dict"):
        configure({"cache_ttl_s": 60})  # type: ignore[arg-type]


async def test_lyras_side_by_side_share_nothing(sandbox: Sandbox) -> None:
    settings = Settings(spotify_api_url=sandbox.api_url)
    async with open_lyra(settings) as one, open_lyra(settings) as other:
        await one.initialize_user_session(TOKEN)
        shown = [await each.get_cached_user_data(TOKEN) is None for each in (one, other)]
        await other.clear_user_cache()
        kept = await one.get_cached_user_data(TOKEN)

    assert shown == [False, True]
    assert kept is not None
    assert await get_cached_user_data(TOKEN) is None


async def test_the_counters_tell_hits_and_misses() -> None:
    await initialize_user_session(TOKEN)
    await initialize_user_session(TOKEN)
    stats = await cache_stats()

    assert (stats["misses_total"], stats["hits_total"], stats["entries"]) == (1, 1, 1)
