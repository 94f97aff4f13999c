"""HEAD: no byte of a body may follow, or it would be taken for the next request's answer."""

import pytest
from aiohttp import web

from lyra.sandbox import sandbox_token
from lyra.web.context import SERVICES
from lyra.web.http.event_stream import EventStream
from lyra.web.openapi.route import Route
from lyra.web.routes import ROUTES
from tests.conftest import Service, Start
from tests.support.calls import (
    auth_line,
    chatting,
    connected,
    read_answer,
    read_until,
    request_bytes,
)

PLACES = {"{run}": "talk", "{version}": "1", "{name}": "main.js"}


def path_of(route: Route) -> str:
    path = route.path
    for place, value in PLACES.items():
        path = path.replace(place, value)
    return path


async def head_of(service: Service, path: str) -> int:
    """The status, after a check that what follows is the next request's answer and nothing else."""
    async with connected(service) as (reader, writer):
        writer.write(
            request_bytes(service, "HEAD", path, auth_line(service), "Accept: text/event-stream")
            + request_bytes(service, "GET", "/healthz", "X-Request-Id: the-next")
        )
        head = await reader.readuntil(b"\r\n\r\n")
        following = await read_answer(reader)
    assert (following.status, following.headers["X-Request-Id"]) == (200, "the-next")
    assert following.body == b'{"alive":true}'
    return int(head.split(b" ")[1])


@pytest.mark.parametrize("path", sorted({path_of(route) for route in ROUTES}))
async def test_nothing_follows_the_head_of_any_route(service: Service, path: str) -> None:
    assert await head_of(service, path) in {200, 204, 302, 303, 401, 403, 404, 405}


async def test_the_stream_of_a_running_answer_has_no_head(start: Start) -> None:
    service = await start(model="fault:hang")
    async with chatting(service, body={"message": "Hello?", "id": "talk"}) as response:
        await read_until(response, b"text-delta")
        assert await head_of(service, "/lyra/chat/talk/stream") == 405


async def test_a_stream_of_a_head_route_fails_before_its_first_byte(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def streaming(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        async with EventStream(
            request, services.stream_monitor, services.write_coalescer
        ) as stream:
            await stream.open()
            return await stream.close()

    route = Route("GET", "/stream", streaming, "Stream.", {}, "service")
    monkeypatch.setattr("lyra.app.ROUTES", (*ROUTES, route))

    assert await head_of(await start(), "/stream") == 405


async def test_a_stream_over_http_1_0_ends_with_its_connection(service: Service) -> None:
    async with connected(service) as (reader, writer):
        request = request_bytes(
            service,
            "POST",
            "/lyra/init",
            f"Authorization: Bearer {sandbox_token()}",
            "Accept: text/event-stream",
            "Connection: keep-alive",
        )
        writer.write(request.replace(b" HTTP/1.1", b" HTTP/1.0"))
        assert (await reader.read()).endswith(b"data: [DONE]\n\n")
