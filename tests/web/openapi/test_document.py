"""`/openapi.json` is valid, complete, and true: what the service sends is what it describes."""

import re
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from lyra.chat.parts import Part
from lyra.sandbox import sandbox_token
from lyra.web.routes import describe_routes
from tests.conftest import APP, Service, Start
from tests.support.calls import QUESTION, Answer, call, chat, chatting, init, read_until
from tests.support.error_shape import ERRORS_BY_CODE
from tests.support.proposals import Proposing, proposing
from tests.support.scripted_model import scripted_model
from tests.support.visitors import Visitor
from tests.support.wire_formats import USER, data_of, post

DOCUMENT: dict[str, Any] = orjson.loads(describe_routes())
COMPONENTS = DOCUMENT["components"]
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
ADMIN = "an-admin-token-0001"

NAME = re.compile(r"{\w+}")


def closed(schema: Any) -> Any:
    """The schema with every object that lists its members closed to all others."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    members = {name: closed(each) for name, each in schema.items()}
    if "properties" in members and members.get("type") == "object":
        members.setdefault("additionalProperties", False)
    return members


# A member that is sent and not described is as wrong as one that is described and not sent.
SCHEMAS = closed(COMPONENTS["schemas"])


def check(schema: dict[str, Any], value: Any) -> None:
    validator = OAS31Validator({**closed(schema), "components": {"schemas": SCHEMAS}})
    wrong = next(iter(validator.iter_errors(value)), None)
    assert wrong is None, f"{wrong.json_path}: {wrong.message}"


def check_answer(method: str, path: str, answer: Answer, status: int = 200) -> None:
    """The answer is one that the description tells of, headers included."""
    assert answer.status == status
    described = OPERATIONS[method, path]["responses"][str(status)]
    if "$ref" in described:
        described = COMPONENTS["responses"][described["$ref"].rpartition("/")[2]]
    for name, header in described["headers"].items():
        assert COMPONENTS["headers"][name].get("required", False) <= (name in answer.headers), (
            header
        )
    if "content" not in described:
        assert answer.body == b""
        return
    content = described["content"][answer.headers["Content-Type"].partition(";")[0]]
    if "x-item-schema" in content:
        for data in data_of(answer.body):
            if data != b"[DONE]":
                check(content["x-item-schema"], orjson.loads(data))
    elif answer.headers["Content-Type"].startswith("application/json"):
        check(content["schema"], answer.json)
    else:
        assert content["schema"] == {"type": "string"}


def test_it_is_a_valid_openapi_3_1_document() -> None:
    assert [str(wrong) for wrong in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_every_schema_can_be_used_to_check_something() -> None:
    for schema in COMPONENTS["schemas"].values():
        OAS31Validator.check_schema(schema)


def test_every_error_code_is_described() -> None:
    assert set(SCHEMAS["ErrorDetail"]["properties"]["code"]["enum"]) == set(ERRORS_BY_CODE)


def test_every_error_code_is_told_beside_its_status() -> None:
    for code, kind in ERRORS_BY_CODE.items():
        assert f"`{code}`" in COMPONENTS["responses"][f"Error{kind.status}"]["description"]


def test_every_part_of_the_stream_is_described() -> None:
    described = {ref["$ref"].rpartition("/")[2] for ref in SCHEMAS["StreamPart"]["anyOf"]}

    assert described == {kind.__name__ for kind in Part.__subclasses__()}
    assert described <= set(SCHEMAS)


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]

    assert len(set(names)) == len(names)


def test_every_example_of_a_body_is_one() -> None:
    bodies = [
        operation["requestBody"] for operation in OPERATIONS.values() if "requestBody" in operation
    ]

    assert len(bodies) == 5
    for body in bodies:
        content = body["content"]["application/json"]
        OAS31Validator({**content["schema"], "components": COMPONENTS}).validate(content["example"])


async def test_the_log_in_answers_as_described(start: Start) -> None:
    service = await start(spotify_client_id="any-client")
    statuses = {"login": 303, "callback": 303, "session": 200, "consent": 401, "logout": 204}
    for (method, path), operation in OPERATIONS.items():
        if operation["tags"] == ["login"]:
            answer = await call(service, method, path, allow_redirects=False)
            check_answer(method, path, answer, statuses.pop(operation["operationId"]))
    assert not statuses


async def test_it_is_served_as_it_was_made(service: Service) -> None:
    answer = await call(service, "GET", "/openapi.json")

    check_answer("GET", "/openapi.json", answer)
    assert answer.json == DOCUMENT


@pytest.mark.parametrize(
    ("method", "path"),
    [key for key, operation in OPERATIONS.items() if "security" in operation],
)
async def test_routes_described_with_a_token_refuse_without_one(
    start: Start, method: str, path: str
) -> None:
    service = await start(admin_token=ADMIN)
    answer = await call(service, method, NAME.sub("run_1", path), json=QUESTION)

    [scheme] = OPERATIONS[method, path]["security"][0]
    check_answer(method, path, answer, 401 if scheme == "listener" else 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        key
        for key, operation in OPERATIONS.items()
        if "security" not in operation and operation["tags"] != ["login"]
    ],
)
async def test_what_is_described_without_a_token_answers_without_one(
    start: Start, method: str, path: str
) -> None:
    service = await start(demo_token=sandbox_token())
    files = {"/static/{version}/js/{name}": "main.js", "/v1/models/{name}": "lyra"}
    name = files.get(path, "lyra.css")
    called = path.replace("{version}", "any").replace("{name}", name)

    check_answer(method, path, await call(service, method, called))


@pytest.mark.parametrize("persona", ["typical", "new", "empty", "podcast"])
@pytest.mark.parametrize("regime", ["legacy", "restricted"])
async def test_a_listener_is_sent_as_described(service: Service, persona: str, regime: str) -> None:
    token = sandbox_token(7, persona, regime)
    headers = service.headers(token)
    events = await init(service, token, Accept="text/event-stream")
    loaded = await init(service, token)
    profile = await call(service, "GET", "/lyra/profile", headers=headers)
    status = await call(service, "GET", "/lyra/status", headers=headers)
    forgotten = await call(service, "DELETE", "/lyra/session", headers=headers)

    check_answer("POST", "/lyra/init", events)
    check_answer("POST", "/lyra/init", loaded)
    check_answer("GET", "/lyra/profile", profile)
    check_answer("GET", "/lyra/status", status)
    check_answer("DELETE", "/lyra/session", forgotten, 204)


async def test_gaps_and_late_failures_of_a_load_are_sent_as_described(start: Start) -> None:
    service = await start(first_byte_s=0.01)
    gap = await init(service, sandbox_token(7, "typical", "legacy", "scope-recent"))
    late = await init(
        service, sandbox_token(7, "expired", "legacy", "slow-100"), Accept="text/event-stream"
    )

    assert gap.json["sections"]["recently_played"]["status"] == "forbidden"
    assert (late.status, b'data: {"type":"error"' in late.body) == (200, True)
    check_answer("POST", "/lyra/init", gap)
    check_answer("POST", "/lyra/init", late)


CHATS: dict[str, Callable[..., dict[str, Any]]] = {
    "/lyra/chat": lambda stream: {**QUESTION, "stream": stream},
    "/v1/chat/completions": lambda stream: {
        "messages": [USER],
        "stream": stream,
        "stream_options": {"include_usage": True},
    },
    "/lyra/agui": lambda **_: {"threadId": "t1", "runId": "r1", "messages": [USER]},
}


@pytest.mark.parametrize("model", ["sandbox-model", "fault:errmid", "fault:eof"])
@pytest.mark.parametrize("path", CHATS)
async def test_an_answer_streams_as_described(start: Start, path: str, model: str) -> None:
    service = await start(model=model, demo_token=sandbox_token())
    answer = await post(service, path, CHATS[path](stream=True))

    check_answer("POST", path, answer)


@pytest.mark.parametrize("path", ["/lyra/chat", "/v1/chat/completions"])
async def test_an_answer_in_one_piece_is_as_described(service: Service, path: str) -> None:
    answer = await post(service, path, CHATS[path](stream=False))

    assert answer.headers["Content-Type"].startswith("application/json")
    check_answer("POST", path, answer)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("path", CHATS)
async def test_a_proposed_playlist_is_as_described(
    start: Start, path: str, *, streamed: bool
) -> None:
    async with scripted_model(*proposing()) as model:
        answer = await post(await start(llm_base_url=model.url), path, CHATS[path](stream=streamed))

    assert b"Slow Tides" in answer.body
    check_answer("POST", path, answer)


async def test_what_becomes_of_a_proposal_is_as_described(start: Start) -> None:
    async with scripted_model() as model:
        lyra = Proposing(await start(llm_base_url=model.url), model)
        proposal, path = await lyra.propose(), "/lyra/playlists/{playlist}"
        check_answer("GET", path, await lyra.show(proposal))
        check_answer("POST", path, await lyra.save(proposal), 201)
        check_answer("GET", path, await lyra.show(proposal))
        check_answer("DELETE", path, await lyra.dismiss(proposal), 204)
        check_answer("GET", path, await lyra.show(proposal), 404)


@pytest.mark.parametrize(
    ("faults", "choice", "status"),
    [
        ((), {"uris": []}, 400),
        (("ungranted-writes",), {}, 403),
        (("once500-create",), {}, 503),
        (("429-3600-create",), {}, 503),
    ],
)
async def test_what_keeps_a_proposal_from_being_saved_is_as_described(
    start: Start, faults: tuple[str, ...], choice: dict[str, Any], status: int
) -> None:
    token = sandbox_token(7, "typical", "restricted", *faults)
    async with scripted_model() as model:
        lyra = Proposing(await start(llm_base_url=model.url), model)
        proposal, path = await lyra.propose(token), "/lyra/playlists/{playlist}"
        check_answer("POST", path, await lyra.save(proposal, token, **choice), status)
        check_answer("GET", path, await lyra.show(proposal, token))


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("faults", [(), ("ungranted-writes",)])
async def test_what_becomes_of_an_interrupt_is_as_described(
    start: Start, faults: tuple[str, ...], *, approved: bool
) -> None:
    token = sandbox_token(7, "typical", "restricted", *faults)
    async with scripted_model() as model:
        lyra = Proposing(await start(llm_base_url=model.url), model)
        name = f"{await lyra.propose(token)}.call"
        entry = {"interruptId": name, "status": "resolved", "payload": {"approved": approved}}
        body = {"threadId": "t", "runId": "r", "messages": [], "resume": [entry]}
        check_answer("POST", "/lyra/agui", await post(lyra.service, "/lyra/agui", body, token))


async def test_a_drained_stream_is_as_described(start: Start) -> None:
    service = await start(model="fault:hang")
    async with chatting(service) as response:
        seen = await read_until(response, b"text-delta")
        await service.stop()
        seen += await response.read()

    check_answer("POST", "/lyra/chat", Answer(200, response.headers, seen))


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (sandbox_token(7, "expired"), 401),
        (sandbox_token(7, "not_registered"), 403),
        (sandbox_token(7, "typical", "legacy", "429-3600"), 503),
    ],
)
async def test_a_refusal_is_as_described(service: Service, token: str, status: int) -> None:
    check_answer("POST", "/lyra/chat", await chat(service, token), status)


async def test_the_operators_answers_are_as_described(start: Start) -> None:
    service = await start(admin_token=ADMIN)
    headers = {"Authorization": f"Bearer {ADMIN}"}

    for method, path, status in (
        ("GET", "/metrics", 200),
        ("GET", "/admin/cache", 200),
        ("DELETE", "/admin/cache", 204),
    ):
        check_answer(method, path, await call(service, method, path, headers=headers), status)


async def test_a_service_that_drains_is_as_described(service: Service) -> None:
    service.services.runs.draining = True

    check_answer("GET", "/readyz", await call(service, "GET", "/readyz"), 503)


async def test_a_service_without_its_redis_is_as_described(
    start: Start, unused_tcp_port: int
) -> None:
    url = f"redis://127.0.0.1:{unused_tcp_port}/0"
    service = await start(redis_url=url, secret="0123456789abcdef")
    answer = await call(service, "GET", "/readyz")

    assert answer.json["dependencies"]["redis"] == {"state": "degraded"}
    check_answer("GET", "/readyz", answer)


async def test_trouble_with_spotify_is_as_described(start: Start) -> None:
    service = await start(spotify_client_id=APP)
    async with Visitor(service) as anna:
        await anna.ready(sandbox_token(7, "typical", "legacy", "429-3600-artists"))
        await anna.init()
    answer = await call(service, "GET", "/readyz")

    assert answer.json["dependencies"]["spotify"]["state"] == "paused"
    check_answer("GET", "/readyz", answer)
