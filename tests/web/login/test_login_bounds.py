"""No account and no address takes the log-ins of others away by having ever more of its own."""

from itertools import chain, combinations, islice

import msgspec
import pytest

from lyra.sandbox import sandbox_token
from lyra.spotify.oauth import SCOPES as ASKED
from lyra.web.login.session_store import Session
from tests.conftest import APP, Start
from tests.support.visitors import ANNA, Clock, Visitor

SCOPES = (*ASKED, "user-library-read", "user-follow-read")


async def enter(anna: Visitor, listener: str = ANNA) -> str:
    """Log in as from a new browser; the id of its session, or empty."""
    anna.http.cookie_jar.clear()
    await anna.log_in(listener)
    return anna.session_id or ""


async def enter_with(anna: Visitor, scope: str) -> str:
    """The same with other scopes than Lyra asks for: they stand in an address that anybody edits."""
    anna.http.cookie_jar.clear()
    there = (await anna.to_spotify()).update_query(scope=scope)
    await anna.go("GET", await anna.back(there))
    return anna.session_id or ""


def subsets(scopes: tuple[str, ...], many: int) -> list[str]:
    """So many different choices of these, the smallest first."""
    sizes = range(len(scopes) + 1)
    chosen = chain.from_iterable(combinations(scopes, size) for size in sizes)
    return [" ".join(each) for each in islice(chosen, many)]


async def is_in(anna: Visitor, sid: str) -> bool:
    anna.http.cookie_jar.clear()
    answer = await anna.go("GET", "/auth/session", headers={"Cookie": f"lyra_sid={sid}"})
    return bool(answer.json["signed_in"])


async def test_an_account_has_ten_sessions_and_evicts_its_own_oldest(start: Start) -> None:
    async with Visitor(await start(max_sessions=30, spotify_client_id=APP)) as anna:
        others = [await enter(anna, sandbox_token(seed)) for seed in range(20, 26)]
        own = [await enter(anna) for _ in range(40)]

        assert [await is_in(anna, each) for each in others] == [True] * 6
        assert [await is_in(anna, each) for each in own] == [False] * 30 + [True] * 10


async def test_an_account_has_ten_sessions_whatever_their_scopes(
    start: Start,
) -> None:
    async with Visitor(await start(max_sessions=30, spotify_client_id=APP)) as anna:
        others = [await enter(anna, sandbox_token(seed)) for seed in range(20, 26)]
        own = [await enter_with(anna, scope) for scope in subsets(SCOPES, 32)]

        assert len(set(own)) == 32
        assert [await is_in(anna, each) for each in others] == [True] * 6
        assert [await is_in(anna, each) for each in own] == [False] * 22 + [True] * 10


async def test_log_ins_of_fewer_scopes_count_for_their_account(
    start: Start,
) -> None:
    service = await start(clock=Clock(), rate_per_minute=12, spotify_client_id=APP)
    async with Visitor(service) as anna:
        entered = [bool(await enter_with(anna, scope)) for scope in subsets(SCOPES, 16)]

    assert entered == [True] * 12 + [False] * 4


def test_sessions_of_the_former_version_count_for_their_account() -> None:
    """Redis may hold some for a month: they have a name, and nothing that stands for the account."""

    def kept(identity: str) -> bytes:
        tokens, times = ("access", "refresh"), (0.0, 3600.0, 86_400.0)
        return msgspec.msgpack.encode(
            (identity, "Vesna", (), *tokens, *times, "agreed", 0, "", 0.0)
        )

    sessions = [
        msgspec.msgpack.decode(kept(identity), type=Session) for identity in ("anna", "boris")
    ]
    assert len({each.owner for each in sessions}) == 2


async def test_a_session_that_was_signed_out_of_counts_no_more(start: Start) -> None:
    async with Visitor(await start(spotify_client_id=APP)) as anna:
        first = await enter(anna)
        for _ in range(12):
            await enter(anna)
            await anna.post("/auth/logout")

        assert await is_in(anna, first)


async def test_log_ins_of_one_account_come_to_an_end_so_often_a_minute(start: Start) -> None:
    clock = Clock()
    service = await start(clock=clock, rate_per_minute=12, spotify_client_id=APP)
    async with Visitor(service) as anna:
        entered = [await enter(anna) for _ in range(14)]
        trouble = await anna.log_in()
        other = await enter(anna, sandbox_token(20))
        clock.now += 5

        assert [bool(each) for each in entered] == [True] * 12 + [False] * 2
        assert trouble == "/?login=busy"
        assert other
        assert await enter(anna)


async def test_an_address_beginning_many_log_ins_evicts_its_own(start: Start) -> None:
    service = await start(max_sessions=100, trusted_proxies=("127.0.0.1",), spotify_client_id=APP)
    async with Visitor(service) as anna:
        there = await anna.go("GET", "/auth/login", headers={"X-Forwarded-For": "203.0.113.7"})
        state = there.headers["Location"].partition("state=")[2].partition("&")[0]
        cookie = {"Cookie": f"lyra_state={state}"}
        for _ in range(150):
            anna.http.cookie_jar.clear()
            await anna.go("GET", "/auth/login", headers={"X-Forwarded-For": "198.51.100.9"})

        anna.http.cookie_jar.clear()
        answer = await anna.go(
            "GET", f"/auth/callback?error=access_denied&state={state}", headers=cookie
        )
    assert answer.headers["Location"] == "/?login=denied"


@pytest.mark.parametrize("seeds", [(1, 40)])
async def test_log_ins_of_one_address_come_to_an_end_so_often_a_minute(
    start: Start, seeds: tuple[int, int]
) -> None:
    service = await start(clock=Clock(), rate_per_minute=6, spotify_client_id=APP)
    async with Visitor(service) as anna:
        entered = [bool(await enter(anna, sandbox_token(seed))) for seed in range(*seeds)]

    assert entered == [True] * 30 + [False] * 9
