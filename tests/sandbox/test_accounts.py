"""The login as a client goes through it, over a socket."""

import aiohttp
import pytest

from lyra.sandbox import SCOPES, Sandbox, sandbox_token
from lyra.sandbox.accounts import REFRESH_S, challenge
from tests.support.sandbox_login import ALL, VERIFIER, Client, refusal, returned


@pytest.fixture
def client(sandbox: Sandbox, session: aiohttp.ClientSession) -> Client:
    return Client(sandbox, session)


async def test_a_login_ends_in_a_token_that_reads_the_listener(client: Client) -> None:
    tokens = await client.log_in(sandbox_token(12, "heavy", "legacy"))

    me = await client.spotify.get_with("me", tokens["access_token"])
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 3600, ALL)
    assert (me.status, me.json["id"]) == (200, "heavy12")
    assert client.sandbox.stats.logins == {"authorize": 1, "code": 1, "refresh": 0}


async def test_the_browser_comes_back_with_the_state_it_left_with(client: Client) -> None:
    assert returned(await client.authorize(state="a b&c"))["state"] == "a b&c"
    assert set(returned(await client.authorize(state=None))) == {"code"}


async def test_a_listener_who_cancels_comes_back_without_a_code(client: Client) -> None:
    told = returned(await client.authorize(auto="deny"))

    assert told == {"error": "access_denied", "state": "abc123"}


async def test_without_auto_a_page_asks_first(client: Client) -> None:
    answer = await client.authorize(auto=None, state='"><script>alert(1)</script>')

    assert (answer.status, answer.content_type) == (200, "text/html")
    page = await answer.text()
    assert "user-top-read" in page
    assert 'name="auto" value="deny"' in page
    assert "<script>" not in page


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"client_id": "nobody"}, "INVALID_CLIENT: Invalid client"),
        ({"redirect_uri": "http://localhost:8080/callback"}, "Insecure redirect URI"),
        ({"redirect_uri": "http://app.invalid/callback"}, "Insecure redirect URI"),
        ({"redirect_uri": "https://app.invalid/other"}, "Invalid redirect URI"),
        ({"redirect_uri": None}, "Insecure redirect URI"),
        ({"listener": "sandbox.7.nobody.restricted"}, "nobody"),
    ],
)
async def test_a_client_that_is_not_known_is_not_redirected_to(
    client: Client, changes: dict[str, str | None], told: str
) -> None:
    answer = await client.authorize(**changes)

    assert answer.status == 400
    assert told in await answer.text()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "user-top-read playlist-read"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
    ],
)
async def test_a_request_that_cannot_be_granted_comes_back_with_an_error(
    client: Client, changes: dict[str, str | None], error: str
) -> None:
    assert returned(await client.authorize(**changes)) == {"error": error, "state": "abc123"}


async def test_every_scope_of_spotify_can_be_granted(client: Client) -> None:
    scope = " ".join(sorted(SCOPES))

    assert len(SCOPES) == 19
    assert (await client.log_in(scope=scope))["scope"] == scope


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant", "code_verifier was incorrect"),
        ({"code_verifier": challenge(VERIFIER)}, "invalid_grant", "code_verifier was incorrect"),
        ({"code_verifier": "short"}, "invalid_grant", "code_verifier was incorrect"),
        ({"redirect_uri": "http://127.0.0.1:8081/callback"}, "invalid_grant",
         "Invalid redirect URI"),
        ({"client_id": "another"}, "invalid_client", "Invalid client"),
        ({"code": "AQinvented"}, "invalid_grant", "Invalid authorization code"),
    ],
)  # fmt: skip
async def test_a_code_is_good_only_with_all_that_it_was_asked_with(
    client: Client, changes: dict[str, str], error: str, told: str
) -> None:
    code = await client.code()

    answer = await client.exchange(**{"code": code, **changes})

    assert refusal(answer) == (400, error, told)


async def test_the_challenge_is_that_of_the_rfc() -> None:
    # RFC 7636, appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_a_code_is_good_for_one_attempt(client: Client) -> None:
    used, failed = await client.code(), await client.code()
    assert (await client.exchange(used)).status == 200
    assert (await client.exchange(failed, code_verifier="w" * 43)).status == 400

    again = [refusal(await client.exchange(code))[2] for code in (used, failed)]

    assert again == ["Invalid authorization code"] * 2


async def test_a_code_lasts_ten_minutes(client: Client) -> None:
    early, late = await client.code(), await client.code()

    client.sandbox.clock.advance(599)
    assert (await client.exchange(early)).status == 200
    client.sandbox.clock.advance(1)

    assert refusal(await client.exchange(late))[1] == "invalid_grant"


async def test_an_access_token_lasts_an_hour_of_the_sandboxs_clock(client: Client) -> None:
    access = (await client.log_in())["access_token"]

    client.sandbox.clock.advance(3599)
    before = await client.spotify.get_with("me", access)
    client.sandbox.clock.advance(1)
    after = await client.spotify.get_with("me", access)

    assert (before.status, after.status) == (200, 401)


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("", {"me"}),
        ("user-top-read", {"me", "artists", "tracks"}),
        ("user-read-recently-played", {"me", "recent"}),
        ("playlist-read-private", {"me", "playlists"}),
        (ALL, {"me", "artists", "tracks", "recent", "playlists"}),
    ],
)
async def test_an_access_token_reads_what_its_scopes_allow(
    client: Client, scope: str, allowed: set[str]
) -> None:
    access = (await client.log_in(scope=scope))["access_token"]

    answers = {
        name: await client.spotify.get_with(name, access)
        for name in ("me", "artists", "tracks", "recent", "playlists")
    }

    assert {name for name, answer in answers.items() if answer.status == 200} == allowed
    refused = [answer.json["error"] for answer in answers.values() if answer.status != 200]
    assert all(each == {"status": 403, "message": "Insufficient client scope"} for each in refused)


async def test_a_refresh_gives_new_tokens_and_kills_the_old_refresh_token(client: Client) -> None:
    first = await client.log_in()

    second = (await client.refresh(first["refresh_token"])).json
    again = await client.refresh(first["refresh_token"])

    assert len({first["access_token"], second["access_token"], second["refresh_token"]}) == 3
    assert refusal(again) == (400, "invalid_grant", "Refresh token revoked")
    assert (await client.refresh(second["refresh_token"])).status == 200
    for tokens in (first, second):
        assert (await client.spotify.get_with("me", tokens["access_token"])).status == 200


async def test_a_refresh_adds_no_scopes(client: Client) -> None:
    tokens = await client.log_in(scope="user-top-read")

    refreshed = await client.refresh(tokens["refresh_token"], scope=ALL)

    assert refreshed.json["scope"] == "user-top-read"


async def test_refreshing_does_not_lengthen_the_six_months(client: Client) -> None:
    token = (await client.log_in())["refresh_token"]
    for _ in range(2):
        client.sandbox.clock.advance(REFRESH_S // 2 - 1)
        token = (await client.refresh(token)).json["refresh_token"]

    client.sandbox.clock.advance(2)

    assert refusal(await client.refresh(token)) == (400, "invalid_grant", "Refresh token revoked")


async def test_another_client_cannot_use_a_refresh_token_nor_spoil_it(client: Client) -> None:
    token = (await client.log_in())["refresh_token"]

    stolen = await client.refresh(token, client_id="another")

    assert refusal(stolen) == (400, "invalid_client", "Invalid client")
    assert (await client.refresh(token)).status == 200


async def test_a_revoked_listener_cannot_be_refreshed(client: Client) -> None:
    tokens = await client.log_in(sandbox_token(7, "typical", "restricted", "revoked-1"))
    first = await client.spotify.get_with("me", tokens["access_token"])
    refreshed = await client.refresh(tokens["refresh_token"])
    second = await client.spotify.get_with("me", tokens["access_token"])

    assert (first.status, second.status) == (200, 401)
    assert refusal(refreshed)[1:] == ("invalid_grant", "Refresh token revoked")


async def test_faults_are_counted_from_login_to_login(client: Client) -> None:
    listener = sandbox_token(7, "typical", "restricted", "once503-me")
    one, other = await client.log_in(listener), await client.log_in(listener)
    first = await client.spotify.get_with("me", one["access_token"])
    refreshed = (await client.refresh(one["refresh_token"])).json

    second = await client.spotify.get_with("me", refreshed["access_token"])
    third = await client.spotify.get_with("me", other["access_token"])

    assert (first.status, second.status, third.status) == (503, 200, 503)


async def test_the_token_endpoint_fails_only_where_a_fault_names_it(client: Client) -> None:
    named = sandbox_token(7, "typical", "restricted", "once503-token")
    general = sandbox_token(7, "typical", "restricted", "500")
    code = await client.code(listener=named)

    first, second = await client.exchange(code), await client.exchange(code)
    other = await client.exchange(await client.code(listener=general))

    assert (first.status, second.status, other.status) == (503, 200, 200)


async def test_an_answer_that_is_lost_takes_the_old_refresh_token_with_it(client: Client) -> None:
    listener = sandbox_token(7, "typical", "restricted", "reset-token~2+1")
    token = (await client.log_in(listener))["refresh_token"]

    with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
        await client.refresh(token)

    assert refusal(await client.refresh(token))[1] == "invalid_grant"


async def test_a_grant_of_another_type_is_refused(client: Client) -> None:
    answer = await client.token(grant_type="client_credentials")

    assert refusal(answer)[:2] == (400, "unsupported_grant_type")


async def test_tokens_may_be_read_by_a_page_and_kept_by_nobody(client: Client) -> None:
    answer = await client.exchange(await client.code())

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_test_can_have_tokens_without_the_login(client: Client) -> None:
    tokens = client.sandbox.log_in(sandbox_token(3, "heavy"), "user-top-read")

    assert set(tokens) == set(await client.log_in())
    answers = [
        await client.spotify.get_with(name, tokens["access_token"]) for name in ("me", "recent")
    ]
    assert [each.status for each in answers] == [200, 403]
    with pytest.raises(ValueError, match="none of Spotify's"):
        client.sandbox.log_in(scope="playlist-read")


async def test_two_sandboxes_issue_the_same_tokens_for_the_same_requests(
    session: aiohttp.ClientSession,
) -> None:
    async with Sandbox() as one, Sandbox() as two:
        assert await Client(one, session).log_in() == await Client(two, session).log_in()
