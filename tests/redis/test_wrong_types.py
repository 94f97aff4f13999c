"""Whatever type strangers give to a key of Lyra's: it costs that key, and no answer."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from lyra.redis.keyspace import RedisKeys
from lyra.redis.shared_table import SharedTable
from tests.conftest import APP, Service, Start
from tests.redis.conftest import BRISK, KEY, Join
from tests.support.chat_runs import CHAT, run_of
from tests.support.redis_servers import RedisServer
from tests.support.service_pair import start_pair
from tests.support.stream_grammar import read_body
from tests.support.visitors import OWN, Visitor

Make = Callable[[Redis, str], Any]
TYPES: dict[str, Make] = {
    "string": lambda admin, name: admin.set(name, b"rubbish", px=60_000),
    "number": lambda admin, name: admin.set(name, 2**63 - 1, px=60_000),
    "list": lambda admin, name: admin.lpush(name, b"rubbish"),
    "set": lambda admin, name: admin.sadd(name, b"rubbish"),
    "hash": lambda admin, name: admin.hset(name, "rubbish", "rubbish"),
    "zset": lambda admin, name: admin.zadd(name, {b"rubbish": 1}),
    "stream": lambda admin, name: admin.xadd(name, {"rubbish": "rubbish"}),
}


@pytest.fixture
async def services(start: Start, server: RedisServer) -> tuple[Service, Service]:
    return await start_pair(start, server, spotify_client_id=APP)


@pytest.fixture
async def anna(services: tuple[Service, Service]) -> AsyncIterator[Visitor]:
    async with Visitor(services[0]) as visitor:
        yield visitor


async def in_use(anna: Visitor, services: tuple[Service, Service]) -> None:
    """Log in, forget, read, ask, read the answer elsewhere, and begin another log-in."""
    await anna.ready()
    if (await anna.go("DELETE", "/lyra/session", headers=OWN)).status == 503:
        # Of an index that was something else nobody knows what was in it.
        assert (await anna.go("DELETE", "/lyra/session", headers=OWN)).status == 204
    assert (await anna.init()).json["cache"]["state"] == "miss"
    answer = await anna.post("/lyra/chat", json=CHAT)
    assert read_body(answer.body).ending == "stop"
    path = f"{services[1].url}/lyra/chat/{run_of(answer.body)}/stream"
    assert (await anna.go("GET", path, headers=OWN)).status == 200
    await anna.to_spotify()
    for service in services:
        await service.services.generator.quota.close()  # what it has to tell is told


def refused(services: tuple[Service, Service]) -> int:
    gateways = [service.services.lyra.redis for service in services]
    assert all(
        gateway is not None and gateway.describe() == {"state": "ok"} for gateway in gateways
    )
    return sum(gateway.calls["refused"] for gateway in gateways if gateway is not None)


@pytest.mark.parametrize("kind", TYPES)
async def test_it_costs_no_answer_and_does_not_last(
    anna: Visitor, services: tuple[Service, Service], admin: Redis, kind: str
) -> None:
    await in_use(anna, services)
    names = [name async for name in admin.scan_iter("lyra:v2:*")]
    for name in names:
        await admin.delete(name)
        await TYPES[kind](admin, str(name, "ascii"))
    await in_use(anna, services)  # what is wrong is found and goes
    before = refused(services)
    await in_use(anna, services)

    assert refused(services) == before


async def test_a_lease_of_another_type_does_not_block_a_renewal(join: Join, admin: Redis) -> None:
    sessions = SharedTable(
        (await join(timing=BRISK)).gateway, "session", max_entries=9, wall_clock=lambda: 1.0
    )
    await admin.lpush(RedisKeys("session", KEY).lease, "rubbish")

    async with sessions.lock(KEY):
        assert await admin.type(RedisKeys("session", KEY).lease) == b"string"


async def test_log_ins_stay_bounded_after_an_index_of_another_type(
    join: Join, admin: Redis
) -> None:
    gateway = (await join()).gateway
    sessions = SharedTable(
        gateway, "session", max_entries=9, max_per_owner=2, wall_clock=lambda: 1.0
    )
    for index in ("lyra:v2:sessions", f"lyra:v2:sessions:{{{KEY}}}"):
        await admin.lpush(index, "rubbish")
    names = [f"{number:016x}" for number in range(4)]
    for name in names:
        await sessions.keep(name, b"sealed", 60, owner=KEY)

    assert gateway.discarded["poisoned"] == 2
    assert [await sessions.read(name) for name in names] == [None, None, b"sealed", b"sealed"]
