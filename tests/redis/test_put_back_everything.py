"""All of Redis is copied, a listener has everything forgotten, and the copy is put back.

Over the socket, in every process: nothing of it is served. Each kind of key that Lyra keeps is in
the copy, so that a new kind has to be thought of here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import pytest
from redis.asyncio import Redis

from lyra.sandbox import sandbox_token
from tests.conftest import APP, Service, Start
from tests.support.calls import call, chat, init
from tests.support.chat_runs import CHAT, resume, run_of
from tests.support.redis_servers import RedisServer, set_user
from tests.support.service_pair import start_pair
from tests.support.visitors import ANNA, OWN, Visitor
from tests.support.waits import until

ADMIN = "the-operators-own-token"
KINDS = {
    *("epoch", "e", "g", "run", "run-alive", "owned", "chat", "n"),
    *("session", "sessions", "login", "logins"),
}
PASSING = {"l", "held"}  # held while something is made


class Copied(NamedTuple):
    """One key of Redis, as it can be put back."""

    name: bytes
    ttl_ms: int
    dump: bytes


async def copied(admin: Redis) -> list[Copied]:
    values = []
    async for name in admin.scan_iter():
        ttl_ms, dump = await admin.pttl(name), await admin.dump(name)
        assert isinstance(ttl_ms, int)
        assert isinstance(dump, bytes)
        values.append(Copied(name, max(0, ttl_ms), dump))
    return values


async def put_back(admin: Redis, copy: list[Copied], *, over: bool) -> None:
    """Put all of it back; `over`: also where there is something newer."""
    for name, ttl_ms, dump in copy:
        if over or not await admin.exists(name):
            await admin.restore(name, ttl_ms, dump, replace=over)


def kinds(copy: list[Copied]) -> set[str]:
    return {each.name.decode().split(":")[2] for each in copy}


@pytest.fixture
async def services(start: Start, server: RedisServer) -> tuple[Service, Service]:
    return await start_pair(start, server, spotify_client_id=APP, admin_token=ADMIN)


@pytest.fixture
async def anna(services: tuple[Service, Service]) -> AsyncIterator[Visitor]:
    """Logged in at the first process, and known to both."""
    async with Visitor(services[0]) as visitor:
        yield await visitor.ready()


async def asked(anna: Visitor, services: tuple[Service, Service]) -> str:
    """Anna's answer, which both processes can show; the address of its stream."""
    answer = await anna.post("/lyra/chat", json=CHAT)
    stream = f"/lyra/chat/{run_of(answer.body)}/stream"
    await until_shown(anna, services[1], stream)
    return stream


async def until_shown(anna: Visitor, service: Service, stream: str) -> None:
    shown = await anna.go("GET", f"{service.url}{stream}", headers=OWN)
    assert shown.body.endswith(b"data: [DONE]\n\n")


async def all_heard(services: tuple[Service, Service]) -> None:
    """Wait until what was said so far has come: a later word on the same channel has."""
    for one, other in (services, services[::-1]):
        token = sandbox_token(99)
        await init(other, token)
        await call(one, "DELETE", "/lyra/session", headers=one.headers(token))
        await until(lambda: not other.services.lyra.listeners.stats()["entries"])  # noqa: B023


async def test_the_copy_holds_every_kind_of_key(
    anna: Visitor, services: tuple[Service, Service], admin: Redis
) -> None:
    await asked(anna, services)
    await anna.to_spotify()

    assert KINDS <= kinds(await copied(admin)) <= KINDS | PASSING


@pytest.mark.parametrize("over", [True, False])
@pytest.mark.parametrize("way", ["POST /auth/logout", "DELETE /lyra/session"])
async def test_nothing_of_a_log_in_is_served_again(
    anna: Visitor, services: tuple[Service, Service], admin: Redis, way: str, over: bool
) -> None:
    stream = await asked(anna, services)
    assert (await anna.post(f"{services[1].url}/lyra/init")).json["cache"]["state"] == "hit"
    cookie = {"Cookie": f"lyra_sid={anna.session_id}", **OWN}
    copy = await copied(admin)
    method, _, path = way.partition(" ")
    assert (await anna.go(method, path, headers=OWN)).status in (204, 303)
    await all_heard(services)
    await put_back(admin, copy, over=over)

    for service in services:
        responses = [await anna.go("GET", f"{service.url}{stream}", headers=cookie)]
        responses += [
            await anna.go("GET", f"{service.url}/lyra/chat/chat-1/stream", headers=cookie)
        ]
        if way.startswith("POST"):
            assert {each.status for each in responses} == {401}
            session = await anna.go("GET", f"{service.url}/auth/session", headers=cookie)
            assert session.json["signed_in"] is False
            assert (await anna.go("POST", f"{service.url}/lyra/init", headers=cookie)).status == 401
        else:
            assert {each.status for each in responses} == {204}


@pytest.mark.parametrize("over", [True, False])
async def test_nothing_of_a_token_is_served_again(
    services: tuple[Service, Service], admin: Redis, over: bool
) -> None:
    first, second = services
    answer = await chat(first, ANNA, CHAT)
    run = run_of(answer.body)
    await until_copied_for(second, run)
    assert (await init(second, ANNA)).json["cache"]["state"] == "hit"
    copy = await copied(admin)
    forgot = await call(first, "DELETE", "/lyra/session", headers=first.headers(ANNA))
    await all_heard(services)
    await put_back(admin, copy, over=over)

    assert forgot.status == 204
    for service in services:
        assert [(await resume(service, each, token=ANNA)).status for each in (run, "chat-1")] == [
            204,
            204,
        ]
    states = [(await init(service, ANNA)).json["cache"]["state"] for service in services]
    assert states == ["miss", "hit"]  # read anew by one, taken from it by the other


async def until_copied_for(service: Service, run: str) -> None:
    answer = await resume(service, run, token=ANNA)
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_a_state_that_was_used_is_used(
    anna: Visitor, services: tuple[Service, Service], admin: Redis
) -> None:
    here = await anna.back(await anna.to_spotify())
    state = {"Cookie": f"lyra_state={anna.cookie('lyra_state')}"}
    copy = await copied(admin)
    path = here.removeprefix(services[0].url)
    assert (await anna.go("GET", path, headers=state)).headers["Location"] == "/"
    await all_heard(services)
    await put_back(admin, copy, over=True)

    async with Visitor(services[0]) as other:
        for service in services:
            again = await other.go("GET", f"{service.url}{path}", headers=state)
            assert again.headers["Location"] == "/?login=expired"


Refuse = Callable[[Redis], Awaitable[object]]


async def no_scripts(admin: Redis) -> None:
    await set_user(admin, "default", "-eval")


async def no_writes(admin: Redis) -> None:
    await admin.config_set("min-replicas-to-write", "1")


@pytest.mark.parametrize("refuse", [no_scripts, no_writes])
async def test_what_redis_did_not_forget_is_shown_by_nobody(
    services: tuple[Service, Service], admin: Redis, refuse: Refuse
) -> None:
    first, second = services
    answer = await chat(first, ANNA, CHAT)
    run = run_of(answer.body)
    await until_copied_for(second, run)
    await refuse(admin)
    forgot = await call(first, "DELETE", "/lyra/session", headers=first.headers(ANNA))
    await all_heard(services)

    assert forgot.status == 503
    assert await admin.keys("lyra:v2:run:*")
    for service in services:
        responses = [await resume(service, each, token=ANNA) for each in (run, "chat-1")]
        assert [each.status for each in responses] == [204, 204]
