"""Spotify's accounts service over the wire: what is sent, what is taken, what every fault means."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
import pytest
from aiohttp import web

from lyra.sandbox import CLIENT_ID, Sandbox, sandbox_token
from lyra.settings import Settings
from lyra.spotify.oauth import SCOPES, AccountsClient, GrantError, open_accounts
from lyra.spotify.token import LoginToken, Token
from tests.conftest import settle
from tests.support.fault_kit import scripted

CANARY = "canary-7f3a9c51-never-shown"
GRANTED = {
    "access_token": "BQ-an-access-token",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "AQ-another",
    "scope": "user-top-read",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def client_of(url: str, timeout_s: float = 5) -> AsyncIterator[AccountsClient]:
    settings = Settings(
        spotify_accounts_url=url, spotify_client_id=CLIENT_ID, spotify_timeout_s=timeout_s
    )
    async with open_accounts(settings) as client:
        assert client is not None
        yield client


@asynccontextmanager
async def answering(handler: Handler, timeout_s: float = 5) -> AsyncIterator[AccountsClient]:
    """A client of a server that answers like this."""
    app = web.Application()
    app.router.add_post("/api/token", handler)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        async with client_of(f"http://{host}:{port}", timeout_s) as client:
            yield client
    finally:
        await runner.cleanup()


def saying(status: int, body: object, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        sent = body if isinstance(body, bytes) else orjson.dumps(body)
        return web.Response(status=status, body=sent, headers=headers)

    return answer


async def test_a_refresh_token_is_exchanged_for_the_next(sandbox: Sandbox) -> None:
    first = sandbox.log_in(sandbox_token(), " ".join(SCOPES))
    async with client_of(sandbox.accounts_url) as client:
        grant = await client.refresh(first["refresh_token"])

        assert grant.refresh_token not in (None, first["refresh_token"])
        assert set(grant.scopes(requested=())) == set(SCOPES)
        with pytest.raises(GrantError) as refused:
            await client.refresh(first["refresh_token"])
    assert refused.value.kind == "refused"


async def test_who_is_expected_finds_a_connection_that_is_open() -> None:
    """Nothing is sent over it before, and a second one that is expected meanwhile needs no other."""
    answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    async with scripted((answer,)) as server, client_of(server.url) as client:
        client.prewarm()
        client.prewarm()
        while not server.connections:  # noqa: ASYNC110 - the server rings no bell
            await asyncio.sleep(0)
        await settle()
        before = len(server.requests)
        with pytest.raises(GrantError):
            await client.exchange("code", verifier="v", redirect_uri="http://127.0.0.1/")

    assert (before, len(server.requests), server.connections) == (0, 1, 1)


async def test_without_a_client_id_there_is_no_client() -> None:
    async with open_accounts(Settings()) as client:
        assert client is None


async def test_no_new_refresh_token_means_the_old_one_stays() -> None:
    grant = {name: value for name, value in GRANTED.items() if name != "refresh_token"}
    async with answering(saying(200, grant)) as client:
        assert (await client.refresh("AQ-old")).refresh_token is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant", "error_description": "Refresh token revoked"}, "refused"),
        (400, {"error": "invalid_client"}, "misconfigured"),
        (401, {"error": "invalid_client"}, "misconfigured"),
        (400, b"<html>", "unavailable"),
        (400, b"[" * 10_000, "unavailable"),
        (500, {"error": "invalid_grant"}, "unavailable"),
        (503, b"", "unavailable"),
        (429, b"", "unavailable"),
        (302, b"", "unavailable"),
        (404, b"", "unavailable"),
        (200, b"", "unavailable"),
        (200, b"null", "unavailable"),
        (200, {**GRANTED, "access_token": ""}, "unavailable"),
        (200, {**GRANTED, "access_token": "a token with\r\nlines"}, "unavailable"),
        (200, {**GRANTED, "token_type": "mac"}, "unavailable"),
        (200, {**GRANTED, "expires_in": 0}, "unavailable"),
        (200, {**GRANTED, "expires_in": "soon"}, "unavailable"),
        (200, {**GRANTED, "refresh_token": "r" * 5000}, "unavailable"),
        (200, orjson.dumps(GRANTED) + b" " * 100_000, "unavailable"),
    ],
)
async def test_what_is_no_grant_is_one_of_three_failures(
    status: int, body: object, kind: str
) -> None:
    async with answering(saying(status, body, Location="/elsewhere")) as client:
        with pytest.raises(GrantError) as failure:
            await client.refresh("AQ-old")

    assert failure.value.kind == kind


async def test_a_pause_that_spotify_asks_for_is_passed_on() -> None:
    async with answering(saying(429, b"", **{"Retry-After": "7"})) as client:
        with pytest.raises(GrantError) as failure:
            await client.refresh("AQ-old")

    assert failure.value.retry_after_s == 7


async def test_silence_ends_at_the_deadline() -> None:
    async def silence(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    async with answering(silence, timeout_s=0.1) as client:
        with pytest.raises(GrantError, match="unavailable"):
            await client.refresh("AQ-old")


async def test_a_refresh_is_sent_once_though_the_connection_breaks() -> None:
    """Sent twice, the second would find the token used, and end the session."""
    requests = []

    async def reset(request: web.Request) -> web.StreamResponse:
        requests.append(await request.post())
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with answering(reset) as client:
        with pytest.raises(GrantError):
            await client.refresh("AQ-old")
    assert len(requests) == 1


@pytest.mark.parametrize("status", [200, 302, 400, 500])
async def test_no_failure_shows_what_was_sent(
    status: int, everything_logged: pytest.LogCaptureFixture
) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=await request.read())

    async with answering(echo) as client:
        for asking in (
            client.refresh(CANARY),
            client.exchange(CANARY, verifier=CANARY, redirect_uri="http://127.0.0.1/"),
        ):
            with pytest.raises(GrantError) as caught:
                await asking
            failure = caught.value
            shown = f"{failure!r}{failure}{vars(failure)}{failure.__context__}{failure.__cause__}"
            shown += "".join(traceback.format_exception(failure))
            assert CANARY not in shown
    assert CANARY not in everything_logged.text


async def test_a_grant_does_not_show_itself() -> None:
    async with answering(saying(200, GRANTED)) as client:
        assert "BQ-" not in f"{await client.refresh('AQ-old')!r}"


def test_a_log_ins_token_is_kept_under_its_account() -> None:
    token = LoginToken("BQ-an-access-token", "account:5f", 60)

    assert token.reveal() == "BQ-an-access-token"
    assert token.identity == "account:5f"
    assert token.life_s == 60
    assert "5f" not in f"{token!r}{token}"


def test_no_bearer_token_can_be_an_accounts_identity() -> None:
    with pytest.raises(ValueError, match="not a bearer token"):
        Token("account:5f5f5f5f5f")
    with pytest.raises(ValueError, match="must not look like a token"):
        LoginToken("BQ-an-access-token", "5f5f5f5f5f", 60)
