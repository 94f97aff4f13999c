"""Every error code of the service is met over the socket, in the one shape that errors have."""

import asyncio
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import pytest

from lyra.errors import LyraError
from lyra.sandbox import Sandbox, sandbox_token
from tests.conftest import APP, Service, Start
from tests.support.calls import (
    QUESTION,
    Answer,
    call,
    chat,
    chatting,
    connected,
    init,
    raw,
    read_answer,
    read_until,
    request_bytes,
)
from tests.support.error_shape import ERRORS_BY_CODE, check_error
from tests.support.stream_grammar import read_stream
from tests.support.visitors import OWN, Visitor

Scene = Callable[[Start, pytest.MonkeyPatch], Awaitable[Answer]]


def with_token(*parts: Any, **settings: object) -> Scene:
    """A load with this invented token."""

    async def scene(start: Start, _: pytest.MonkeyPatch) -> Answer:
        return await init(await start(**settings), sandbox_token(*parts))

    return scene


def with_model(fault: str, **settings: object) -> Scene:
    """A warm chat that wants JSON, with this fault of the model."""

    async def scene(start: Start, _: pytest.MonkeyPatch) -> Answer:
        service = await start(model=f"fault:{fault}", **settings)
        await init(service)
        return await chat(service, Accept="application/json")

    return scene


def with_request(method: str, path: str, **more: Any) -> Scene:
    async def scene(start: Start, _: pytest.MonkeyPatch) -> Answer:
        return await call(await start(), method, path, **more)

    return scene


def with_request_of_a_listener(method: str, path: str, **settings: object) -> Scene:
    async def scene(start: Start, _: pytest.MonkeyPatch) -> Answer:
        service = await start(**settings)
        return await call(service, method, path, headers=service.headers())

    return scene


def with_body(body: bytes, content_type: str = "application/json") -> Scene:
    async def scene(start: Start, _: pytest.MonkeyPatch) -> Answer:
        service = await start()
        headers = service.headers(**{"Content-Type": content_type})
        return await call(service, "POST", "/lyra/chat", data=BytesIO(body), headers=headers)

    return scene


async def _slow_body(start: Start, _: pytest.MonkeyPatch) -> Answer:
    service = await start(body_timeout_s=0.1)
    auth = f"Authorization: {service.headers()['Authorization']}"
    lines = (auth, "Content-Type: application/json", "Content-Length: 100")
    async with connected(service) as (reader, writer):
        writer.write(request_bytes(service, "POST", "/lyra/chat", *lines) + b'{"message":')
        return await read_answer(reader)


async def _foreign_host(start: Start, _: pytest.MonkeyPatch) -> Answer:
    return await raw(await start(), b"GET /lyra/status HTTP/1.1\r\nHost: evil.example\r\n\r\n")


async def _gone(start: Start, _: pytest.MonkeyPatch) -> Answer:
    return await chat(await start(), **{"Last-Event-ID": "run_0123456789abcdef.3"})


async def _long_head(start: Start, _: pytest.MonkeyPatch) -> Answer:
    service = await start()
    lines = [f"X-{number}: {'a' * 4_000}" for number in range(5)]
    return await raw(service, request_bytes(service, "GET", "/healthz", *lines))


async def _too_often(start: Start, _: pytest.MonkeyPatch) -> Answer:
    service = await start(rate_per_minute=1)
    await chat(service)
    return await chat(service)


async def _full_house(start: Start, _: pytest.MonkeyPatch) -> Answer:
    service = await start(max_streams=1, model="fault:hang")
    async with chatting(service) as response:
        await read_until(response, b"text-delta")
        return await chat(service, sandbox_token(8))


async def _draining(start: Start, _: pytest.MonkeyPatch) -> Answer:
    service = await start()
    service.services.runs.draining = True
    return await chat(service)


async def _fault_of_lyra(start: Start, monkeypatch: pytest.MonkeyPatch) -> Answer:
    service = await start()

    def broken(_: object) -> dict[str, Any]:
        raise RuntimeError("the cause, with a secret")

    monkeypatch.setattr("lyra.web.api.listener.profile_view", broken)
    return await call(service, "GET", "/lyra/profile", headers=service.headers())


def with_cookie(method: str, path: str, **settings: object) -> Scene:
    """A request with a session's cookie that nobody has been given."""

    async def scene(start: Start, _: pytest.MonkeyPatch) -> Answer:
        service = await start(spotify_client_id=APP, **settings)
        return await call(service, method, path, headers={"Cookie": "lyra_sid=anybody"})

    return scene


async def _not_agreed(start: Start, _: pytest.MonkeyPatch) -> Answer:
    async with Visitor(await start(spotify_client_id=APP)) as visitor:
        await visitor.log_in()
        return await visitor.init()


async def _forgotten(start: Start, _: pytest.MonkeyPatch) -> Answer:
    async with Visitor(await start(spotify_client_id=APP)) as visitor:
        await visitor.ready(sandbox_token(7, "typical", "legacy", "hang-me~2"))
        waiting = asyncio.get_running_loop().create_task(visitor.init())
        listeners = visitor.service.services.lyra.listeners
        while not listeners.stats()["flights"]:  # noqa: ASYNC110 - until the fetch has begun
            await asyncio.sleep(0)
        await visitor.go("DELETE", "/lyra/session", headers=OWN)
        return await waiting


_NO_REDIS = {"redis_url": "redis://127.0.0.1:9", "secret": "0123456789abcdef"}


async def _forgotten_here_alone(start: Start, _: pytest.MonkeyPatch) -> Answer:
    service = await start(**_NO_REDIS)
    return await call(service, "DELETE", "/lyra/session", headers=service.headers())


SCENES: list[tuple[str, str, Scene]] = [
    ("empty object", "invalid_request", with_body(b"{}")),
    ("half an object", "invalid_json", with_body(b'{"message"')),
    ("no such path", "not_found", with_request("GET", "/nowhere")),
    ("wrong method", "method_not_allowed", with_request("PUT", "/lyra/chat")),
    ("slow body", "request_timeout", _slow_body),
    ("sent again too late", "answer_gone", _gone),
    ("large body", "body_too_large", with_body(b" " * (2**20 + 1))),
    ("text body", "unsupported_media_type", with_body(b"hello", "text/plain")),
    ("long head", "head_too_large", _long_head),
    ("foreign host", "misdirected_request", _foreign_host),
    ("no token", "missing_token", with_request("GET", "/lyra/status")),
    (
        "basic",
        "malformed_token",
        with_request("GET", "/lyra/status", headers={"Authorization": "Basic dTpw"}),
    ),
    ("expired", "spotify_token_rejected", with_token(7, "expired")),
    ("session over", "session_ended", with_cookie("GET", "/lyra/status")),
    ("other page", "cross_site", with_cookie("POST", "/lyra/init")),
    ("not agreed", "consent_required", _not_agreed),
    ("no redis", "sessions_unavailable", with_cookie("GET", "/lyra/status", **_NO_REDIS)),
    (
        "no redis for proposals",
        "proposals_unavailable",
        with_request_of_a_listener("GET", "/lyra/playlists/any", **_NO_REDIS),
    ),
    ("forgotten here alone", "forget_unfinished", _forgotten_here_alone),
    ("forgotten meanwhile", "forgotten", _forgotten),
    ("not registered", "spotify_forbidden", with_token(7, "not_registered")),
    ("not premium", "spotify_forbidden", with_token(7, "owner_not_premium")),
    ("rate limited", "spotify_rate_limited", with_token(7, "typical", "legacy", "429-3600")),
    ("quota", "spotify_quota_exceeded", with_token(7, "typical", "legacy", "quota")),
    ("spotify down", "spotify_unavailable", with_token(7, "typical", "legacy", "html")),
    (
        "spotify hangs",
        "spotify_timeout",
        with_token(7, "typical", "legacy", "hang", spotify_timeout_s=0.2),
    ),
    ("too often", "too_many_requests", _too_often),
    ("full house", "overloaded", _full_house),
    ("draining", "draining", _draining),
    ("fault of Lyra", "internal", _fault_of_lyra),
    ("model key refused", "llm_misconfigured", with_model("err-401")),
    ("model busy", "llm_rate_limited", with_model("err-429-3600")),
    ("model overloaded", "llm_unavailable", with_model("err-529")),
    ("model silent", "llm_timeout", with_model("hanghead", first_token_timeout_s=0.2)),
    ("model lost", "llm_interrupted", with_model("drop")),
    ("model cut", "llm_truncated", with_model("eof")),
]


@pytest.mark.parametrize(
    ("code", "scene"),
    [(code, scene) for _, code, scene in SCENES],
    ids=[name for name, *_ in SCENES],
)
async def test_every_failure_has_its_code_status_and_shape(
    start: Start, monkeypatch: pytest.MonkeyPatch, code: str, scene: Scene
) -> None:
    answer = await scene(start, monkeypatch)

    check_error(answer, code)


def test_every_code_of_the_service_has_a_scene_here() -> None:
    assert {code for _, code, _ in SCENES} == set(ERRORS_BY_CODE)


def test_no_two_errors_that_differ_share_a_code() -> None:
    kinds = [LyraError]
    for kind in kinds:  # grows while it is walked
        kinds += kind.__subclasses__()

    assert all(
        (kind.status, kind.retryable)
        == (ERRORS_BY_CODE[kind.code].status, ERRORS_BY_CODE[kind.code].retryable)
        and ERRORS_BY_CODE[kind.code].action in (None, kind.action)  # a `reason` may have its own
        for kind in kinds
    )


@pytest.mark.parametrize("persona", ["not_registered", "owner_not_premium"])
async def test_the_two_refusals_of_an_app_are_told_apart(service: Service, persona: str) -> None:
    answer = await init(service, sandbox_token(7, persona))

    assert check_error(answer, "spotify_forbidden")["reason"] == persona


async def test_a_fault_of_lyra_shows_nothing_of_its_cause(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await _fault_of_lyra(start, monkeypatch)

    assert b"secret" not in answer.everything
    assert b"Traceback" not in answer.body


async def test_a_fault_of_lyra_while_answering_is_an_event(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await start(model="fault:hang", first_byte_s=0.01)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the cause, with a secret")

    monkeypatch.setattr("lyra.chat.generation.make_prompt", broken)
    answer = await chat(service, sandbox_token(7, "typical", "legacy", "slow-100-recent"))

    assert read_stream(answer).ending == "internal"
    assert b"secret" not in answer.body


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/lyra/chat", "POST"),
        ("GET", "/lyra/init", "POST"),
        ("POST", "/lyra/status", "GET,HEAD"),
        ("GET", "/lyra/session", "DELETE"),
        ("PATCH", "/lyra/chat", "POST"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    service: Service, method: str, path: str, allowed: str
) -> None:
    answer = await call(service, method, path, headers=service.headers())

    check_error(answer, "method_not_allowed")
    assert answer.headers["Allow"].replace(" ", "") == allowed


@pytest.mark.parametrize("path", ["/nowhere", "//", "/lyra", "/lyra/chat/", "/lyra/%2e%2e/metrics"])
async def test_an_unknown_path_is_not_found(service: Service, path: str) -> None:
    answer = await raw(service, request_bytes(service, "GET", path))

    check_error(answer, "not_found")


async def test_the_first_path_that_is_wrong_is_named(service: Service) -> None:
    body = {**QUESTION, "history": [{"role": "oracle", "content": "x"}]}

    answer = await chat(service, body=body)

    assert check_error(answer, "invalid_request")["message"].startswith("$.history[0].role: ")


async def test_a_rejected_token_is_asked_about_once_in_a_while(
    service: Service, sandbox: Sandbox
) -> None:
    token = sandbox_token(7, "expired")
    await init(service, token)
    calls = sandbox.stats.total

    answer = await init(service, token)

    check_error(answer, "spotify_token_rejected")
    assert sandbox.stats.total == calls
