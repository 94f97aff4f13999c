"""Two processes' caches over one Redis: one fetch for both, and a clear that reaches both."""

import pytest
from redis.asyncio import Redis

from lyra.spotify.failures import SpotifyFailure
from tests.cache.conftest import ANNA, BODIES, BORIS, Clock, ScriptedSpotify
from tests.redis.conftest import Open, forgotten, until

DOWN = dict.fromkeys(BODIES, SpotifyFailure("server_error"))


async def test_what_one_process_fetched_is_a_hit_in_the_other(
    process: Open, spotify: ScriptedSpotify
) -> None:
    one, other = await process(), await process()
    first = await one.ask()
    second = await other.ask()

    assert (first["state"], second["state"]) == ("miss", "hit")
    assert (second["spotify_calls"], len(spotify.asked)) == (0, 5)
    assert other.cache.stats()["shared_total"] == 1
    assert await other.cache.peek(ANNA) is not None


async def test_another_secret_reads_nothing_and_breaks_nothing(process: Open) -> None:
    one, stranger = await process(), await process(secret="another-secret-entirely")
    await one.ask()

    assert await stranger.state() == "miss"


@pytest.mark.parametrize("everybody", [True, False])
async def test_a_clear_reaches_the_memory_of_every_process(process: Open, everybody: bool) -> None:
    one, other = await process(), await process()
    await one.ask()
    await other.ask()
    await one.cache.clear(None if everybody else ANNA)
    await forgotten(other)

    assert await other.state() == "miss"


async def test_a_process_that_ends_leaves_the_others_their_data(process: Open) -> None:
    one, other = await process(), await process()
    await one.ask()
    await one.cache.close()

    assert await other.state() == "hit"


async def test_row25_neither_monitor_nor_dump_shows_anything_readable(
    process: Open, admin: Redis
) -> None:
    one = await process()
    async with admin.monitor() as seen:
        await one.ask()
        commands = [await seen.next_command()]
        while not commands[-1]["command"].startswith(
            "UNLINK lyra:v2:l:"
        ):  # it was fetched and kept
            commands.append(await seen.next_command())
    keys = [key async for key in admin.scan_iter()]
    kept = (
        b"".join([key + (await admin.dump(key) or b"") for key in keys]) + repr(commands).encode()
    )

    assert keys
    for secret in (b"vesna", b"Vesna", b"Kalorda", b"dream pop", ANNA.reveal().encode()):
        assert secret not in kept


async def test_a_value_under_another_listeners_key_is_a_counted_miss(
    process: Open, admin: Redis, spotify: ScriptedSpotify
) -> None:
    one, other = await process(), await process()
    await one.ask(ANNA)
    await one.ask(BORIS)
    entries = [key async for key in admin.scan_iter("*:e:*")]
    values = [await admin.get(key) for key in entries]
    for key, value in zip(entries, reversed(values), strict=True):
        await admin.set(key, value or b"", keepttl=True)

    assert await other.state(ANNA) == "miss"
    assert len(spotify.asked) == 15


async def test_stale_data_of_another_process_stands_in_on_errors(
    process: Open, spotify: ScriptedSpotify, clock: Clock
) -> None:
    one, other = await process(cache_ttl_s=100), await process(cache_ttl_s=100)
    await one.ask()
    spotify.fails = DOWN
    clock.now += 110
    state = await other.ask()

    assert (state["state"], state["reason"], state["age_s"]) == (
        "stale",
        "spotify_unavailable",
        110,
    )


async def test_memory_in_front_is_kept_a_minute_at_most(
    process: Open, spotify: ScriptedSpotify, clock: Clock
) -> None:
    one = await process()
    await one.ask()
    clock.now += 60

    assert one.cache.stats()["entries"] == 1
    assert await one.state() == "hit"
    assert (one.cache.stats()["shared_total"], len(spotify.asked)) == (1, 5)


async def test_each_process_prompts_with_what_its_settings_allow(process: Open) -> None:
    full, minimal = await process(), await process(llm_context="minimal")
    await full.ask()
    entry = await (await minimal.cache.lookup(ANNA)).entry()

    assert "Kalorda" not in entry.context
    assert "dream pop" in entry.context


async def test_a_renewal_in_one_process_replaces_the_others_memory(
    process: Open, spotify: ScriptedSpotify, clock: Clock
) -> None:
    one, other = await process(cache_ttl_s=100), await process(cache_ttl_s=100)
    await one.ask()
    await other.ask()
    spotify.bodies["profile"] = b'{"id": "vesna", "display_name": "new"}'
    clock.now += 85
    await other.ask()
    await one.ask()
    await one.ask()  # found in Redis, now in memory and due for renewal
    await until(lambda: not one.cache.stats()["flights"])
    entry = await (await other.cache.lookup(ANNA)).entry()

    assert entry.listening().profile.display_name == "new"
    assert len(spotify.asked) == 10
