"""lyra_agent: plain functions, and the cache as a mapping.

The sandbox answers on this test's loop, so whatever may ask it is called in a thread.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from blockbuster import BlockBuster

import lyra_agent
from lyra import agent
from lyra.sandbox import Sandbox, sandbox_token
from tests.agent.conftest import TOKEN, Configure

OTHER = sandbox_token(8, "typical", "legacy")

pytestmark = pytest.mark.usefixtures("use")


@pytest.fixture(autouse=True)
def plain_calls_may_wait(no_blocking_calls: BlockBuster) -> None:
    """To wait is what they are for, beside a running loop too."""
    no_blocking_calls.functions["threading.Lock.acquire"].can_block_in(
        "lyra/agent/__init__.py", {"wait_for"}
    )


async def load(token: str = TOKEN) -> Any:
    return await asyncio.to_thread(lyra_agent.initialize_user_session, token)


async def test_both_modules_share_one_cache(sandbox: Sandbox) -> None:
    loaded = await load()
    result = await agent.initialize_user_session(TOKEN)

    assert (loaded["cache"]["state"], result["cache"]["state"]) == ("miss", "hit")
    assert await agent.get_cached_user_data(TOKEN) == lyra_agent.get_cached_user_data(TOKEN)
    assert sandbox.stats.total == 5


async def test_first_calls_of_many_threads_make_five_spotify_calls(sandbox: Sandbox) -> None:
    token = sandbox_token(7, "typical", "legacy", "slow-200")
    loop = asyncio.get_running_loop()
    # A pool of its own: the sandbox needs the loop's.
    with ThreadPoolExecutor(16) as pool:
        results = await asyncio.gather(
            *(
                loop.run_in_executor(pool, lyra_agent.initialize_user_session, token)
                for _ in range(16)
            )
        )

    assert all(result["success"] for result in results)
    assert sandbox.stats.total == 5


@pytest.mark.parametrize(
    "ask",
    [
        lyra_agent.initialize_user_session,
        lyra_agent.get_cached_user_data,
        lyra_agent.get_comprehensive_user_data,
        lyra_agent.get_full_spotify_profile,
        lyra_agent.clear_user_cache,
    ],
)
def test_what_is_not_a_token_is_a_failure(ask: Callable[[str], Any]) -> None:
    assert ask("not a token")["error"]["code"] == "malformed_token"


async def test_a_full_profile_and_comprehensive_data_are_the_same_data() -> None:
    full = await asyncio.to_thread(lyra_agent.get_full_spotify_profile, TOKEN)
    assert lyra_agent.get_cached_user_data(TOKEN) is None
    kept = await asyncio.to_thread(lyra_agent.get_comprehensive_user_data, TOKEN)

    assert full == kept


async def test_the_mapping_shows_who_is_held_under_key_hashes() -> None:
    assert len(lyra_agent.USER_CACHE) == 0
    await load()
    await load(OTHER)
    keys = {lyra_agent.get_user_cache_key(token) for token in (TOKEN, OTHER)}

    assert set(lyra_agent.USER_CACHE) == keys
    assert len(lyra_agent.USER_CACHE) == 2
    assert keys <= lyra_agent.USER_CACHE.keys()
    assert {key for key, _ in lyra_agent.USER_CACHE.items()} == keys
    assert len(lyra_agent.USER_CACHE.values()) == 2


async def test_an_entry_has_the_data_and_two_moments_in_utc() -> None:
    before = datetime.now(UTC)
    await load()
    entry = lyra_agent.USER_CACHE[lyra_agent.get_user_cache_key(TOKEN)]

    assert entry["data"] == lyra_agent.get_cached_user_data(TOKEN)
    assert before <= entry["timestamp"] <= datetime.now(UTC)
    assert timedelta(minutes=54) <= entry["expires"] - entry["timestamp"] <= timedelta(hours=1)
    assert entry["timestamp"].tzinfo is entry["expires"].tzinfo is UTC


async def test_looking_at_an_entry_twice_shows_the_same() -> None:
    await load()
    key = lyra_agent.get_user_cache_key(TOKEN)

    assert lyra_agent.USER_CACHE[key] == lyra_agent.USER_CACHE[key]


async def test_changing_what_an_entry_shows_changes_nothing() -> None:
    await load()
    key = lyra_agent.get_user_cache_key(TOKEN)
    lyra_agent.USER_CACHE[key]["data"]["summary"] = "forged"

    assert lyra_agent.USER_CACHE[key]["data"]["summary"] != "forged"


async def test_the_mapping_cannot_be_written() -> None:
    await load()
    assert not hasattr(lyra_agent.USER_CACHE, "__setitem__")
    assert not hasattr(lyra_agent.USER_CACHE, "__delitem__")


async def test_a_token_is_no_key_and_is_shown_nowhere(
    everything_logged: pytest.LogCaptureFixture,
) -> None:
    await load()
    with pytest.raises(KeyError) as caught:
        lyra_agent.USER_CACHE[TOKEN]

    assert TOKEN not in lyra_agent.USER_CACHE
    assert lyra_agent.USER_CACHE.get(TOKEN) is None
    assert TOKEN not in repr(caught.value)
    assert TOKEN not in everything_logged.text


async def test_the_mapping_forgets_with_the_cache() -> None:
    await load()
    lyra_agent.clear_user_cache(TOKEN)

    assert (len(lyra_agent.USER_CACHE), list(lyra_agent.USER_CACHE)) == (0, [])


def test_a_key_hash_is_no_part_of_the_token_and_stays_the_same() -> None:
    key = lyra_agent.get_user_cache_key(TOKEN)

    assert len(key) == 40
    assert int(key, 16)
    assert key == lyra_agent.get_user_cache_key(TOKEN) != lyra_agent.get_user_cache_key(OTHER)


def test_key_hash_refuses_a_bad_token_without_showing_it() -> None:
    with pytest.raises(ValueError, match="not a bearer token") as caught:
        lyra_agent.get_user_cache_key("secret secret")

    assert "secret" not in str(caught.value)


async def life() -> timedelta:
    await load()
    entry = lyra_agent.USER_CACHE[lyra_agent.get_user_cache_key(TOKEN)]
    return entry["expires"] - entry["timestamp"]


async def test_an_assigned_duration_counts_for_later_fetches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert timedelta(hours=1) == lyra_agent.CACHE_DURATION
    first = await life()
    monkeypatch.setattr(lyra_agent, "CACHE_DURATION", timedelta(minutes=5))

    assert timedelta(minutes=5) == lyra_agent.CACHE_DURATION
    assert await life() == first
    lyra_agent.clear_user_cache()
    assert timedelta(minutes=4) < await life() <= timedelta(minutes=5)


def test_a_patched_duration_goes_back_to_what_the_settings_say(use: Configure) -> None:
    use(cache_ttl_s=600)
    with mock.patch("lyra_agent.CACHE_DURATION", timedelta(minutes=1)):
        assert timedelta(minutes=1) == lyra_agent.CACHE_DURATION

    assert timedelta(minutes=10) == lyra_agent.CACHE_DURATION


@pytest.mark.parametrize("duration", [timedelta(), timedelta(seconds=-1), timedelta(days=1.1)])
def test_a_duration_has_to_be_positive_and_at_most_a_day(duration: timedelta) -> None:
    with pytest.raises(ValueError, match="at most a day"):
        lyra_agent.CACHE_DURATION = duration

    assert timedelta(hours=1) == lyra_agent.CACHE_DURATION


def test_a_duration_has_to_be_a_timedelta() -> None:
    with pytest.raises(TypeError, match="timedelta, not int"):
        lyra_agent.CACHE_DURATION = 300  # type: ignore[assignment]


async def test_a_call_that_is_stuck_ends_as_a_timeout(
    use: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetch's own deadline is longer than the caller's patience here; usually it is not."""
    use(spotify_timeout_s=0.1)
    monkeypatch.setattr(agent, "_SLACK_S", -0.05)
    answer = await load(sandbox_token(7, "typical", "legacy", "hang"))

    assert answer["error"]["code"] == "spotify_timeout"
