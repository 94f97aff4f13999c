"""The edge: hosts, origins, request ids, the headers of every answer, and the operator's routes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lyra.sandbox import sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import Answer, call, chat, init, raw, request_bytes
from tests.support.error_shape import check_error
from tests.support.stream_grammar import read_stream

ADMIN = "an-invented-admin-token"
PAGE = "https://music.example"


async def get_as(service: Service, host: str) -> Answer:
    return await raw(service, f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost:8080",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:8080",
        "music.example",
        "music.example:443",
        "10.0.0.7:80",
    ],
)
async def test_an_allowed_host_is_served_on_any_port(start: Start, host: str) -> None:
    allowed = ("localhost", "127.0.0.1", "[::1]", "Music.Example")
    service = await start(allowed_hosts=allowed, host="10.0.0.7")

    assert (await get_as(service, host)).status == 200


async def test_an_ipv6_address_of_its_own_is_served(start: Start) -> None:
    service = await start(host="fd00::7")

    assert (await get_as(service, "[fd00::7]:8080")).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil.localhost",
        "localhost.",
        "localhost@evil.example",
        "127.0.0.1.evil.example:80",
        "127.0.0.2",
        "[::2]:8080",
        "::1",
        "2130706433",
        "0.0.0.0",  # noqa: S104 - a name like any other here
        "localhost:8080:80",
        "",
    ],
)
async def test_a_foreign_host_is_misdirected(service: Service, host: str) -> None:
    check_error(await get_as(service, host), "misdirected_request")


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost/v1/models", "localhost", 200),
        ("http://localhost:99/v1/models", "localhost", 200),
        ("http://evil.example/v1/models", "localhost", 421),
        ("http://localhost@evil.example/v1/models", "localhost", 421),
        ("http://localhost/v1/models", "evil.example", 421),
        ("HTTPS://evil.example/v1/models", "localhost", 421),
    ],
)
async def test_a_whole_address_as_the_target_has_to_be_ours_too(
    service: Service, target: str, host: str, status: int
) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    assert (await raw(service, request)).status == status


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize(
    "rest",
    ["1.1\r\nHost: 10.244.0.5:8080", "1.1\r\nHost: pod.example", "1.1\r\nHost:", "1.0"],
)
async def test_a_probe_is_answered_whatever_address_it_came_to(
    service: Service, path: str, rest: str
) -> None:
    """A kubelet names the pod's address, which no setting can list; HTTP/1.0 names none."""
    answer = await raw(service, f"GET {path} HTTP/{rest}\r\n\r\n".encode())

    assert answer.status == 200


@pytest.mark.parametrize("path", ["/healthz/", "//healthz", "/healthz/x", "/metrics", "/"])
async def test_what_only_looks_like_a_probe_is_misdirected(service: Service, path: str) -> None:
    probe = f"GET {path} HTTP/1.1\r\nHost: 10.244.0.5\r\n\r\n".encode()

    check_error(await raw(service, probe), "misdirected_request")


async def ask_from(service: Service, origin: str | None, method: str = "GET") -> Answer:
    lines = [] if origin is None else [f"Origin: {origin}"]
    return await raw(service, request_bytes(service, method, "/healthz", *lines))


async def test_a_listed_origin_may_read_the_answers(start: Start) -> None:
    service = await start(cors_origins=("https://other.example", PAGE))

    answer = await ask_from(service, PAGE)

    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"X-Request-Id", "Retry-After", "x-vercel-ai-ui-message-stream"} == set(exposed)
    assert answer.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "*",
        f"{PAGE}.evil.example",
        "https://evilmusic.example",
        "http://music.example",
        f"{PAGE}:8443",
        f"{PAGE}/",
        "https://MUSIC.example",
        "",
    ],
)
async def test_any_other_origin_may_not(start: Start, origin: str) -> None:
    service = await start(cors_origins=(PAGE,))

    for method in ("GET", "OPTIONS"):
        answer = await ask_from(service, origin, method)
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
        assert answer.headers["Vary"] == "Origin"


async def test_without_listed_origins_nothing_is_said_of_origins(service: Service) -> None:
    answer = await ask_from(service, PAGE)

    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert "Vary" not in answer.headers


async def test_a_refused_origin_is_one_line_in_the_log_that_names_the_setting(
    start: Start, everything_logged: pytest.LogCaptureFixture
) -> None:
    service = await start(cors_origins=(PAGE,))
    for origin in ("https://other.example:8443", "https://other.example:8443", PAGE, "a\x1b[2Jb"):
        await preflight(service, origin)

    said = [
        each.getMessage() for each in everything_logged.records if "LYRA_CORS" in each.getMessage()
    ]
    [line] = said
    assert line.startswith("a page of https://other.example:8443 was refused: LYRA_CORS_ORIGINS ")


async def test_very_many_refused_origins_are_ten_lines_in_the_log(
    service: Service, everything_logged: pytest.LogCaptureFixture
) -> None:
    for number in range(30):
        await preflight(service, f"https://number-{number}.example")

    said = [each for each in everything_logged.records if "LYRA_CORS_ORIGINS" in each.getMessage()]
    assert len(said) == 10


@pytest.mark.parametrize("path", ["/lyra/chat", "/lyra/init", "/lyra/session"])
async def test_a_preflight_of_a_listed_origin_needs_no_token(start: Start, path: str) -> None:
    service = await start(cors_origins=(PAGE,))
    lines = (f"Origin: {PAGE}", "Access-Control-Request-Method: POST")

    answer = await raw(service, request_bytes(service, "OPTIONS", path, *lines))

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST, DELETE"
    allowed = set(answer.headers["Access-Control-Allow-Headers"].split(", "))
    assert {"authorization", "content-type"} <= allowed


async def preflight(service: Service, origin: str, *requested: str) -> Answer:
    lines = [f"Origin: {origin}", "Access-Control-Request-Method: POST"]
    lines += [f"Access-Control-Request-Headers: {each}" for each in requested]
    return await raw(service, request_bytes(service, "OPTIONS", "/v1/chat/completions", *lines))


@pytest.mark.parametrize(
    "asked",
    [
        "authorization,content-type,user-agent",
        "authorization,content-type,x-stainless-lang,x-stainless-os,x-stainless-retry-count",
        "traceparent, x-vercel-id",
        "x-!#$%&'*+.^_`|~9",
    ],
)
async def test_a_preflight_of_a_listed_origin_grants_requested_fields(
    start: Start, asked: str
) -> None:
    """Kits send fields of their own: OpenAI's x-stainless-*, useChat's user-agent in some browsers."""
    service = await start(cors_origins=(PAGE,))

    granted, elsewhere = [
        await preflight(service, each, asked) for each in (PAGE, "https://x.example")
    ]

    assert granted.headers["Access-Control-Allow-Headers"] == asked
    assert "Access-Control-Request-Headers" in granted.headers.getall("Vary")
    assert not [name for name in elsewhere.headers if name.startswith("Access-Control")]


async def test_fields_asked_for_in_two_lines_are_granted_together(start: Start) -> None:
    service = await start(cors_origins=(PAGE,))

    answer = await preflight(service, PAGE, "authorization", "x-one,x-two")

    allowed = answer.headers["Access-Control-Allow-Headers"]
    assert [each.strip() for each in allowed.split(",")] == ["authorization", "x-one", "x-two"]


@pytest.mark.parametrize("asked", ["", "a b", "x;y", "x,,y", "x-a\t<b>", '"x"', "x(y)", "\u00e9"])
async def test_what_is_no_list_of_field_names_is_not_said_again(start: Start, asked: str) -> None:
    service = await start(cors_origins=(PAGE,))

    answer = await preflight(service, PAGE, asked)

    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"authorization", "content-type", "last-event-id"} <= set(allowed)
    assert asked not in allowed


async def test_errors_and_streams_can_be_read_by_a_listed_origin(start: Start) -> None:
    service = await start(cors_origins=(PAGE,))

    refused = await call(service, "GET", "/lyra/status", headers={"Origin": PAGE})
    streamed = await chat(service, Origin=PAGE)

    assert refused.status == 401
    assert read_stream(streamed).ending == "stop"
    for answer in (refused, streamed):
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize("sent", ["abc-123", "A.b_c", "x" * 64])
async def test_a_request_id_is_kept(service: Service, sent: str) -> None:
    answer = await call(service, "GET", "/lyra/status", headers={"X-Request-Id": sent})

    assert answer.headers["X-Request-Id"] == sent
    assert answer.json["error"]["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "a;b", "\u00e9", "a=b", "<b>"])
async def test_a_request_id_that_could_do_harm_is_replaced(service: Service, sent: str) -> None:
    answer = await call(service, "GET", "/healthz", headers={"X-Request-Id": sent})

    assert answer.headers["X-Request-Id"] not in ("", sent, "-")


async def test_every_request_has_another_id(service: Service) -> None:
    ids = {(await call(service, "GET", "/healthz")).headers["X-Request-Id"] for _ in range(5)}

    assert len(ids) == 5


async def test_error_parts_carry_the_request_id_of_the_access_log(
    start: Start,
) -> None:
    service = await start(model="fault:eof")

    answer = await chat(service)

    named = read_stream(answer).of("data-error")[0]["data"]["request_id"]
    assert named == answer.headers["X-Request-Id"]


ANSWERS: dict[str, Callable[[Service], Awaitable[Answer]]] = {
    "ok": lambda service: call(service, "GET", "/healthz"),
    "page": lambda service: call(service, "GET", "/"),
    "style": lambda service: call(service, "GET", "/static/page.css"),
    "not found": lambda service: call(service, "GET", "/nowhere"),
    "init": init,
    "stream": chat,
    "init stream": lambda service: init(service, Accept="text/event-stream"),
    "foreign host": lambda service: get_as(service, "evil.example"),
    "not http": lambda service: raw(service, b"nonsense\r\n\r\n"),
    "preflight": lambda service: ask_from(service, PAGE, "OPTIONS"),
    "no content": lambda service: call(
        service, "DELETE", "/lyra/session", headers=service.headers()
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_every_answer_carries_the_protecting_headers(service: Service, name: str) -> None:
    answer = await ANSWERS[name](service)

    assert answer.headers.getall("Server") == ["lyra"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["X-Request-Id"]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer wrong",
        f"Bearer {ADMIN}x",
        f"Bearer {ADMIN[:-1]}",
        f"Basic {ADMIN}",
        "Bearer",
        f"Bearer {sandbox_token()}",
    ],
)
@pytest.mark.parametrize("configured", [True, False])
async def test_without_the_admin_token_there_are_no_metrics(
    start: Start, authorization: str | None, configured: bool
) -> None:
    service = await start(admin_token=ADMIN if configured else None)
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = await call(service, "GET", "/metrics", headers=headers)

    check_error(answer, "not_found")


async def test_an_admin_token_of_odd_bytes_is_just_a_wrong_one(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    service = await start(admin_token=ADMIN)

    answer = await raw(
        service, request_bytes(service, "GET", "/metrics", b"Authorization: Bearer \xff\xfe")
    )

    check_error(answer, "not_found")
    assert "Traceback" not in caplog.text


async def test_an_admin_token_is_useless_where_none_is_configured(service: Service) -> None:
    answer = await call(service, "GET", "/metrics", headers={"Authorization": f"Bearer {ADMIN}"})

    check_error(answer, "not_found")


async def test_metrics_count_requests_and_answers_and_hold_no_token(start: Start) -> None:
    service = await start(admin_token=ADMIN)
    token = sandbox_token(4815162342)
    await chat(service, token)
    await call(service, "GET", "/an/invented/path")

    answer = await call(service, "GET", "/metrics", headers={"Authorization": f"Bearer {ADMIN}"})

    text = answer.body.decode()
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert 'lyra_requests_total{route="/lyra/chat",status="200"} 1.0' in text
    assert 'lyra_requests_total{route="unknown",status="404"} 1.0' in text
    assert 'lyra_answers_total{ending="stop"} 1.0' in text
    assert "lyra_streams 0.0" in text
    assert not any(secret in text for secret in (token, "4815162342", ADMIN, "invented/path"))


async def test_health_and_readiness_are_open(service: Service) -> None:
    alive = await call(service, "GET", "/healthz")
    ready = await call(service, "GET", "/readyz")

    assert (alive.status, alive.json) == (200, {"alive": True})
    assert (ready.status, ready.json["ready"]) == (200, True)
    model = {"name": "sandbox-model", "offline": False, "tools": "on", "state": "ok"}
    assert ready.json["dependencies"]["model"] == model


async def test_a_draining_process_is_alive_but_not_ready(service: Service) -> None:
    service.services.runs.draining = True

    assert (await call(service, "GET", "/healthz")).status == 200
    assert (await call(service, "GET", "/readyz")).status == 503


async def test_the_page_escapes_the_host_it_is_asked_by(start: Start) -> None:
    service = await start(allowed_hosts=("<script>",))

    answer = await raw(service, b"GET / HTTP/1.1\r\nHost: <script>\r\n\r\n")

    assert answer.status == 200
    assert b"<script>" not in answer.body


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"public_url": "http://lyra.example"}, None),
        ({"public_url": "https://lyra.example"}, "max-age=63072000"),
        (
            {"public_url": "https://lyra.example", "hsts_subdomains": True},
            "max-age=63072000; includeSubDomains",
        ),
    ],
)
async def test_hsts_covers_subdomains_only_where_the_operator_says_so(
    start: Start, changes: dict[str, Any], told: str | None
) -> None:
    service = await start(**changes)

    assert (await get_as(service, "127.0.0.1")).headers.get("Strict-Transport-Security") == told
