"""Trips for further scopes among processes, and beside those of version 0.1.0."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from lyra.errors import SessionsUnavailableError
from lyra.sandbox import Sandbox
from lyra.secret_store import SecretStore, make_table
from lyra.spotify.oauth import SCOPES
from lyra.web.login.session_store import Pending, Session
from tests.conftest import APP, Service, Start
from tests.support.calls import QUESTION
from tests.support.redis_servers import RedisServer
from tests.support.visitors import ANNA, BORIS, OWN, Clock, Visitor

SECRET = "canary-secret-of-all-processes"
TRIP, GRANTED = "?for=playlists", "/?login=playlists"

# As version 0.1.0 has them.
FormerSession = msgspec.defstruct(
    "FormerSession",
    [(name, kind) for name, kind in Session.__annotations__.items() if name != "account"],
    array_like=True,
)
FormerPending = msgspec.defstruct(
    "FormerPending",
    [(name, kind) for name, kind in Pending.__annotations__.items() if name != "scopes"],
    array_like=True,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def services(start: Start, server: RedisServer, clock: Clock) -> list[Service]:
    """Two processes' worth of one service."""
    settings = {"redis_url": server.url, "secret": SECRET, "spotify_client_id": APP}
    return [await start(clock=clock, **settings) for _ in range(2)]


@pytest.fixture
async def anna(services: list[Service]) -> AsyncIterator[Visitor]:
    async with Visitor(services[0]) as visitor:
        yield visitor


async def write_as_before(service: Service, kind: Any, shape: Any, secret_id: str) -> None:
    """Have the value of this id in the layout of version 0.1.0."""
    table = make_table(
        service.services.lyra.redis, kind, max_entries=9, max_per_owner=9, wall_clock=Clock()
    )
    store = SecretStore[Any](
        table,
        shape,
        secret=SECRET,
        wall_clock=Clock(),
        unavailable=SessionsUnavailableError,
    )
    assert await store.change(secret_id, lambda value: value) is not None


async def test_one_process_begins_a_trip_and_another_ends_it(
    anna: Visitor, services: list[Service]
) -> None:
    await anna.ready()
    here = (await anna.back(await anna.to_spotify(TRIP))).removeprefix(services[0].url)
    anna.service = services[1]

    assert (await anna.go("GET", here)).headers["Location"] == GRANTED
    assert (await anna.session())["consented"]


async def test_a_log_in_that_version_0_1_0_has_begun_is_finished(
    anna: Visitor, services: list[Service]
) -> None:
    there = await anna.to_spotify()
    await write_as_before(services[0], "login", FormerPending, there.query["state"])

    assert (await anna.go("GET", await anna.back(there))).headers["Location"] == "/"
    assert set((await anna.session())["scopes"]) == set(SCOPES)


async def test_a_session_of_version_0_1_0_takes_the_trip_with_its_consent(
    anna: Visitor, services: list[Service]
) -> None:
    await anna.ready()
    await anna.init()
    await write_as_before(services[0], "session", FormerSession, anna.session_id or "")
    assert (await anna.session())["consented"]

    assert await anna.log_in(query=TRIP) == GRANTED
    assert (await anna.session())["consented"]
    assert (await anna.init()).json["cache"]["state"] == "hit"


@pytest.mark.parametrize(("listener", "live"), [(ANNA, 1), (BORIS, 0)])
async def test_answers_of_another_process_end_for_another_account_alone(
    start: Start, server: RedisServer, sandbox: Sandbox, listener: str, live: int
) -> None:
    settings = {"redis_url": server.url, "secret": SECRET, "spotify_client_id": APP}
    services = [await start(model="fault:hang", **settings) for _ in range(2)]
    async with Visitor(services[0]) as anna:
        await anna.ready(ANNA)
        chat = anna.post("/lyra/chat", json=QUESTION, headers=OWN)
        streaming = asyncio.get_running_loop().create_task(chat)
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        here = await anna.back(await anna.to_spotify(TRIP), listener)
        anna.service = services[1]
        there = await anna.go("GET", here.removeprefix(services[0].url))
        await sandbox.stats.until(lambda stats: stats.model_open == live)

        assert there.headers["Location"] == GRANTED
        assert sandbox.stats.model_open == live
        streaming.cancel()
        await asyncio.wait([streaming])
