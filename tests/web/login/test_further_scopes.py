"""The trip to Spotify for further scopes: what is asked for, what comes of it, and what survives it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from yarl import URL

from lyra.sandbox import Sandbox, sandbox_token
from lyra.sandbox.accounts import Accounts
from lyra.secret_store import SecretStore
from lyra.spotify.oauth import SCOPES
from lyra.web.login.outcomes import OUTCOME_MESSAGES
from lyra.web.login.session_store import Session
from tests.conftest import APP, Service, Start
from tests.support.calls import QUESTION
from tests.support.visitors import ANNA, BORIS, OWN, Clock, Visitor

HOUR = 3600
PRIVATE, PUBLIC = "playlist-modify-private", "playlist-modify-public"
TRIP, PUBLIC_TRIP = "?for=playlists", "?for=public_playlists"
GRANTED, LESS, DENIED = "/?login=playlists", "/?login=not_granted", "/?login=denied"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def service(start: Start, clock: Clock) -> Service:
    return await start(clock=clock, rate_per_minute=1000, spotify_client_id=APP)


@pytest.fixture
async def anna(service: Service) -> AsyncIterator[Visitor]:
    async with Visitor(service) as visitor:
        yield visitor


@pytest.fixture
def scope_unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spotify's answers with tokens do not say what was granted."""
    exchange, refresh = Accounts.exchange, Accounts.refresh

    def unsaid(tokens: dict[str, Any]) -> dict[str, Any]:
        return {name: said for name, said in tokens.items() if name != "scope"}

    def exchanged(accounts: Accounts, form: Mapping[str, str]) -> dict[str, Any]:
        return unsaid(exchange(accounts, form))

    def refreshed(accounts: Accounts, form: Mapping[str, str], **more: bool) -> dict[str, Any]:
        return unsaid(refresh(accounts, form, **more))

    monkeypatch.setattr(Accounts, "exchange", exchanged)
    monkeypatch.setattr(Accounts, "refresh", refreshed)


async def scopes(anna: Visitor) -> set[str]:
    return set((await anna.session())["scopes"])


async def come_back(anna: Visitor, there: URL, listener: str = ANNA, **changes: str) -> str:
    """The rest of the way, with another address at Spotify; where it ends."""
    here = await anna.back(there.update_query(changes), listener)
    return (await anna.go("GET", here)).headers["Location"]


async def kept(anna: Visitor) -> Session:
    logins = anna.service.services.logins
    assert logins is not None
    session = await logins.find_session(anna.session_id or "")
    assert session is not None
    return session


def entries(anna: Visitor) -> int:
    return anna.service.services.lyra.listeners.stats()["entries"]


@pytest.mark.parametrize(
    ("query", "further"),
    [
        ("", ()),
        (TRIP, (PRIVATE,)),
        (PUBLIC_TRIP, (PRIVATE, PUBLIC)),
        ("?for=playlists&for=public_playlists", (PRIVATE,)),
        ("?for=", ()),
        ("?for=Playlists", ()),
        ("?for=playlists%20streaming", ()),
        ("?for=playlist-modify-private", ()),
        ("?for=playlists%26scope%3Dstreaming", ()),
        ("?for=%00%F0%9F%8E%B5%FF", ()),
        ("?scope=streaming&purpose=playlists", ()),
    ],
)
async def test_a_trip_asks_for_what_its_purpose_needs_alone(
    anna: Visitor, query: str, further: tuple[str, ...]
) -> None:
    there = await anna.to_spotify(query)

    assert there.query["scope"] == " ".join((*SCOPES, *further))


@pytest.mark.parametrize(
    ("query", "further"), [(TRIP, {PRIVATE}), (PUBLIC_TRIP, {PRIVATE, PUBLIC})]
)
async def test_a_trip_that_is_granted_says_so(anna: Visitor, query: str, further: set[str]) -> None:
    await anna.ready()
    where = await anna.log_in(query=query)
    page = await anna.go("GET", where)

    assert where == GRANTED
    assert await scopes(anna) == {*SCOPES, *further}
    assert OUTCOME_MESSAGES["playlists"].encode() in page.body


@pytest.mark.parametrize(
    ("query", "granted"),
    [
        (TRIP, ()),
        (TRIP, (PUBLIC,)),
        (TRIP, ("streaming",)),
        (PUBLIC_TRIP, ()),
        (PUBLIC_TRIP, (PRIVATE,)),
        (PUBLIC_TRIP, (PUBLIC,)),
    ],
)
async def test_a_trip_that_is_granted_less_says_so_and_logs_in(
    anna: Visitor, query: str, granted: tuple[str, ...]
) -> None:
    await anna.ready()
    scope = " ".join((*SCOPES, *granted))
    where = await come_back(anna, await anna.to_spotify(query), scope=scope)
    page = await anna.go("GET", where)

    assert where == LESS
    assert await scopes(anna) == {*SCOPES, *granted}
    assert (await anna.init()).status == 200
    assert OUTCOME_MESSAGES["not_granted"].encode() in page.body


async def test_a_log_in_that_asked_for_no_more_tells_of_no_more(anna: Visitor) -> None:
    scope = " ".join((*SCOPES, PRIVATE))

    assert await come_back(anna, await anna.to_spotify(), scope=scope) == "/"
    assert PRIVATE in await scopes(anna)


@pytest.mark.usefixtures("scope_unsaid")
@pytest.mark.parametrize(("query", "further"), [("", ()), (TRIP, (PRIVATE,))])
async def test_where_spotify_does_not_say_what_was_asked_for_is_granted(
    anna: Visitor, query: str, further: tuple[str, ...]
) -> None:
    assert await anna.log_in(query=query) == (GRANTED if further else "/")
    assert await scopes(anna) == {*SCOPES, *further}


@pytest.mark.usefixtures("scope_unsaid")
async def test_a_refresh_that_does_not_say_keeps_the_scopes(
    anna: Visitor, sandbox: Sandbox, clock: Clock
) -> None:
    await anna.ready()
    await anna.log_in(query=TRIP)
    clock.now += HOUR
    sandbox.clock.advance(HOUR)
    await anna.init()

    assert sandbox.stats.logins["refresh"] == 1
    assert await scopes(anna) == {*SCOPES, PRIVATE}


async def test_a_refresh_that_says_less_is_believed(
    anna: Visitor, sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Accounts.refresh

    def withdrawn(accounts: Accounts, form: Mapping[str, str], **more: bool) -> dict[str, Any]:
        return {**real(accounts, form, **more), "scope": " ".join(SCOPES)}

    monkeypatch.setattr(Accounts, "refresh", withdrawn)
    await anna.ready()
    await anna.log_in(query=TRIP)
    assert PRIVATE in await scopes(anna)
    clock.now += HOUR
    sandbox.clock.advance(HOUR)
    await anna.init()

    assert await scopes(anna) == {*SCOPES}


async def test_who_cancels_the_trip_keeps_the_old_session(anna: Visitor, sandbox: Sandbox) -> None:
    await anna.ready()
    await anna.init()
    before = anna.session_id, sandbox.stats.total
    here = await anna.back(await anna.to_spotify(TRIP), auto="deny")

    assert (await anna.go("GET", here)).headers["Location"] == DENIED
    assert (await anna.init()).json["cache"]["state"] == "hit"
    assert (anna.session_id, sandbox.stats.total) == before
    assert await scopes(anna) == {*SCOPES}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("503-token", "unavailable"), ("cut-token", "unavailable"), ("403-me", "forbidden")],
)
async def test_a_trip_that_fails_keeps_the_old_session(
    anna: Visitor, fault: str, reason: str
) -> None:
    await anna.ready()
    await anna.init()
    sid = anna.session_id
    failing = sandbox_token(7, "typical", "legacy", fault)

    assert await anna.log_in(failing, TRIP) == f"/?login={reason}"
    assert anna.session_id == sid
    assert (await anna.init()).json["cache"]["state"] == "hit"


async def test_the_same_account_is_not_asked_to_consent_again(
    anna: Visitor, sandbox: Sandbox
) -> None:
    await anna.ready()
    await anna.init()
    first, read = anna.session_id, sandbox.stats.total

    assert await anna.log_in(query=TRIP) == GRANTED
    assert anna.session_id != first
    assert (await anna.session())["consented"]
    assert (await anna.init()).json["cache"]["state"] == "hit"
    assert sandbox.stats.total == read + 1  # whose token it is
    anna.http.cookie_jar.clear()
    ended = await anna.go("GET", "/lyra/status", headers={"Cookie": f"lyra_sid={first}"})
    assert ended.code == "session_ended"


async def test_who_had_not_consented_before_the_trip_has_not_after_it(anna: Visitor) -> None:
    await anna.log_in()

    assert await anna.log_in(query=TRIP) == GRANTED
    assert (await anna.init()).code == "consent_required"


async def test_another_account_on_the_way_takes_nothing_over(anna: Visitor) -> None:
    await anna.ready(ANNA)
    await anna.init()

    assert await anna.log_in(BORIS, TRIP) == GRANTED
    assert entries(anna) == 0
    assert (await anna.init()).code == "consent_required"
    await anna.post("/auth/consent")
    profile = (await anna.go("GET", "/lyra/profile")).json
    assert (profile["profile"]["id"], profile["cache"]["state"]) == ("typical8", "miss")


async def test_another_account_on_the_way_stops_the_answers_of_the_first(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(spotify_client_id=APP, model="fault:hang")
    async with Visitor(service) as anna:
        await anna.ready(ANNA)
        streaming = asyncio.get_running_loop().create_task(
            anna.post("/lyra/chat", json=QUESTION, headers=OWN)
        )
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        await anna.log_in(BORIS, TRIP)
        await sandbox.stats.until(lambda stats: stats.model_open == 0)

        assert b'{"type":"abort","reason":"stopped"}' in (await streaming).body


async def test_an_answer_of_the_same_account_goes_on_over_the_trip(
    start: Start, sandbox: Sandbox
) -> None:
    service = await start(spotify_client_id=APP, model="fault:hang")
    async with Visitor(service) as anna:
        await anna.ready()
        streaming = asyncio.get_running_loop().create_task(anna.post("/lyra/chat", json=QUESTION))
        await sandbox.stats.until(lambda stats: stats.model_open == 1)
        owner = service.services.lyra.listeners.key((await kept(anna)).token(0))
        assert await anna.log_in(query=TRIP) == GRANTED

        assert (sandbox.stats.model_open, service.services.runs.stats()["live"]) == (1, 1)
        assert service.services.lyra.listeners.key((await kept(anna)).token(0)) == owner
        streaming.cancel()
        await asyncio.wait([streaming])


async def test_signing_out_after_the_trip_forgets_what_was_read_before_it(anna: Visitor) -> None:
    await anna.ready()
    await anna.init()
    await anna.log_in(query=TRIP)
    assert entries(anna) == 1
    await anna.post("/auth/logout")

    assert entries(anna) == 0


async def test_what_other_scopes_have_read_goes_and_the_consent_stays(anna: Visitor) -> None:
    """A session that reads less has a key of its own, which nobody could name after the trip."""
    await come_back(anna, await anna.to_spotify(), scope="user-top-read")
    await anna.post("/auth/consent")
    await anna.init()
    old = (await kept(anna)).identity

    assert await anna.log_in(query=TRIP) == GRANTED
    assert (entries(anna), (await kept(anna)).identity == old) == (0, False)
    assert (await anna.init()).json["cache"]["state"] == "miss"


async def test_who_has_signed_out_on_the_way_consents_again(anna: Visitor) -> None:
    await anna.ready()
    sid = anna.session_id
    here = await anna.back(await anna.to_spotify(TRIP))
    cookie = f"lyra_sid={sid}; lyra_state={anna.cookie('lyra_state')}"
    await anna.post("/auth/logout")
    anna.http.cookie_jar.clear()

    answer = await anna.go("GET", here, headers={"Cookie": cookie})
    assert answer.headers["Location"] == GRANTED
    assert not (await anna.session())["consented"]


async def test_who_signs_out_as_the_trip_ends_consents_again(
    anna: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await anna.ready()
    sid, take = anna.session_id, SecretStore.take

    async def take_late(store: SecretStore[Any], secret_id: str) -> Any:
        if secret_id == sid:
            await take(store, secret_id)  # another tab was quicker
        return await take(store, secret_id)

    here = await anna.back(await anna.to_spotify(TRIP))
    monkeypatch.setattr(SecretStore, "take", take_late)

    assert (await anna.go("GET", here)).headers["Location"] == GRANTED
    assert not (await anna.session())["consented"]


async def test_forgetting_before_the_trip_is_counted_after_it(anna: Visitor) -> None:
    await anna.ready()
    assert (await anna.go("DELETE", "/lyra/session", headers=OWN)).status == 204
    await anna.log_in(query=TRIP)

    assert (await kept(anna)).forgotten == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("queries", [(TRIP, TRIP), (TRIP, PUBLIC_TRIP), (TRIP, "")])
async def test_two_tabs_each_end_as_they_began(
    anna: Visitor, order: tuple[int, int], queries: tuple[str, str]
) -> None:
    await anna.ready()
    ways = [await anna.to_spotify(query) for query in queries]
    for tab in order:
        assert await come_back(anna, ways[tab]) == (GRANTED if queries[tab] else "/")
        assert await scopes(anna) == set(ways[tab].query["scope"].split())
        assert (await anna.session())["consented"]


async def test_a_cancelled_tab_spoils_no_other(anna: Visitor) -> None:
    await anna.ready()
    first, second = [await anna.to_spotify(TRIP) for _ in range(2)]
    denied = await anna.go("GET", await anna.back(first, auto="deny"))

    assert denied.headers["Location"] == DENIED
    assert await come_back(anna, second) == GRANTED


async def test_the_state_of_a_trip_serves_once(anna: Visitor, sandbox: Sandbox) -> None:
    await anna.ready()
    here = await anna.back(await anna.to_spotify(TRIP))
    state = anna.cookie("lyra_state")
    await anna.go("GET", here)
    sid = anna.session_id
    anna.http.cookie_jar.clear()
    cookie = {"Cookie": f"lyra_sid={sid}; lyra_state={state}"}

    assert (await anna.go("GET", here, headers=cookie)).headers["Location"] == "/"
    assert (anna.session_id, sandbox.stats.logins["code"]) == (None, 2)


@pytest.mark.parametrize("smuggled", ["for=playlists", "login=playlists", f"scope={PRIVATE}"])
async def test_what_a_callback_says_of_its_purpose_is_passed_over(
    anna: Visitor, smuggled: str
) -> None:
    here = await anna.back(await anna.to_spotify())

    assert (await anna.go("GET", f"{here}&{smuggled}")).headers["Location"] == "/"
    assert await scopes(anna) == {*SCOPES}


async def test_trips_end_no_other_session_of_the_account(start: Start) -> None:
    service = await start(rate_per_minute=1000, spotify_client_id=APP)
    async with Visitor(service) as anna:
        sessions = []
        for _ in range(10):
            anna.http.cookie_jar.clear()
            await anna.ready()
            sessions.append(anna.session_id)
        anna.http.cookie_jar.clear()
        anna.http.cookie_jar.update_cookies({"lyra_sid": sessions[0] or ""}, URL(service.url))

        assert await anna.log_in(query=TRIP) == GRANTED
        assert (await anna.session())["consented"]
        anna.http.cookie_jar.clear()
        for sid in sessions[1:]:
            answer = await anna.go("GET", "/auth/session", headers={"Cookie": f"lyra_sid={sid}"})
            assert answer.json["signed_in"]
