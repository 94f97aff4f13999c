"""SpotifyClient against a server on 127.0.0.1: what is sent, and what each fault becomes."""

import asyncio
import gzip
import logging
from typing import Any

import orjson
import pytest
from aiohttp import web

from lyra.circuit_breaker import MIN_OWNERS, OPEN_S, CircuitBreaker
from lyra.metrics import Metrics
from lyra.spotify.client import SpotifyReader
from lyra.spotify.endpoints import PATHS, Endpoint
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import GrantedToken, LoginToken, Token

TOKEN = Token("listener-one-token")
BROKEN = b'{"items":[{"na'


def reply(status: int = 200, body: bytes = b'{"items":[]}', **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=named)

    answer.__name__ = "-".join([str(status), *headers.values(), str(len(body))])
    return answer


async def reset(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def silence(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def stall(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b'{"items":')
    return await silence(request)


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    await response.prepare(request)
    await response.write(BROKEN)
    assert request.transport is not None
    request.transport.close()
    return response


def parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    raise SpotifyFailure("truncated")


async def failure_of(reader: SpotifyReader, endpoint: Endpoint = "profile") -> SpotifyFailure:
    with pytest.raises(SpotifyFailure) as caught:
        await reader.get(endpoint, parse)
    return caught.value


@pytest.mark.parametrize(("endpoint", "path"), PATHS.items())
async def test_each_endpoint_is_one_get_of_one_page(
    spotify: Any, open_client: Any, endpoint: Endpoint, path: str
) -> None:
    async with open_client() as client:
        reader = client.reader(TOKEN)
        body = await reader.get(endpoint, parse)

    assert body == {"items": []}
    assert [call.path_qs for call in spotify.calls] == [f"/v1{path}"]
    assert reader.calls == 1


async def test_a_request_carries_the_token_and_names_the_program(
    spotify: Any, open_client: Any
) -> None:
    async with open_client() as client:
        await client.reader(TOKEN).get("profile", parse)

    headers = spotify.calls[0].headers
    assert headers["Authorization"] == "Bearer listener-one-token"
    assert headers["User-Agent"].startswith("lyra/")
    assert headers["Accept-Encoding"] == "gzip"


async def test_a_cookie_of_one_listener_never_travels_with_another(
    spotify: Any, open_client: Any
) -> None:
    spotify.script["/me"] = [reply(Set_Cookie="who=one; Path=/")]
    # By a name: of addresses aiohttp's own jar keeps no cookies either.
    async with open_client(url=spotify.url.replace("127.0.0.1", "localhost")) as client:
        await client.reader(TOKEN).get("profile", parse)
        await client.reader(Token("listener-two-token")).get("profile", parse)

    assert "Cookie" not in spotify.calls[1].headers


async def test_a_compressed_answer_is_read(spotify: Any, open_client: Any) -> None:
    spotify.script["/me"] = [reply(body=gzip.compress(b'{"a":1}'), Content_Encoding="gzip")]
    async with open_client() as client:
        assert await client.reader(TOKEN).get("profile", parse) == {"a": 1}


@pytest.mark.parametrize(
    "fault", [reply(500), reply(502), reply(503), reply(504), reply(body=BROKEN), cut]
)
async def test_a_fault_that_passes_costs_one_more_call(
    spotify: Any, open_client: Any, fault: Any
) -> None:
    spotify.script["/me"] = [fault, reply()]
    async with open_client() as client:
        reader = client.reader(TOKEN)
        assert await reader.get("profile", parse) == {"items": []}

    assert reader.calls == len(spotify.calls) == 2


@pytest.mark.parametrize(
    ("fault", "code", "calls"),
    [
        (reply(500), "server_error", 3),
        (reply(body=BROKEN), "truncated", 2),
        (cut, "truncated", 2),
        (reply(400), "bad_request", 1),
        (reply(401), "token_rejected", 1),
        (reply(403), "forbidden", 1),
        (reply(404), "not_found", 1),
        (reply(204, b""), "empty", 1),
        (reply(302, Location="http://127.0.0.1:9/elsewhere"), "redirected", 1),
        (reply(429, Retry_After="3600"), "rate_limited", 1),
        (reply(429, Retry_After="0"), "rate_limited", 2),
        (reply(503, Retry_After="3600"), "server_error", 1),
        (reply(body=b" " * (2 * 1024 * 1024 + 1)), "too_large", 1),
        (reply(body=gzip.compress(bytes(40_000_000)), Content_Encoding="gzip"), "too_large", 1),
        (reply(body=b"no gzip", Content_Encoding="gzip"), "truncated", 2),
        (reply(403, b"x" * 1_000_000), "forbidden", 1),
        (reply(403, b"no gzip", Content_Encoding="gzip"), "forbidden", 1),
        (reply(body=gzip.compress(b'{"items":[]}')[:-4], Content_Encoding="gzip"), "truncated", 2),
    ],
)
async def test_a_lasting_fault_is_a_failure_after_so_many_calls(
    spotify: Any, open_client: Any, fault: Any, code: str, calls: int
) -> None:
    spotify.script["/me"] = [fault]
    async with open_client() as client:
        reader = client.reader(TOKEN)
        failure = await failure_of(reader)

    assert failure.code == code
    assert reader.calls == len(spotify.calls) == calls


async def test_a_request_that_aiohttp_resends_is_counted_twice(
    spotify: Any, open_client: Any, metrics: Metrics
) -> None:
    spotify.script["/me"] = [reset, reply()]
    async with open_client() as client:
        reader = client.reader(TOKEN)
        await reader.get("profile", parse)

    assert reader.calls == len(spotify.calls) == 2
    assert (
        'lyra_spotify_calls_total{outcome="resent",section="profile"} 1.0'
        in metrics.render().decode()
    )


async def test_a_connection_that_always_breaks_is_given_up(spotify: Any, open_client: Any) -> None:
    spotify.script["/me"] = [reset]
    async with open_client() as client:
        reader = client.reader(TOKEN)
        failure = await failure_of(reader)

    assert (failure.kind, failure.code) == ("unavailable", "connection")
    assert reader.calls == len(spotify.calls) == 6


async def test_a_refused_connection_is_unavailable(open_client: Any, unused_tcp_port: int) -> None:
    async with open_client(url=f"http://127.0.0.1:{unused_tcp_port}") as client:
        failure = await failure_of(client.reader(TOKEN))

    assert failure.code == "connection"


async def test_a_server_without_tls_is_not_asked_twice_under_https(
    spotify: Any, open_client: Any
) -> None:
    async with open_client(url=spotify.url.replace("http:", "https:")) as client:
        reader = client.reader(TOKEN)
        failure = await failure_of(reader)

    assert (failure.code, reader.calls) == ("tls", 1)


@pytest.mark.parametrize("fault", [silence, stall])
async def test_silence_ends_in_a_timeout(spotify: Any, open_client: Any, fault: Any) -> None:
    spotify.script["/me"] = [fault]
    async with open_client(timeout_s=0.2) as client:
        failure = await failure_of(client.reader(TOKEN))

    assert failure.kind == "timeout"


async def test_a_timeout_is_tried_again_while_the_deadline_allows(
    spotify: Any, open_client: Any
) -> None:
    spotify.script["/me"] = [silence, reply()]
    async with open_client(timeout_s=0.5) as client:
        assert await client.reader(TOKEN).get("profile", parse) == {"items": []}

    assert len(spotify.calls) == 2


async def test_the_deadline_runs_from_the_readers_start(spotify: Any, open_client: Any) -> None:
    spotify.script["/me"] = [silence]
    async with open_client(timeout_s=0.1) as client:
        reader = client.reader(TOKEN)
        await failure_of(reader)
        failure = await failure_of(reader, "playlists")

    assert failure.kind == "timeout"
    assert not any("playlists" in call.path for call in spotify.calls)


def log_in(name: str) -> LoginToken:
    return LoginToken(f"access-token-of-{name}", f"account:{name}", 3600)


@pytest.mark.parametrize("seconds", ["3600", "86400", "9999999999"])
async def test_a_long_cooldown_of_a_bearer_token_stops_its_calls_alone(
    spotify: Any, open_client: Any, seconds: str
) -> None:
    spotify.script["/me"] = [reply(429, Retry_After=seconds), reply()]
    async with open_client() as client:
        await failure_of(client.reader(TOKEN))
        again = client.reader(TOKEN)
        failure = await failure_of(again, "playlists")
        other = await client.reader(Token("listener-two-token")).get("profile", parse)
        signed_in = await client.reader(log_in("three")).get("profile", parse)
        status = client.describe()

    assert failure.kind == "rate_limited"
    assert failure.retry_after_s == pytest.approx(min(int(seconds), 86_400), abs=60)
    assert again.calls == 0
    assert other == signed_in == {"items": []}
    assert status == {"state": "ok"}


async def test_very_many_tokens_of_a_paused_app_hold_no_one_else_back(
    spotify: Any, open_client: Any
) -> None:
    spotify.script["/me"] = [*[reply(429, Retry_After="86400")] * 200, reply()]
    async with open_client() as client:
        for number in range(200):
            await failure_of(client.reader(Token(f"token-{number}-of-a-paused-app")))
        reader = client.reader(TOKEN)
        body = await reader.get("profile", parse)

    assert body == {"items": []}
    assert reader.calls == 1


@pytest.mark.parametrize("granted", [log_in("one"), GrantedToken("access-token-of-one")])
async def test_a_long_cooldown_of_a_log_in_stops_all_and_is_logged(
    spotify: Any, open_client: Any, granted: Token
) -> None:
    spotify.script["/me"] = [reply(429, Retry_After="3600")]
    async with open_client() as client:
        await failure_of(client.reader(granted))
        other = client.reader(log_in("two"))
        failure = await failure_of(other, "playlists")
        bearer = await client.reader(TOKEN).get("playlists", parse)
        status = client.describe()

    assert failure.kind == "rate_limited"
    assert other.calls == 0
    assert bearer == {"items": []}
    assert status["state"] == "paused"
    assert 3500 < status["paused_s"] <= 3600


async def test_a_log_in_with_a_new_token_is_still_the_same_owner(open_client: Any) -> None:
    async with open_client() as client:
        old, new = (LoginToken(f"access-{n}-token", "account:one", 3600) for n in range(2))
        owners = {client.owner(old), client.owner(new)}
        others = {client.owner(TOKEN), client.owner(Token("listener-two-token"))}

    assert len(owners) == 1
    assert len(owners | others) == 3
    assert not any("token" in each or "account" in each for each in owners | others)


@pytest.mark.parametrize("fault", [reply(500), cut, reset, reply(403), reply(429, Retry_After="0")])
async def test_one_token_whose_every_call_fails_rests_nobody(
    spotify: Any, open_client: Any, fault: Any
) -> None:
    spotify.script["/me"] = [fault]
    async with open_client() as client:
        for _ in range(30):
            await failure_of(client.reader(TOKEN))
        status = client.describe()
        other = await client.reader(Token("listener-two-token")).get("playlists", parse)

    assert other == {"items": []}
    assert status["state"] in {"ok", "failing"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("refused", [reply(401), reply(403), reply(404), reply(429), reply(400)])
async def test_a_probe_with_a_bad_token_frees_the_breaker_for_others(
    spotify: Any, open_client: Any, refused: Any
) -> None:
    clock = Clock()
    async with open_client() as client:
        client.breaker = CircuitBreaker("Spotify", clock)
        spotify.script["/me"] = [reply(500)]
        for number in range(MIN_OWNERS):
            await failure_of(client.reader(Token(f"token-number-{number}")))
        refused_call = await failure_of(client.reader(TOKEN))
        clock.now += OPEN_S
        spotify.script["/me"] = [refused]
        await failure_of(client.reader(Token("a-token-that-is-bad")))
        assert client.breaker.stats()["open"] == 0
        spotify.script["/me"] = []
        body = await client.reader(TOKEN).get("profile", parse)

    assert refused_call.code == "circuit_open"
    assert body == {"items": []}


async def test_one_token_whose_every_call_fails_spends_nobodys_retries(
    spotify: Any, open_client: Any
) -> None:
    spotify.script["/me"] = [reply(500)]
    async with open_client() as client:
        for _ in range(200):
            await failure_of(client.reader(TOKEN))
        spotify.script["/me"] = [reply(500), reply(500), reply()]
        reader = client.reader(Token("listener-two-token"))
        body = await reader.get("profile", parse)

    assert body == {"items": []}
    assert reader.calls == 3


async def test_a_used_up_quota_stops_its_own_endpoint_alone(spotify: Any, open_client: Any) -> None:
    body = b'{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}'
    spotify.script["/me"] = [reply(429, body, Retry_After="48925")]
    async with open_client() as client:
        await failure_of(client.reader(TOKEN))
        failure = await failure_of(client.reader(TOKEN))
        rest = await client.reader(TOKEN).get("playlists", parse)

    assert failure.code == "quota_exceeded"
    assert rest == {"items": []}
    assert len(spotify.calls) == 2


async def test_a_reader_waits_out_a_short_pause(spotify: Any, open_client: Any) -> None:
    async with open_client() as client:
        pause = SpotifyFailure("rate_limited", retry_after_s=0.05)
        client.cooldown.start(client.owner(TOKEN), "profile", pause)
        body = await client.reader(TOKEN).get("playlists", parse)

    assert body == {"items": []}
    assert len(spotify.calls) == 1


async def test_a_failure_of_the_shape_is_not_asked_for_again(
    spotify: Any, open_client: Any
) -> None:
    def refuse(_: bytes) -> None:
        raise SpotifyFailure("unexpected_shape")

    async with open_client() as client:
        reader = client.reader(TOKEN)
        with pytest.raises(SpotifyFailure):
            await reader.get("profile", refuse)

    assert len(spotify.calls) == 1


async def test_a_bug_in_the_parser_is_not_a_fault_of_spotifys(open_client: Any) -> None:
    def broken(_: bytes) -> None:
        raise KeyError("a bug")

    async with open_client() as client:
        with pytest.raises(KeyError):
            await client.reader(TOKEN).get("profile", broken)


async def test_a_caller_who_leaves_ends_the_call(spotify: Any, open_client: Any) -> None:
    arrived = asyncio.Event()

    async def hold(request: web.Request) -> web.StreamResponse:
        arrived.set()
        return await silence(request)

    spotify.script["/me"] = [hold]
    async with open_client() as client, asyncio.TaskGroup() as group:
        reading = group.create_task(client.reader(TOKEN).get("profile", parse))
        await arrived.wait()
        reading.cancel()

    assert reading.cancelled()


async def test_calls_are_counted_by_section_and_outcome(
    spotify: Any, open_client: Any, metrics: Metrics
) -> None:
    spotify.script["/me"] = [reply(500), reply()]
    async with open_client() as client:
        await client.reader(TOKEN).get("profile", parse)

    text = metrics.render().decode()
    assert 'lyra_spotify_calls_total{outcome="unavailable",section="profile"} 1.0' in text
    assert 'lyra_spotify_calls_total{outcome="ok",section="profile"} 1.0' in text


async def test_a_fault_is_logged_when_it_starts_and_when_it_ends(
    spotify: Any, open_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "lyra")
    spotify.script["/me"] = [reply(404), *[reply(500)] * 6, reply(), reply()]
    async with open_client() as client:
        for _ in range(3):
            await failure_of(client.reader(TOKEN))
        for _ in range(2):
            await client.reader(TOKEN).get("profile", parse)

    assert [record.getMessage() for record in caplog.records] == [
        "Spotify fails: profile (server_error)",
        "Spotify answers again: profile",
    ]


async def test_a_query_takes_the_place_of_the_endpoints_own(spotify: Any, open_client: Any) -> None:
    async with open_client() as client:
        reader = client.reader(Token("a-token-of-it"))
        await reader.get("top_tracks", bytes, {"time_range": "short_term"})
        await reader.get("playlist_items", bytes, playlist="0123456789abcdefABCDEF")
        await reader.get("playlist_tracks", bytes, playlist="0123456789abcdefABCDEF")

    assert [call.path_qs for call in spotify.calls] == [
        "/v1/me/top/tracks?limit=50&time_range=short_term",
        "/v1/playlists/0123456789abcdefABCDEF/items?limit=50",
        "/v1/playlists/0123456789abcdefABCDEF/tracks?limit=50",
    ]


async def test_what_is_no_id_is_never_sent(spotify: Any, open_client: Any) -> None:
    async with open_client() as client:
        with pytest.raises(ValueError, match="not the id"):
            await client.reader(Token("a-token-of-it")).get(
                "playlist_items", bytes, playlist="../../me"
            )

    assert spotify.calls == []
