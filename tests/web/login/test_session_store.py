"""What a session is worth over time: tokens renewed once, endings told, listeners kept apart."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from lyra.sandbox import Sandbox, sandbox_token
from lyra.sandbox.accounts import Accounts
from tests.conftest import APP, CANARY_KEY, LONG_S, Service, Start
from tests.support.calls import call
from tests.support.visitors import ANNA, BORIS, OWN, Clock, Visitor

HOUR = 3600
REFRESH = "refresh_token"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def service(start: Start, clock: Clock) -> Service:
    return await start(clock=clock, spotify_client_id=APP)


@pytest.fixture
async def anna(service: Service) -> AsyncIterator[Visitor]:
    async with Visitor(service) as visitor:
        yield visitor


def pass_time(clock: Clock, sandbox: Sandbox, seconds: float) -> None:
    clock.now += seconds
    sandbox.clock.advance(seconds)


async def test_a_renewed_token_costs_no_reading(
    start: Start, sandbox: Sandbox, clock: Clock
) -> None:
    service = await start(clock=clock, cache_ttl_s=24 * HOUR, spotify_client_id=APP)
    async with Visitor(service) as anna:
        await anna.ready()
        await anna.init()
        read = sandbox.stats.total
        for hour in range(1, 4):
            pass_time(clock, sandbox, HOUR)
            assert (await anna.init()).json["cache"]["state"] == "hit"
            assert sandbox.stats.logins["refresh"] == hour
    assert sandbox.stats.total == read


async def test_a_bearer_token_of_the_same_hour_is_still_bound_to_it(
    start: Start, clock: Clock
) -> None:
    service = await start(clock=clock, cache_ttl_s=24 * HOUR, spotify_client_id=APP)
    headers = service.headers(ANNA)
    await call(service, "POST", "/lyra/init", headers=headers)
    clock.now += HOUR

    answer = await call(service, "POST", "/lyra/init", headers=headers)
    assert answer.json["cache"]["state"] == "miss"


async def test_twelve_requests_at_once_renew_one_token(
    anna: Visitor, sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready(sandbox_token(7, "typical", "legacy", "slow-30-token"))
    pass_time(clock, sandbox, HOUR - 59)
    answers = await asyncio.gather(*(anna.init() for _ in range(12)))

    assert {each.status for each in answers} == {200}
    assert sandbox.stats.logins["refresh"] == 1


async def test_a_token_with_a_minute_left_is_not_renewed(
    anna: Visitor, sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready()
    pass_time(clock, sandbox, HOUR - 61)

    assert (await anna.init()).status == 200
    assert sandbox.stats.logins["refresh"] == 0


async def test_a_reader_who_leaves_takes_no_token_along(
    anna: Visitor, sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready(sandbox_token(7, "typical", "legacy", "slow-200-token"))
    pass_time(clock, sandbox, HOUR)
    leaving = asyncio.get_running_loop().create_task(anna.init())
    await sandbox.stats.until(lambda stats: stats.logins["refresh"] == 1)
    leaving.cancel()
    await asyncio.wait([leaving])

    assert (await anna.init()).status == 200
    assert sandbox.stats.logins["refresh"] == 1


async def test_a_refused_token_refresh_ends_the_session_and_its_data(
    anna: Visitor, sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready()
    await anna.init()
    pass_time(clock, sandbox, 184 * 86_400)
    clock.now -= 184 * 86_400 - HOUR  # the session itself has not run out
    answers = await asyncio.gather(*(anna.init() for _ in range(4)))

    assert {(each.status, each.code) for each in answers} == {(401, "session_ended")}
    assert {each.json["error"]["action"] for each in answers} == {"reauthorize"}
    assert not (await anna.session())["signed_in"]
    assert anna.service.services.lyra.listeners.stats()["entries"] == 0
    assert await anna.log_in() == "/"


@pytest.mark.parametrize(
    "fault", ["503-token~2+2", "429-token~2+2", "html-token~2", "hang-token~2"]
)
async def test_an_accounts_server_that_fails_costs_no_session(
    start: Start, sandbox: Sandbox, clock: Clock, fault: str
) -> None:
    # Short only where it is waited for: a busy machine takes its time.
    timeout_s = 1.5 if fault.startswith("hang") else LONG_S
    service = await start(clock=clock, spotify_timeout_s=timeout_s, spotify_client_id=APP)
    async with Visitor(service) as anna:
        await anna.ready(sandbox_token(7, "typical", "legacy", fault))
        pass_time(clock, sandbox, HOUR)
        answer = await anna.init()

        assert (answer.status, answer.code) == (503, "spotify_unavailable")
        assert "Retry-After" in answer.headers
        assert (await anna.session())["signed_in"]


@pytest.fixture
def no_refresh_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spotify gives access tokens alone."""
    real = Accounts.exchange

    def exchanged(accounts: Accounts, form: Mapping[str, str]) -> dict[str, Any]:
        return {name: value for name, value in real(accounts, form).items() if name != REFRESH}

    monkeypatch.setattr(Accounts, "exchange", exchanged)


@pytest.mark.usefixtures("no_refresh_token")
async def test_a_session_that_nobody_can_renew_ends_with_its_token(
    anna: Visitor, sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready()
    pass_time(clock, sandbox, HOUR - 60)
    assert (await anna.init()).status == 200
    pass_time(clock, sandbox, 1)

    assert (await anna.init()).code == "session_ended"
    assert not (await anna.session())["signed_in"]
    assert sandbox.stats.logins["refresh"] == 0


@pytest.mark.usefixtures("no_refresh_token")
async def test_looking_at_a_session_that_cannot_renew_says_it_is_over(
    anna: Visitor, sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready()
    pass_time(clock, sandbox, HOUR)

    assert not (await anna.session())["signed_in"]


@pytest.mark.usefixtures("no_refresh_token")
async def test_an_unrenewable_session_ends_when_its_token_is_refused(
    anna: Visitor, sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready()
    sandbox.clock.advance(HOUR)
    clock.now += 40
    assert (await anna.init()).code == "spotify_token_rejected"

    assert (await anna.init()).code == "session_ended"
    assert not (await anna.session())["signed_in"]
    assert sandbox.stats.logins["refresh"] == 0


async def test_a_renewal_lost_on_the_way_recovers_or_is_explained(
    anna: Visitor, sandbox: Sandbox, clock: Clock
) -> None:
    """The sandbox issues tokens and loses the answer: the old refresh token is dead by then."""
    await anna.ready(sandbox_token(7, "typical", "legacy", "reset-token~2"))
    pass_time(clock, sandbox, HOUR)

    assert (await anna.init()).code == "spotify_unavailable"
    assert (await anna.init()).code == "session_ended"


async def test_a_token_that_spotify_refuses_before_its_time_is_renewed(
    anna: Visitor, sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready()
    sandbox.clock.advance(HOUR)
    clock.now += 40
    assert (await anna.init()).code == "spotify_token_rejected"

    assert (await anna.init()).status == 200
    assert sandbox.stats.logins["refresh"] == 1


async def test_stop_status_and_forget_need_no_good_token(
    anna: Visitor, sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready()
    pass_time(clock, sandbox, HOUR)

    assert (await anna.go("GET", "/lyra/status")).status == 200
    assert (await anna.go("DELETE", "/lyra/session", headers=OWN)).status == 204
    assert sandbox.stats.logins["refresh"] == 0


async def test_two_accounts_never_share_and_two_log_ins_of_one_do(
    service: Service, sandbox: Sandbox
) -> None:
    async with Visitor(service) as first, Visitor(service) as second, Visitor(service) as boris:
        for visitor, who in ((first, ANNA), (second, ANNA), (boris, BORIS)):
            await visitor.ready(who)
        profiles = [(await each.go("GET", "/lyra/profile")).json for each in (first, second, boris)]

    assert [each["profile"]["id"] for each in profiles] == ["typical7", "typical7", "typical8"]
    assert [each["cache"]["state"] for each in profiles] == ["miss", "hit", "miss"]
    assert sandbox.stats.by_endpoint["artists"] == 2


async def test_who_takes_over_a_browser_gets_none_of_the_others_data(anna: Visitor) -> None:
    await anna.ready(ANNA)
    await anna.init()
    await anna.ready(BORIS)

    profile = (await anna.go("GET", "/lyra/profile")).json
    assert (profile["profile"]["id"], profile["cache"]["state"]) == ("typical8", "miss")


async def test_a_session_ends_after_thirty_days_at_the_latest(anna: Visitor, clock: Clock) -> None:
    await anna.ready()
    clock.now += 30 * 86_400

    assert (await anna.init()).code == "session_ended"


async def test_the_least_recently_used_session_goes_first(start: Start, clock: Clock) -> None:
    service = await start(clock=clock, max_sessions=2, spotify_client_id=APP)
    async with Visitor(service) as first, Visitor(service) as second, Visitor(service) as third:
        await first.ready()
        await second.ready()
        await first.session()
        await third.ready()

        signed_in = [(await each.session())["signed_in"] for each in (first, second, third)]
    assert signed_in == [True, False, True]


@pytest.mark.parametrize("given", ["x", "é" * 20, "a" * 3000, "../../etc", "x" * 43])
async def test_an_id_that_nobody_was_given_is_nobody(service: Service, given: str) -> None:
    answer = await call(service, "GET", "/lyra/status", headers={"Cookie": f"lyra_sid={given}"})

    assert (answer.status, answer.code) == (401, "session_ended")


async def test_no_secret_of_a_log_in_is_told(
    anna: Visitor,
    sandbox: Sandbox,
    clock: Clock,
    everything_logged: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Codes, states, verifiers, ids and tokens: in no log line, answer, page or metric."""
    drawn = everything_drawn(monkeypatch)
    logins = anna.service.services.logins
    assert logins is not None
    await anna.ready()
    first = await logins.find_session(anna.session_id or "")
    pass_time(clock, sandbox, HOUR)
    answers = [await anna.init(), await anna.chat(), await anna.go("GET", "/auth/session")]
    second = await logins.find_session(anna.session_id or "")
    answers.append(await anna.go("GET", f"/auth/callback?code={anna.seen[1]}&state={anna.seen[0]}"))
    answers.append(await anna.go("GET", "/"))
    assert first is not None
    assert second is not None
    tokens = {each for session in (first, second) for each in (session.access, session.refresh)}
    assert len(drawn) == 3
    assert len(tokens) == 4

    shown = b"".join(answer.everything for answer in answers)
    shown += anna.service.services.metrics.render() + everything_logged.text.encode()
    shown += b"".join(repr(record.__dict__).encode() for record in everything_logged.records)
    shown += repr((first, second, logins)).encode()
    secret = {*drawn, *tokens, *anna.seen, first.identity, CANARY_KEY}
    assert [each for each in secret if each.encode() in shown] == []


def everything_drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every random secret from now on: verifiers, states, session ids."""
    drawn: list[str] = []
    draw = secrets.token_urlsafe

    def drawing(size: int | None = None) -> str:
        drawn.append(draw(size))
        return drawn[-1]

    monkeypatch.setattr(secrets, "token_urlsafe", drawing)
    return drawn
