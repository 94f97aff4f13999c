"""Log-ins that any process serves: kept in Redis, sealed, renewed by one, missed when it is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from lyra.redis.listener_store import SharedListeners
from lyra.redis.shared_table import SharedTable
from lyra.sandbox import Sandbox, sandbox_token
from lyra.spotify.oauth import AccountsClient, Grant
from tests.conftest import APP, Service, Start
from tests.support.calls import QUESTION
from tests.support.redis_servers import RedisServer
from tests.support.visitors import ANNA, BORIS, OWN, Clock, Visitor

SECRET = "canary-secret-of-all-processes"
HOUR = 3600


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


async def test_a_log_in_that_one_process_begins_another_ends(
    anna: Visitor, services: list[Service]
) -> None:
    there = await anna.to_spotify()
    here = await anna.back(there)
    anna.service = services[1]
    answer = await anna.go("GET", here.removeprefix(services[0].url))

    assert answer.headers["Location"] == "/"
    anna.service = services[0]
    assert (await anna.session())["signed_in"]
    assert (await anna.post("/auth/consent")).status == 204
    assert (await anna.init()).json["cache"]["state"] == "miss"
    anna.service = services[1]
    assert (await anna.init()).json["cache"]["state"] == "hit"


async def test_a_state_serves_once_in_all_processes(anna: Visitor, services: list[Service]) -> None:
    here = (await anna.back(await anna.to_spotify())).removeprefix(services[0].url)
    state = {"Cookie": f"lyra_state={anna.cookie('lyra_state')}"}
    both = await asyncio.gather(
        *(anna.go("GET", f"{each.url}{here}", headers=state) for each in services)
    )

    assert sorted(each.headers["Location"] for each in both) == ["/", "/?login=expired"]


async def test_twelve_requests_at_two_processes_renew_one_token(
    anna: Visitor, services: list[Service], sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready(sandbox_token(7, "typical", "legacy", "slow-50-token"))
    clock.now += HOUR
    sandbox.clock.advance(HOUR)
    answers = await asyncio.gather(
        *(anna.post(f"{services[n % 2].url}/lyra/init") for n in range(12))
    )

    assert {each.status for each in answers} == {200}
    assert sandbox.stats.logins["refresh"] == 1


async def test_who_lost_its_turn_takes_over_what_the_other_process_got(
    anna: Visitor,
    services: list[Service],
    sandbox: Sandbox,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @asynccontextmanager
    async def nobody_waits(_: SharedTable, __: str) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr(SharedTable, "lock", nobody_waits)
    await anna.ready(sandbox_token(7, "typical", "legacy", "slow-50-token"))
    clock.now += HOUR
    sandbox.clock.advance(HOUR)
    both = await asyncio.gather(*(anna.post(f"{each.url}/lyra/init") for each in services))

    assert [each.status for each in both] == [200, 200]
    assert sandbox.stats.logins["refresh"] == 2


async def test_logging_out_holds_in_all_processes(anna: Visitor, services: list[Service]) -> None:
    await anna.ready()
    await anna.init()
    cookie = {"Cookie": f"lyra_sid={anna.session_id}"}
    await anna.post("/auth/logout")

    for service in services:
        answer = await anna.go("GET", f"{service.url}/lyra/status", headers=cookie)
        assert (answer.status, answer.code) == (401, "session_ended")


@pytest.mark.parametrize("how", [("POST", "/auth/logout"), ("DELETE", "/lyra/session")])
@pytest.mark.parametrize("resumable", [True, False])
async def test_signing_out_stops_the_answers_that_other_processes_make(
    start: Start, server: RedisServer, sandbox: Sandbox, how: tuple[str, str], resumable: bool
) -> None:
    settings = {"redis_url": server.url, "secret": SECRET, "spotify_client_id": APP}
    first, second = [await start(model="fault:hang", **settings) for _ in range(2)]
    async with Visitor(first) as anna:
        await anna.ready()
        chat = anna.post(f"{second.url}/lyra/chat", json={**QUESTION, "resumable": resumable})
        streaming = asyncio.get_running_loop().create_task(chat)
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        assert (await anna.go(*how, headers=OWN)).status == 204
        answer = await streaming
        await sandbox.stats.until(lambda stats: stats.model_open == 0)

    assert b'{"type":"abort","reason":"stopped"}' in answer.body


@pytest.mark.parametrize("how", [("POST", "/auth/logout"), ("DELETE", "/lyra/session")])
async def test_sign_out_stops_local_answers_before_it_waits_for_redis(
    start: Start,
    server: RedisServer,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    how: tuple[str, str],
) -> None:
    """However long Redis takes to forget, no more is read, asked or said meanwhile."""
    asked, answers, forget = asyncio.Event(), asyncio.Event(), SharedListeners.forget

    async def slow(shared: SharedListeners, key: str, *, held: bool = False) -> bool:
        asked.set()
        await answers.wait()
        return await forget(shared, key, held=held)

    monkeypatch.setattr(SharedListeners, "forget", slow)
    given = {"redis_url": server.url, "secret": SECRET, "spotify_client_id": APP}
    service = await start(model="fault:hang", **given)
    async with Visitor(service) as anna, asyncio.TaskGroup() as tasks:
        await anna.ready()
        streaming = tasks.create_task(anna.post("/lyra/chat", json=QUESTION))
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        leaving = tasks.create_task(anna.go(*how, headers=OWN))
        await asked.wait()
        answer = await streaming
        answered = leaving.done()
        answers.set()

    assert b'{"type":"abort","reason":"stopped"}' in answer.body
    assert not answered
    assert leaving.result().status == 204


async def test_sign_out_withdraws_the_fetch_of_another_process(
    services: list[Service], sandbox: Sandbox
) -> None:
    async with Visitor(services[0]) as anna:
        await anna.ready(sandbox_token(7, "typical", "legacy", "hang-me~2"))
        waiting = asyncio.get_running_loop().create_task(anna.post(f"{services[1].url}/lyra/init"))
        await sandbox.stats.until(lambda stats: stats.by_endpoint["me"] == 2)
        await anna.post("/auth/logout")
        answer = await waiting

    assert (answer.status, answer.code) == (503, "forgotten")
    listeners = [each.services.lyra.listeners.stats() for each in services]
    assert [(each["flights"], each["entries"]) for each in listeners] == [(0, 0), (0, 0)]


async def test_a_process_paused_in_a_renewal_signs_nobody_out(
    anna: Visitor,
    services: list[Service],
    sandbox: Sandbox,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Spotify has given it new tokens, its turn has passed, and it has not kept them yet."""

    @asynccontextmanager
    async def nobody_waits(_: SharedTable, __: str) -> AsyncIterator[None]:
        yield

    goes_on, real = asyncio.Event(), AccountsClient.refresh

    async def paused_with_the_answer(accounts: AccountsClient, token: str) -> Grant:
        grant = await real(accounts, token)
        await goes_on.wait()
        return grant

    monkeypatch.setattr(SharedTable, "lock", nobody_waits)
    monkeypatch.setattr(AccountsClient, "refresh", paused_with_the_answer)
    await anna.ready()
    clock.now += HOUR
    sandbox.clock.advance(HOUR)
    paused = asyncio.get_running_loop().create_task(anna.init())
    await sandbox.stats.until(lambda stats: stats.logins["refresh"] == 1)
    other = await anna.post(f"{services[1].url}/lyra/init")
    still_in = (await anna.session())["signed_in"]
    goes_on.set()

    assert (other.status, other.code, still_in) == (503, "spotify_unavailable", True)
    assert (await paused).status == 200
    assert (await anna.post(f"{services[1].url}/lyra/init")).status == 200


async def test_a_session_whose_renewer_died_ends_within_a_minute(
    anna: Visitor, services: list[Service], sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready(sandbox_token(7, "typical", "legacy", "reset-token~2"))
    clock.now += HOUR
    sandbox.clock.advance(HOUR)
    assert (await anna.init()).code == "spotify_unavailable"  # its tokens are lost on the way
    assert (await anna.post(f"{services[1].url}/lyra/init")).code == "spotify_unavailable"
    clock.now += 60

    assert (await anna.post(f"{services[1].url}/lyra/init")).code == "session_ended"


async def test_an_account_has_ten_sessions_in_all_processes(
    services: list[Service], clock: Clock
) -> None:
    async with Visitor(services[0]) as boris, Visitor(services[0]) as anna:
        await boris.ready(BORIS)
        own = []
        for n in range(14):
            clock.now += 1
            anna.http.cookie_jar.clear()
            anna.service = services[n % 2]
            await anna.log_in(ANNA)
            own.append(anna.session_id)
            if n % 3 == 0:
                await anna.post("/auth/logout")
        anna.http.cookie_jar.clear()
        statuses = [
            (await anna.go("GET", "/auth/session", headers={"Cookie": f"lyra_sid={each}"})).json
            for each in own
        ]

        assert [each["signed_in"] for each in statuses] == [n % 3 != 0 for n in range(14)]
        for _ in range(3):
            anna.http.cookie_jar.clear()
            await anna.log_in(ANNA)
        anna.http.cookie_jar.clear()
        first = await anna.go("GET", "/auth/session", headers={"Cookie": f"lyra_sid={own[1]}"})
        assert not first.json["signed_in"]
        assert (await boris.session())["signed_in"]


async def test_a_dump_of_redis_tells_nothing_of_a_log_in(
    anna: Visitor, services: list[Service], server: RedisServer
) -> None:
    await anna.ready()
    await anna.init()
    await anna.to_spotify()
    logins = services[0].services.logins
    assert logins is not None
    session = await logins.find_session(anna.session_id or "")
    assert session is not None
    everything = await dump(server)

    assert b"lyra:v2:session:" in everything
    assert b"lyra:v2:login:" in everything
    secret = [session.access, session.refresh, session.identity, *anna.seen, "typical7", SECRET]
    assert [each for each in (*secret, anna.session_id or "-") if each.encode() in everything] == []


async def dump(server: RedisServer) -> bytes:
    """Every name and value that is there."""
    content = b""
    async with Redis.from_url(server.url) as redis:
        async for name in redis.scan_iter():
            content += name + b"\n"
            if await redis.type(name) == b"string":
                content += await redis.get(name) or b""
            else:
                content += repr(await redis.zrange(name, 0, -1)).encode()
    return content


async def test_one_sessions_value_under_anothers_name_is_nobody(
    anna: Visitor, services: list[Service], server: RedisServer
) -> None:
    await anna.ready(ANNA)
    async with Visitor(services[0]) as boris:
        await boris.ready(BORIS)
        async with Redis.from_url(server.url) as redis:
            first, second = [name async for name in redis.scan_iter("lyra:v2:session:*")]
            held = [await redis.get(first), await redis.get(second)]
            await redis.mset({first: held[1] or b"", second: held[0] or b""})

        assert (await anna.init()).code == (await boris.init()).code == "session_ended"


async def test_the_least_recently_used_session_goes_first_in_redis(
    start: Start, server: RedisServer, clock: Clock
) -> None:
    service = await start(
        clock=clock, redis_url=server.url, secret=SECRET, max_sessions=2, spotify_client_id=APP
    )
    async with Visitor(service) as first, Visitor(service) as second, Visitor(service) as third:
        for visitor in (first, second):
            clock.now += 1
            await visitor.ready()
        clock.now += 1
        await first.session()
        clock.now += 1
        await third.ready()

        signed_in = [(await each.session())["signed_in"] for each in (first, second, third)]
    assert signed_in == [True, False, True]


async def test_without_redis_log_ins_wait_and_tokens_serve(
    anna: Visitor, services: list[Service], server: RedisServer
) -> None:
    await anna.ready()
    await server.kill()
    there = await anna.go("GET", "/auth/login")
    answers = [await anna.init(), await anna.post("/auth/logout"), await anna.post("/auth/consent")]

    assert there.headers["Location"] == "/?login=busy"
    assert {(each.status, each.code) for each in answers} == {(503, "sessions_unavailable")}
    assert (await anna.go("GET", "/auth/session")).code == "sessions_unavailable"
    bearer = {"Authorization": f"Bearer {ANNA}"}
    assert (await anna.post("/lyra/init", headers=bearer)).status == 200
    assert (await anna.go("GET", "/")).status == 200
    assert services[0].services.logins is not None
