"""The machine's clock jumps, by an hour or by years; nothing that lives or ends notices."""

from datetime import UTC, datetime, timedelta

import pytest

from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import APP, Start
from tests.faults.conftest import OTHER, SECRET, answered, others_served
from tests.support.calls import call, chat, chatting, init, read_until
from tests.support.error_shape import check_error
from tests.support.redis_servers import RedisServer
from tests.support.stream_grammar import read_body, read_stream
from tests.support.visitors import Visitor

JUMPS = [timedelta(hours=1), timedelta(hours=-1), timedelta(days=3650), timedelta(days=-3650)]


class WallClock:
    """Noon, until somebody sets it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def wall() -> WallClock:
    return WallClock()


@pytest.fixture(params=JUMPS, ids=str)
def jump(request: pytest.FixtureRequest) -> timedelta:
    found: timedelta = request.param
    return found


async def test_listeners_sessions_and_streams_outlive_a_jump(
    start: Start, wall: WallClock, jump: timedelta, sandbox: Sandbox
) -> None:
    service = await start(wall_clock=wall, spotify_client_id=APP)
    async with Visitor(service) as visitor:
        await visitor.ready()
        assert (await visitor.init()).status == 200
        assert (await init(service, OTHER)).status == 200
        before = sandbox.stats.total
        wall.now += jump
        cached = await init(service, OTHER)
        logged_in = await visitor.chat()
        session = await visitor.session()

    assert cached.json["cache"]["state"] == "hit"
    assert 3000 < cached.json["cache"]["expires_in_s"] <= 3600
    assert logged_in.status == 200
    assert session["signed_in"]
    assert sandbox.stats.total == before


async def test_a_stream_that_runs_and_a_model_that_rests_do_not_notice(
    start: Start, wall: WallClock, jump: timedelta, sandbox: Sandbox
) -> None:
    service = await start(wall_clock=wall, model="fault:hang")
    async with chatting(service, body={"message": "Hello", "id": "talk"}) as response:
        seen = await read_until(response, b"text-delta")
        wall.now += jump
        await call(service, "POST", "/lyra/chat/talk/stop", headers=service.headers())
        seen += await read_until(response, b"[DONE]")
    resting = await start(wall_clock=wall, model="fault:err-401")
    for token in (sandbox_token(), sandbox_token(8)):  # on two listeners' word
        await init(resting, token)
        check_error(await chat(resting, token), "llm_misconfigured")
    asked = sandbox.stats.model_calls
    wall.now -= jump
    check_error(await chat(resting), "llm_misconfigured")

    assert read_body(seen).ending == "abort"
    assert sandbox.stats.model_calls == asked


async def test_the_days_tokens_stay_counted_within_the_day(
    start: Start, wall: WallClock, jump: timedelta
) -> None:
    service = await start(wall_clock=wall, daily_tokens=1)
    await init(service)
    first = read_stream(await chat(service))
    wall.now += jump
    second = await chat(service)

    assert first.ending == "stop"
    if abs(jump) < timedelta(days=1):
        error = check_error(second, "too_many_requests")
        assert error["reason"] == "daily_budget"
        assert 0 < error["retry_after_s"] <= 86_400
    else:
        assert read_stream(second).ending == "stop"  # another day


async def test_processes_with_skewed_clocks_share_their_listeners(
    start: Start, wall: WallClock, jump: timedelta, redis: RedisServer
) -> None:
    shared = {"redis_url": f"redis://127.0.0.1:{redis.port}", "secret": SECRET}
    async with others_served(start, wall_clock=wall, **shared) as service:
        elsewhere = WallClock()
        elsewhere.now += jump
        other = await start(wall_clock=elsewhere, **shared)
        answers = [await init(one, sandbox_token(5)) for one in (other, service, other)]
        await answered(service)

    assert {answer.status for answer in answers} == {200}
    assert all(0 < answer.json["cache"]["expires_in_s"] <= 3600 for answer in answers[:1])
