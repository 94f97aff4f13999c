"""Log-ins as browsers really do them: in two tabs, guessed ahead, loaded again, by odd addresses."""

from collections.abc import AsyncIterator

import pytest
from yarl import URL

from lyra.sandbox import Sandbox
from tests.conftest import APP, Service, Start
from tests.support.calls import call
from tests.support.visitors import Visitor

AHEAD = [
    {"Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"Purpose": "prefetch"},
    {"X-Moz": "prefetch"},
    {"X-Purpose": "preview"},
]


@pytest.fixture
async def service(start: Start) -> Service:
    return await start(spotify_client_id=APP)


@pytest.fixture
async def anna(service: Service) -> AsyncIterator[Visitor]:
    async with Visitor(service) as visitor:
        yield visitor


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_two_tabs_of_one_browser_may_log_in(anna: Visitor, order: tuple[int, int]) -> None:
    ways = [await anna.to_spotify() for _ in range(2)]
    for tab in order:
        here = await anna.back(ways[tab])
        assert (await anna.go("GET", here)).headers["Location"] == "/"
        assert (await anna.session())["signed_in"]
    assert anna.cookie("lyra_state") is None


async def test_a_tab_that_fails_spoils_no_other(anna: Visitor) -> None:
    first, second = [await anna.to_spotify() for _ in range(2)]
    denied = await anna.go("GET", await anna.back(first, auto="deny"))
    stranger = await anna.go("GET", "/auth/callback?code=x&state=x")
    here = await anna.back(second)

    assert denied.headers["Location"] == "/?login=denied"
    assert stranger.headers["Location"] == "/?login=expired"
    assert (await anna.go("GET", here)).headers["Location"] == "/"


async def test_a_browser_brings_the_states_of_its_last_four_tabs(anna: Visitor) -> None:
    ways = [await anna.to_spotify() for _ in range(6)]

    assert (anna.cookie("lyra_state") or "").split(".") == [
        each.query["state"] for each in ways[2:]
    ]


@pytest.mark.parametrize("headers", AHEAD)
async def test_a_browser_that_looks_ahead_spends_nothing(
    anna: Visitor, sandbox: Sandbox, headers: dict[str, str]
) -> None:
    here = await anna.back(await anna.to_spotify())
    begun = anna.service.services.metrics.render()
    ahead = [await anna.go("GET", each, headers=headers) for each in (here, "/auth/login")]

    assert [(each.status, each.headers["Cache-Control"]) for each in ahead] == [
        (503, "no-store"),
        (503, "no-store"),
    ]
    assert sandbox.stats.logins["code"] == 0
    assert b"lyra_logins_begun_total 1.0" in begun
    assert b"lyra_logins_begun_total 1.0" in anna.service.services.metrics.render()
    assert (await anna.go("GET", here)).headers["Location"] == "/"


async def test_a_question_about_the_head_alone_spends_nothing(
    anna: Visitor, sandbox: Sandbox
) -> None:
    here = await anna.back(await anna.to_spotify())
    await anna.go("HEAD", here)

    assert sandbox.stats.logins["code"] == 0
    assert (await anna.go("GET", here)).headers["Location"] == "/"


async def test_who_is_in_and_comes_back_once_more_goes_home(
    anna: Visitor, sandbox: Sandbox
) -> None:
    here = await anna.back(await anna.to_spotify())
    await anna.go("GET", here)
    sid = anna.session_id
    again = await anna.go("GET", here)

    assert again.headers["Location"] == "/"
    assert (anna.session_id, sandbox.stats.logins["code"]) == (sid, 1)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        ("server_error", "unavailable"),
        ("temporarily_unavailable", "unavailable"),
        ("access_denied", "denied"),
        ("invalid_scope", "misconfigured"),
        ("unauthorized_client", "misconfigured"),
    ],
)
async def test_a_callback_reports_whether_its_failure_is_transient(
    anna: Visitor, error: str, trouble: str
) -> None:
    state = (await anna.to_spotify()).query["state"]
    answer = await anna.go("GET", f"/auth/callback?error={error}&state={state}")

    assert answer.headers["Location"] == f"/?login={trouble}"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]"])
@pytest.mark.parametrize(
    "port", ["99999", "65536", "000000080", "0" * 40, "9" * 5000, "٣", "", "-1"]
)
@pytest.mark.parametrize("path", ["/", "/auth/login", "/auth/callback", "/auth/session"])
async def test_no_port_of_a_host_breaks_a_request(
    start: Start, name: str, port: str, path: str
) -> None:
    service = await start(spotify_client_id=APP, allowed_hosts=("127.0.0.1", "localhost", "[::1]"))
    headers = {"Host": f"{name}:{port}"}
    answer = await call(service, "GET", path, headers=headers, allow_redirects=False)

    assert answer.status in (200, 303, 307, 400, 421), answer.body
    assert URL(answer.headers.get("Location", "/")).host in (None, "127.0.0.1")
