"""The log-in over the socket: there and back, who is here, what goes wrong on the way."""

from collections.abc import AsyncIterator

import pytest
from yarl import URL

from lyra.sandbox import Sandbox, sandbox_token
from lyra.web.login.outcomes import OUTCOME_MESSAGES
from tests.conftest import APP, Service, Start
from tests.support.calls import call, raw, request_bytes
from tests.support.visitors import ANNA, BORIS, OWN, Clock, Visitor


@pytest.fixture
async def service(start: Start) -> Service:
    return await start(spotify_client_id=APP)


@pytest.fixture
async def anna(service: Service) -> AsyncIterator[Visitor]:
    async with Visitor(service) as visitor:
        yield visitor


async def test_the_redirect_has_state_pkce_challenge_and_least_scopes(anna: Visitor) -> None:
    query = (await anna.to_spotify()).query

    assert query["client_id"] == APP
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    assert query["redirect_uri"] == f"{anna.service.url}/auth/callback"
    assert query["scope"].split() == [
        "user-top-read",
        "user-read-recently-played",
        "playlist-read-private",
        "playlist-read-collaborative",
    ]
    assert query["state"] == anna.cookie("lyra_state")


async def test_a_log_in_ends_on_the_page_without_a_name(anna: Visitor) -> None:
    assert await anna.log_in() == "/"

    session = await anna.session()
    assert session["signed_in"]
    assert "name" not in session
    assert not session["consented"]
    assert "user-top-read" in session["scopes"]
    assert anna.cookie("lyra_state") is None


async def test_nothing_is_read_before_the_listener_agrees(anna: Visitor, sandbox: Sandbox) -> None:
    await anna.log_in()
    before = sandbox.stats.total
    refused = [await anna.init(), await anna.chat(), await anna.go("GET", "/lyra/profile")]

    assert {(each.status, each.code) for each in refused} == {(403, "consent_required")}
    assert {each.json["error"]["action"] for each in refused} == {"consent"}
    assert sandbox.stats.total == before

    session = await anna.session()
    shown = {name: session[name] for name in ("model", "context", "provider")}
    assert (await anna.post("/auth/consent", json=shown)).status == 204
    assert (await anna.session())["consented"]
    assert (await anna.init()).status == 200
    assert (await anna.chat()).json["cache"]["state"] == "hit"


async def test_who_was_shown_another_model_has_not_agreed(anna: Visitor) -> None:
    await anna.log_in()

    refused = await anna.post("/auth/consent", json={"model": "another"})

    assert (refused.status, refused.code) == (400, "invalid_request")
    assert not (await anna.session())["consented"]


async def test_the_cookies_are_out_of_scripts_reach(anna: Visitor) -> None:
    start = await anna.go("GET", "/auth/login")
    here = await anna.back(URL(start.headers["Location"]))
    end = await anna.go("GET", here)

    for cookie in (*start.headers.getall("Set-Cookie"), *end.headers.getall("Set-Cookie")):
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
    assert len(anna.session_id or "") == 43


async def test_on_https_the_cookies_are_secure_and_bound_to_the_host(
    start: Start,
) -> None:
    service = await start(public_url="https://app.invalid", spotify_client_id=APP)
    async with Visitor(service) as visitor:
        answer = await visitor.go("GET", "/auth/login")

    (cookie,) = answer.headers.getall("Set-Cookie")
    assert cookie.startswith("__Host-lyra-state=")
    assert {"Secure", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    query = URL(answer.headers["Location"]).query
    assert query["redirect_uri"] == "https://app.invalid/auth/callback"


async def test_a_second_log_in_has_another_id_and_ends_the_first(anna: Visitor) -> None:
    await anna.log_in()
    first = anna.session_id
    await anna.log_in()

    assert anna.session_id != first
    anna.http.cookie_jar.clear()
    anna.http.cookie_jar.update_cookies({"lyra_sid": first or ""}, URL(anna.service.url))
    assert not (await anna.session())["signed_in"]


async def test_who_cancels_is_told_so(anna: Visitor) -> None:
    here = await anna.back(await anna.to_spotify(), auto="deny")

    assert (await anna.go("GET", here)).headers["Location"] == "/?login=denied"
    assert not (await anna.session())["signed_in"]


async def test_a_state_serves_once(anna: Visitor, service: Service) -> None:
    here = await anna.back(await anna.to_spotify())
    state = anna.cookie("lyra_state")
    await anna.go("GET", here)
    anna.http.cookie_jar.clear()
    anna.http.cookie_jar.update_cookies({"lyra_state": state or ""}, URL(service.url))

    assert (await anna.go("GET", here)).headers["Location"] == "/?login=expired"
    assert anna.session_id is None


async def test_a_state_serves_only_the_browser_that_began(anna: Visitor, service: Service) -> None:
    here = await anna.back(await anna.to_spotify())
    async with Visitor(service) as mallory:
        await mallory.to_spotify()
        for query in (here, here.replace("state=", "state=x"), "/auth/callback", "?state=%FF"):
            answer = await mallory.go("GET", query if "/" in query else f"/auth/callback{query}")
            assert answer.headers["Location"] == "/?login=expired"
        assert mallory.session_id is None


@pytest.mark.parametrize("cookie", [b"\xff", b"a=b;;=", b'"', b"\xc3\xa9", b"x" * 1000])
async def test_cookies_that_are_no_text_are_nobodys(service: Service, cookie: bytes) -> None:
    lines = (b"Cookie: lyra_state=%b; lyra_sid=%b" % (cookie, cookie),)
    back = await raw(service, request_bytes(service, "GET", "/auth/callback?state=x", *lines))
    here = await raw(service, request_bytes(service, "GET", "/auth/session", *lines))

    assert (back.status, back.headers["Location"]) == (303, "/?login=expired")
    assert (here.status, here.json["signed_in"]) == (200, False)


async def test_a_state_is_too_old_after_ten_minutes(start: Start, sandbox: Sandbox) -> None:
    clock = Clock()
    async with Visitor(await start(clock=clock, spotify_client_id=APP)) as anna:
        here = await anna.back(await anna.to_spotify())
        clock.now += 600

        assert (await anna.go("GET", here)).headers["Location"] == "/?login=expired"
    assert sandbox.stats.logins["code"] == 0


async def test_a_code_that_spotify_refuses(anna: Visitor) -> None:
    here = await anna.back(await anna.to_spotify())

    answer = await anna.go("GET", str(URL(here).update_query(code="another")))
    assert answer.headers["Location"] == "/?login=refused"


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [
        ("503-token", "unavailable"),
        ("429-7-token", "unavailable"),
        ("hang-token", "unavailable"),
        ("reset-token", "unavailable"),
        ("cut-token", "unavailable"),
        ("html-token", "unavailable"),
        ("403text-me", "not_listed"),
        ("403check-me", "not_listed"),
        ("403premium-me", "owner"),
        ("403-me", "forbidden"),
        ("503-me", "unavailable"),
        ("401-me", "refused"),
    ],
)
async def test_what_goes_wrong_at_spotify_is_a_sentence_on_the_page(
    start: Start, fault: str, trouble: str
) -> None:
    service = await start(spotify_timeout_s=0.5, spotify_client_id=APP)
    async with Visitor(service) as visitor:
        where = await visitor.log_in(sandbox_token(7, "typical", "legacy", fault))
        assert where == f"/?login={trouble}"
        assert visitor.session_id is None
        page = await visitor.go("GET", where)

    assert OUTCOME_MESSAGES[trouble].replace("'", "&#x27;").encode() in page.body


async def test_an_accounts_server_that_is_away(start: Start) -> None:
    away = "http://127.0.0.1:9"
    async with Visitor(await start(spotify_client_id=APP, spotify_accounts_url=away)) as visitor:
        there = await visitor.to_spotify()
        state = there.query["state"]

        answer = await visitor.go("GET", f"/auth/callback?code=anything&state={state}")
    assert answer.headers["Location"] == "/?login=unavailable"


async def test_a_client_id_that_spotify_does_not_know(start: Start) -> None:
    service = await start(spotify_client_id="another-client")
    async with Visitor(service) as visitor:
        state = (await visitor.to_spotify()).query["state"]
        answer = await visitor.go("GET", f"/auth/callback?error=invalid_scope&state={state}")

    assert answer.headers["Location"] == "/?login=misconfigured"


async def test_logging_out_forgets_the_session_and_the_data(anna: Visitor) -> None:
    await anna.ready()
    await anna.init()
    assert (await anna.go("GET", "/lyra/status")).json["cache_ready"]
    sid = anna.session_id or ""

    assert (await anna.post("/auth/logout")).status == 204
    assert anna.session_id is None
    anna.http.cookie_jar.update_cookies({"lyra_sid": sid}, URL(anna.service.url))
    ended = await anna.init()
    assert (ended.status, ended.code, ended.json["error"]["action"]) == (
        401,
        "session_ended",
        "reauthorize",
    )
    assert anna.service.services.lyra.listeners.stats()["entries"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://elsewhere.invalid"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "OWN"},
    ],
)
async def test_another_sites_page_changes_nothing_with_the_cookie(
    anna: Visitor, headers: dict[str, str]
) -> None:
    await anna.ready()
    sent = {name: value.replace("OWN", anna.service.url) for name, value in headers.items()}
    for method, path in (
        ("POST", "/lyra/init"),
        ("POST", "/lyra/chat"),
        ("POST", "/lyra/agui"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/lyra/chat/run_x/stop"),
        ("DELETE", "/lyra/session"),
        ("POST", "/auth/consent"),
        ("POST", "/auth/logout"),
    ):
        refused = await anna.go(method, path, headers=sent)
        assert (refused.status, refused.code) == (403, "cross_site"), path
    assert (await anna.session())["consented"]


async def test_a_matching_origin_does_for_browsers_that_send_no_more(anna: Visitor) -> None:
    await anna.ready()

    answer = await anna.post("/lyra/init", headers={"Origin": anna.service.url})
    assert answer.status == 200


async def test_a_header_wins_over_the_cookie(anna: Visitor) -> None:
    await anna.ready(ANNA)
    with_header = {"Authorization": f"Bearer {BORIS}"}

    boris = (await anna.go("GET", "/lyra/profile", headers=with_header)).json
    anna_own = (await anna.go("GET", "/lyra/profile")).json
    assert (boris["profile"]["id"], anna_own["profile"]["id"]) == ("typical8", "typical7")


async def test_a_wrong_header_is_not_mended_by_the_cookie(anna: Visitor) -> None:
    await anna.ready()

    answer = await anna.post("/lyra/init", headers={**OWN, "Authorization": "Basic eA=="})
    assert (answer.status, answer.code) == (401, "malformed_token")


async def test_without_a_client_id_there_is_no_log_in(start: Start) -> None:
    service = await start()
    async with Visitor(service) as visitor:
        assert (await visitor.go("GET", "/auth/login")).status == 404
        assert not (await visitor.session())["connect"]
        visitor.http.cookie_jar.update_cookies({"lyra_sid": "x" * 43}, URL(service.url))
        assert (await visitor.init()).code == "missing_token"


async def test_a_demo_has_personas_and_no_log_in(start: Start) -> None:
    service = await start(demo_token=ANNA, spotify_client_id=APP)
    session = (await call(service, "GET", "/auth/session")).json

    assert session["demo"]
    assert not session["connect"]
    assert [each["token"] for each in session["demo_tokens"]] == [ANNA]
    assert (await call(service, "GET", "/auth/login")).status == 404


@pytest.mark.parametrize("path", ["/", "/auth/login", "/?login=denied"])
async def test_localhost_is_sent_to_the_address_that_spotify_knows(
    service: Service, path: str
) -> None:
    port = URL(service.url).port
    answer = await call(
        service, "GET", path, headers={"Host": f"localhost:{port}"}, allow_redirects=False
    )

    assert answer.status == 307
    assert answer.headers["Location"] == f"http://127.0.0.1:{port}{path}"


async def test_a_host_that_spotify_would_refuse_redirects_nobody(
    start: Start,
) -> None:
    service = await start(allowed_hosts=("lyra.lan", "127.0.0.1"), spotify_client_id=APP)
    answer = await call(
        service, "GET", "/auth/login", headers={"Host": "lyra.lan:8080"}, allow_redirects=False
    )

    assert answer.headers["Location"] == "/?login=address"


async def test_a_cooldown_met_at_a_log_ins_profile_holds_for_all(
    service: Service, anna: Visitor, sandbox: Sandbox
) -> None:
    async with Visitor(service) as boris:
        await boris.ready(BORIS)
        await anna.log_in(sandbox_token(7, "typical", "legacy", "429-3600-me"))
        before = sandbox.stats.total
        refused = await boris.init()
        assert sandbox.stats.total == before
    bearer = await call(service, "POST", "/lyra/init", headers=service.headers(sandbox_token(9)))

    assert (refused.status, refused.code) == (503, "spotify_rate_limited")
    assert bearer.status == 200
