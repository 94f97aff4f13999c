"""What goes wrong with writes: what the client is told, and what has happened all the same."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest

from lyra.sandbox import Stats, sandbox_token
from tests.sandbox.conftest import Answer, SpotifyCaller
from tests.sandbox.test_playlist_writes import (
    KNOWN,
    NO_SCOPE,
    RESTRICTED,
    UNKNOWN,
    create,
    first_listed,
    made,
    read,
    write,
)


def faulty(*faults: str) -> str:
    return sandbox_token(7, "typical", "restricted", *faults)


async def told(answer: Coroutine[Any, Any, Answer]) -> int | None:
    """The status of an answer; None where the connection breaks."""
    try:
        return (await answer).status
    except aiohttp.ClientError:
        return None


async def abandon(
    answer: Coroutine[Any, Any, Answer], stats: Stats, reached: Callable[[Stats], bool]
) -> None:
    """Ask, and leave without an answer once the counters are as described."""
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(answer)
        await stats.until(reached)
        assert not asking.done()
        asking.cancel()


@pytest.mark.parametrize(
    ("fault", "status", "happened"),
    [
        ("500", 500, False),
        ("503", 503, False),
        ("429-7", 429, False),
        ("html", 200, False),
        ("empty200", 200, False),
        ("done500", 500, True),
        ("done502", 502, True),
        ("done503", 503, True),
        ("done504", 504, True),
        ("donehtml", 200, True),
        ("doneempty200", 200, True),
        ("reset", None, True),
        ("cut", None, True),
        ("truncated", 200, True),
        ("undonereset", None, False),
    ],
)
async def test_a_create_can_fail_before_and_after_it_has_happened(
    spotify: SpotifyCaller, fault: str, status: int | None, *, happened: bool
) -> None:
    name, _, numbers = fault.partition("-")
    token = faulty("-".join(filter(None, (name, numbers, "create~1+1"))))

    assert await told(create(spotify, token)) == status
    assert len(spotify.sandbox.made_playlists()) == happened
    assert spotify.sandbox.stats.written["create"] == happened
    assert (await create(spotify, token)).status == 201


async def test_too_many_creates_are_told_when_to_come_back(spotify: SpotifyCaller) -> None:
    answer = await create(spotify, faulty("429-7-create"))

    assert (answer.status, answer.headers["retry-after"]) == (429, "7")


async def test_a_create_can_hang_before_and_after_it_has_happened(spotify: SpotifyCaller) -> None:
    token, stats = faulty("undonehang-create~1+1", "hang-create~2+1"), spotify.sandbox.stats

    await abandon(create(spotify, token), stats, lambda now: now.by_endpoint["create"] == 1)
    before = len(spotify.sandbox.made_playlists())
    await abandon(create(spotify, token), stats, lambda now: now.written["create"] == 1)

    assert (before, len(spotify.sandbox.made_playlists())) == (0, 1)
    assert (await create(spotify, token)).status == 201


@pytest.mark.parametrize(
    ("fault", "status", "added"),
    [
        ("500-add", 500, 0),
        ("done500-add", 500, 100),
        ("half500-add", 500, 50),
        ("halfreset-writes", None, 50),
        ("reset-add", None, 100),
        ("undonereset-add", None, 0),
    ],
)
async def test_an_addition_can_fail_before_after_and_half_way(
    spotify: SpotifyCaller, fault: str, status: int | None, added: int
) -> None:
    playlist = await made(spotify)

    assert await told(write(spotify, "POST", playlist, UNKNOWN, faulty(fault))) == status
    assert await read(spotify, playlist) == UNKNOWN[:added]


async def test_an_addition_can_hang_half_way(spotify: SpotifyCaller) -> None:
    playlist = await made(spotify)
    adds = write(spotify, "POST", playlist, UNKNOWN, faulty("halfhang-add"))

    await abandon(adds, spotify.sandbox.stats, lambda now: now.written["add"] == 1)

    assert await read(spotify, playlist) == UNKNOWN[:50]


async def test_a_replacement_that_half_failed_can_be_repeated(spotify: SpotifyCaller) -> None:
    playlist, token = await made(spotify), faulty("oncehalf500-replace")

    first = await write(spotify, "PUT", playlist, UNKNOWN, token)
    half = await read(spotify, playlist)
    again = await write(spotify, "PUT", playlist, UNKNOWN, token)

    assert (first.status, half, again.status) == (500, UNKNOWN[:50], 200)
    assert await read(spotify, playlist) == UNKNOWN


async def test_a_write_fault_strikes_the_write_of_its_number(spotify: SpotifyCaller) -> None:
    token = faulty("500-writes~2+1")

    creates = [(await create(spotify, token)).status for _ in range(3)]
    playlist = spotify.sandbox.made_playlists()[0].id
    adds = [(await write(spotify, "POST", playlist, KNOWN, token)).status for _ in range(3)]

    assert creates == adds == [201, 500, 201]
    assert (await spotify.get_with("playlists", token)).status == 200


async def test_a_new_playlist_can_be_listed_late(spotify: SpotifyCaller) -> None:
    token = faulty("late-30-create")
    before = await first_listed(spotify, token)
    playlist = await made(spotify, token)
    put = await write(spotify, "PUT", playlist, KNOWN, token)

    spotify.sandbox.clock.advance(29)
    soon = await first_listed(spotify, token)
    spotify.sandbox.clock.advance(1)
    late = await first_listed(spotify, token)

    assert put.status == 200
    assert await read(spotify, playlist) == KNOWN
    assert soon["id"] == before["id"]
    assert late["id"] == playlist


@pytest.mark.parametrize("fault", ["done504", "reset"])
async def test_a_create_whose_answer_is_lost_can_be_listed_late_too(
    spotify: SpotifyCaller, fault: str
) -> None:
    token = faulty(f"{fault}-create", "late-30-create")
    before = await first_listed(spotify, token)
    await told(create(spotify, token))

    soon = await first_listed(spotify, token)
    spotify.sandbox.clock.advance(30)
    late = await first_listed(spotify, token)

    assert soon == before
    assert late["id"] == spotify.sandbox.made_playlists()[0].id


async def test_an_addition_can_take_effect_late_and_after_a_later_one(
    spotify: SpotifyCaller,
) -> None:
    playlist = await made(spotify)
    await write(spotify, "POST", playlist, KNOWN[:1], faulty("late-30-add"))
    await write(spotify, "POST", playlist, KNOWN[1:])
    soon = await read(spotify, playlist)
    spotify.sandbox.clock.advance(30)

    assert soon == KNOWN[1:]
    assert await read(spotify, playlist) == [*KNOWN[1:], KNOWN[0]]


async def test_the_scope_to_write_can_be_withdrawn_half_way(spotify: SpotifyCaller) -> None:
    token = faulty("scope-replace~2")
    playlist = await made(spotify, token)

    answers = [await write(spotify, "PUT", playlist, KNOWN, token) for _ in range(2)]

    assert answers[0].status == 200
    assert answers[1].json == NO_SCOPE


async def test_a_token_can_be_without_the_scopes_to_write(spotify: SpotifyCaller) -> None:
    token = faulty("ungranted-writes")

    answers = [
        await create(spotify, token),
        await create(spotify, token, public=True),
        await write(spotify, "POST", await made(spotify), KNOWN, token),
    ]

    assert all(each.json == NO_SCOPE for each in answers)
    assert (await spotify.get_with("playlists", token)).status == 200


async def test_a_listener_can_grant_less_than_was_asked(spotify: SpotifyCaller) -> None:
    asked = "user-top-read playlist-read-private playlist-modify-private"

    tokens = spotify.sandbox.log_in(faulty("ungranted-writes"), asked)
    fewer = spotify.sandbox.log_in(faulty("ungranted-create", "ungranted-artists"), asked)

    assert tokens["scope"] == "user-top-read playlist-read-private"
    assert fewer["scope"] == "playlist-read-private"
    assert (await create(spotify, tokens["access_token"])).json == NO_SCOPE


async def test_the_personas_that_are_refused_write_nothing(spotify: SpotifyCaller) -> None:
    statuses = [
        (await create(spotify, sandbox_token(7, persona))).status
        for persona in ("expired", "not_registered", "owner_not_premium")
    ]

    assert statuses == [401, 403, 403]
    assert spotify.sandbox.stats.written["create"] == 0
    assert (await create(spotify, RESTRICTED)).status == 201
