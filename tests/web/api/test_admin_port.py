"""The operator's own port asks for no token, so nothing of another site may reach it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from lyra.metrics import CONTENT_TYPE
from lyra.sandbox import sandbox_token
from lyra.web.api.admin import admin_app
from lyra.web.gateway.server import Runner, listen
from lyra.web.http.access_log import AccessRecord
from tests.conftest import Service, Start
from tests.support.calls import Answer, connected, init, raw
from tests.support.error_shape import check_error

TOLD: list[AccessRecord] = []


@asynccontextmanager
async def own_port(service: Service) -> AsyncIterator[Service]:
    """The operator's port of this service, spoken to as if it were one."""
    settings = service.services.settings
    runner = Runner(admin_app(service.services, TOLD.append), settings, counted_as="lyra_admin")
    await runner.setup()
    try:
        url = f"http://127.0.0.1:{await listen(runner, '127.0.0.1', 0)}"
        async with aiohttp.ClientSession(url) as http:
            yield Service(url, service.services, http, runner.cleanup)
    finally:
        await runner.cleanup()


async def ask(
    port: Service, method: str, path: str, *lines: str, host: str | None = None
) -> Answer:
    named = port.url.removeprefix("http://") if host is None else host
    fields = "".join(f"{line}\r\n" for line in (f"Host: {named}", *lines))
    return await raw(port, f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode())


ROUTES = [("GET", "/metrics"), ("GET", "/admin/cache"), ("DELETE", "/admin/cache")]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9100", "LocalHost:9100", "[::1]:9100"])
async def test_by_a_name_of_this_machine_it_is_open(service: Service, host: str) -> None:
    async with own_port(service) as port:
        metrics = await ask(port, "GET", "/metrics", host=host)
        statuses = [(await ask(port, *route, host=host)).status for route in ROUTES]

    assert metrics.headers["Content-Type"] == CONTENT_TYPE
    assert statuses == [200, 200, 204]


@pytest.mark.parametrize(
    "host",
    [
        "rebound.attacker.example:9100",
        "localhost.attacker.example",
        "127.0.0.1.attacker.example",
        "127.0.0.1@attacker.example",
        "attacker.example",
        "10.0.0.7",
        "0.0.0.0",  # noqa: S104 - a name like any other here
        "2130706433",
        "",
    ],
)
@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/"), ("OPTIONS", "/admin/cache")])
async def test_by_any_other_name_nothing_is_done(
    start: Start, method: str, path: str, host: str
) -> None:
    """A page whose own name leads to 127.0.0.1 by now is of the same origin, for its browser.

    A name that the public port is served under is none of this one's.
    """
    service = await start(allowed_hosts=("attacker.example", "localhost"))
    await init(service)
    async with own_port(service) as port:
        lines = () if not host else (f"Origin: http://{host}", "Sec-Fetch-Site: same-origin")
        check_error(await ask(port, method, path, *lines, host=host), "misdirected_request")

    assert service.services.lyra.listeners.stats()["entries"] == 1


async def test_an_absolute_request_target_has_to_name_this_host_too(service: Service) -> None:
    async with own_port(service) as port:
        foreign = await ask(port, "GET", "http://attacker.example/metrics")
        own = await ask(port, "GET", "http://localhost/metrics")

    check_error(foreign, "misdirected_request")
    assert own.status == 200


@pytest.mark.parametrize(
    "line",
    [
        "Origin: https://attacker.example",
        "Origin: http://127.0.0.1:1",
        "Origin: https://{own}",
        "Origin: null",
        "Origin:",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Sec-Fetch-Site:",
    ],
)
@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_what_another_site_has_sent_is_refused(
    start: Start, method: str, path: str, line: str
) -> None:
    service = await start(cors_origins=("https://attacker.example",))
    await init(service)
    async with own_port(service) as port:
        sent = line.format(own=port.url.removeprefix("http://"))
        refused = await ask(port, method, path, sent)
        preflight = await ask(
            port, "OPTIONS", path, sent, f"Access-Control-Request-Method: {method}"
        )

    for answer in (refused, preflight):
        check_error(answer, "cross_site")
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert service.services.lyra.listeners.stats()["entries"] == 1


@pytest.mark.parametrize(
    "lines", [("Sec-Fetch-Site: none",), ("Origin: {own}", "Sec-Fetch-Site: same-origin")]
)
async def test_the_operators_own_browser_may_come(service: Service, lines: tuple[str, ...]) -> None:
    async with own_port(service) as port:
        sent = [line.format(own=port.url) for line in lines]
        answers = [await ask(port, *route, *sent) for route in ROUTES]

    assert [answer.status for answer in answers] == [200, 200, 204]


MALFORMED = [
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nBad Header\x01: %b\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-%b: \x00\r\n\r\n" + b"%.0b",
    b"%b %b\r\n\r\n",
    b"GET /%b HTTP/9.9\r\nHost: 127.0.0.1\r\nExpect: %b\r\n\r\n",
]


@pytest.mark.parametrize("form", range(len(MALFORMED)))
async def test_what_is_no_http_is_refused_without_a_word_of_it(
    service: Service, form: int, caplog: pytest.LogCaptureFixture
) -> None:
    secret = sandbox_token().encode()
    async with own_port(service) as port:
        answer = await raw(port, MALFORMED[form] % (secret, secret))

    check_error(answer, "invalid_request")
    assert answer.headers["Server"] == "lyra"
    assert secret not in answer.everything
    assert secret.decode() not in caplog.text


@pytest.mark.parametrize("path", ["/nowhere", "/lyra/status", "/healthz", "/metrics/"])
async def test_there_are_no_other_routes(service: Service, path: str) -> None:
    async with own_port(service) as port:
        answer = await ask(port, "GET", path)

    check_error(answer, "not_found")
    assert answer.headers["Server"] == "lyra"


async def test_an_operators_request_is_in_the_log_by_its_route_alone(service: Service) -> None:
    TOLD.clear()
    async with own_port(service) as port:
        await ask(port, "GET", "/metrics?who=alice")

    assert [(told.route, told.status) for told in TOLD] == [("/metrics", 200)]


async def test_a_head_that_never_ends_is_given_up_there_too(start: Start) -> None:
    service = await start(header_timeout_s=0.2)
    async with own_port(service) as port, connected(port) as (reader, writer):
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127")

        assert await reader.read() == b""
