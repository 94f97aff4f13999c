"""Every error that the vendors export becomes one of ours, and what is sent to them."""

import asyncio
import inspect
from collections.abc import Iterator
from types import ModuleType

import aiohttp
import anthropic
import httpx2
import orjson
import pytest
from aiohttp import web

from lyra.chat.model.anthropic_model import classify
from lyra.errors import (
    ConversationTooLongError,
    LlmInterruptedError,
    LlmMisconfiguredError,
    LlmRateLimitedError,
    LlmTimeoutError,
    LlmUnavailableError,
    LyraError,
)
from lyra.sandbox import Sandbox
from tests.conftest import CANARY_KEY, LONG_S, Start
from tests.support.calls import chat, chatting, init, read_until
from tests.support.scripted_model import event, opened, scripted_model, stopped, streaming, words
from tests.support.stream_grammar import read_stream

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/messages")

# The status that the API sends with each of the SDK's classes; the status decides.
_REFUSED_AT: dict[str, int] = {
    "APIStatusError": 418,
    "AuthenticationError": 401,
    "BadRequestError": 400,
    "CMEKKeyDisabledError": 400,
    "CMEKKeyNetworkBlockedError": 400,
    "ClaudeCodeKeyCreatorNotMemberError": 400,
    "ClaudeCodeVersionTooOldError": 400,
    "ClientClosedRequestError": 499,
    "LinkedOrganizationBillingUnavailableError": 402,
    "LinkedOrganizationSpendLimitReachedError": 402,
    "NotFoundError": 404,
    "OrganizationOnHoldError": 400,
    "OrganizationTypeNotSupportedError": 400,
    "ParentOrganizationRequiredError": 400,
    "PaymentRequiredError": 402,
    "PermissionDeniedError": 403,
    "PreconditionFailedError": 412,
    "RequestBodyEncodingInvalidError": 400,
    "RequestBodyEncodingUnsupportedError": 400,
    "RequestHeaderFieldsTooLargeError": 431,
    "SandboxEgressRestrictedError": 403,
    "UnprocessableEntityError": 422,
}
_UNAVAILABLE_AT: dict[str, int] = {
    "CMEKContextUnavailableError": 503,
    "CMEKKeyUnreachableError": 503,
    "ConflictError": 409,
    "DeadlineExceededError": 504,
    "GatewayTimeoutError": 504,
    "HTTPNotImplementedError": 501,
    "InternalServerError": 500,
    "OverloadedError": 529,
    "RequestTimeoutError": 408,
    "ServiceUnavailableError": 503,
}
_LIMITED_AT: dict[str, int] = {
    "ContractSpendLimitReachedError": 429,
    "EnforcedSpendLimitReachedError": 429,
    "RampLimitExceededError": 429,
    "RateLimitError": 429,
}
_TOO_LONG_AT: dict[str, int] = {
    "ContentTooLargeError": 413,
    "RequestBodyTooLargeAfterDecodingError": 413,
    "RequestTooLargeError": 413,
}
_STATUSES = {**_REFUSED_AT, **_UNAVAILABLE_AT, **_LIMITED_AT, **_TOO_LONG_AT}

EXPECTED: dict[str, type[LyraError]] = {
    **dict.fromkeys(_REFUSED_AT, LlmMisconfiguredError),
    **dict.fromkeys(_UNAVAILABLE_AT, LlmUnavailableError),
    **dict.fromkeys(_LIMITED_AT, LlmRateLimitedError),
    **dict.fromkeys(_TOO_LONG_AT, ConversationTooLongError),
    "APIConnectionError": LlmUnavailableError,
    "APITimeoutError": LlmTimeoutError,
    "APIError": LlmInterruptedError,
    "APIResponseValidationError": LlmInterruptedError,
    "APIWebhookValidationError": LlmInterruptedError,
    "AnthropicError": LlmInterruptedError,
    "RetryableError": LlmInterruptedError,
    "CredentialsError": LlmMisconfiguredError,
    "IdentityTokenFileError": LlmMisconfiguredError,
    "WorkloadIdentityError": LlmMisconfiguredError,
}
# aiohttp's, once the answer has begun; what fails before is the SDK's "nobody was reached".
_TOO_LATE = {"ConnectionTimeoutError", "ServerTimeoutError", "SocketTimeoutError"}

SECRET = "a vendor's words"


def exported(module: ModuleType) -> Iterator[tuple[str, type[Exception]]]:
    for name, value in inspect.getmembers(module, inspect.isclass):
        if issubclass(value, Exception):
            yield name, value


THE_SDKS = dict(exported(anthropic))
AIOHTTPS = dict(exported(aiohttp))


def made(name: str) -> Exception:
    """An exception of this class, as the SDK would raise it."""
    kind = THE_SDKS[name]
    arguments: dict[str, object] = {
        "message": SECRET,
        "request": REQUEST,
        "response": httpx2.Response(_STATUSES.get(name, 200), request=REQUEST),
        "body": {"error": {"message": SECRET}},
    }
    takes = inspect.signature(kind.__init__).parameters
    wanted = {name: arguments[name] for name in takes if name in arguments}
    return kind(**wanted)


@pytest.mark.parametrize(
    "error",
    [
        {"type": "exceed_context_size_error", "message": "9000 tokens"},
        {"type": "invalid_request_error", "message": "prompt is too long: 9000 tokens"},
    ],
)
def test_a_prompt_that_does_not_fit_is_the_callers_to_shorten(error: dict[str, str]) -> None:
    answer = httpx2.Response(400, request=REQUEST)
    failure = classify(anthropic.BadRequestError(SECRET, response=answer, body={"error": error}))

    assert type(failure) is ConversationTooLongError


def test_a_spent_budget_is_not_worth_a_second_try() -> None:
    answer = httpx2.Response(429, request=REQUEST, headers={"retry-after": "1"})
    body = {"error": {"details": {"error_code": "enforced_spend_limit_reached"}}}
    failure = classify(anthropic.RateLimitError(SECRET, response=answer, body=body))

    assert failure.retry_after_s == 60


def test_every_exception_that_the_sdk_exports_is_expected_here() -> None:
    assert set(THE_SDKS) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(AIOHTTPS))
def test_an_answer_that_breaks_off_is_late_or_interrupted(name: str) -> None:
    kind = AIOHTTPS[name]
    failure = classify(kind.__new__(kind))

    assert type(failure) is (LlmTimeoutError if name in _TOO_LATE else LlmInterruptedError)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_vendors_exception_becomes_ours_without_its_words(name: str) -> None:
    failure = classify(made(name))

    assert type(failure) is EXPECTED[name]
    assert str(failure) == failure.default_message
    assert failure.__cause__ is None


@pytest.mark.parametrize(
    "failure",
    [
        orjson.JSONDecodeError("x", "y", 0),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
        IndexError(7),
        KeyError("type"),
        TypeError("x"),
        AttributeError("x"),
        AssertionError("x"),
        ExceptionGroup("x", [OSError()]),
    ],
)
def test_whatever_else_breaks_in_a_vendors_code_is_an_interruption(failure: Exception) -> None:
    assert type(classify(failure)) is LlmInterruptedError


async def test_the_key_and_the_prompt_go_to_the_model_and_no_token_does(start: Start) -> None:
    async with scripted_model() as model:
        service = await start(llm_base_url=model.url, max_tokens=321)
        await chat(service)

    sent = orjson.loads(model.sent[0])
    assert (sent["model"], sent["max_tokens"], sent["stream"]) == ("sandbox-model", 321, True)
    (message,) = sent["messages"]
    assert message["role"] == "user"
    assert message["content"].endswith(" UTC]\n\nWhich artists do I listen to most?")
    assert b"sandbox.7" not in model.sent[0]
    assert CANARY_KEY.encode() not in model.sent[0]
    assert not {"temperature", "top_p", "top_k", "thinking"} & set(sent)


USAGE_START = event("message_start", message={"usage": {"input_tokens": 7, "output_tokens": 1}})
USAGE_END = event(
    "message_delta",
    delta={"stop_reason": "end_turn"},
    usage={"input_tokens": None, "output_tokens": 9, "cache_read_input_tokens": 4},
)


async def test_the_usage_is_that_of_the_last_event_that_tells_it(start: Start) -> None:
    frames = (USAGE_START, words("Yes."), USAGE_END, event("message_stop"))
    async with scripted_model(streaming(*frames)) as model:
        service = await start(llm_base_url=model.url)
        stream = read_stream(await chat(service))

    assert stream.parts[-1]["messageMetadata"]["usage"] == {
        "inputTokens": 7,
        "outputTokens": 9,
        "cachedInputTokens": 4,
    }


async def test_thoughts_and_tools_of_the_model_are_no_words_of_the_answer(start: Start) -> None:
    thought = event(
        "content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hidden"}
    )
    tool = event(
        "content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": "{}"}
    )
    async with scripted_model(streaming(thought, tool, words("Shown."), stopped())) as model:
        service = await start(llm_base_url=model.url)
        stream = read_stream(await chat(service))

    assert stream.text == "Shown."


async def test_the_models_own_cache_is_hit_from_the_second_turn_on(start: Start) -> None:
    service = await start()
    await init(service)

    first, second = [read_stream(await chat(service)) for _ in range(2)]

    usages = [one.parts[-1]["messageMetadata"]["usage"] for one in (first, second)]
    assert usages[0]["cacheWriteTokens"] > 0
    assert usages[1]["cachedInputTokens"] == usages[0]["cacheWriteTokens"]


async def test_every_stream_that_is_allowed_has_a_call_of_its_own_at_once(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, start: Start
) -> None:
    """The client's own limit is smaller than what may be set, and who waits for it fails."""
    defaults = aiohttp.TCPConnector.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "limit", 1)
    service = await start(model="fault:hang")
    async with chatting(service) as first, chatting(service) as second:
        for stream in (first, second):
            await read_until(stream, b"text-delta")

        assert sandbox.stats.model_open == 2


async def test_the_proxy_that_the_environment_names_is_used(
    monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    async with scripted_model() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removeprefix("http://"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        service = await start(llm_base_url="http://model.invalid")
        stream = read_stream(await chat(service))

    assert stream.text == "Yes."


async def test_a_body_that_ends_after_its_last_event_leaves_the_connection_for_the_next_call(
    monkeypatch: pytest.MonkeyPatch, start: Start
) -> None:
    monkeypatch.setattr("lyra.chat.model.anthropic_model._BODY_END_S", LONG_S)
    answered, connections = asyncio.Event(), set()

    async def reply(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        connections.add(request.transport.get_extra_info("peername"))
        response = await opened(request)
        await response.write(words("Yes.") + stopped())
        await answered.wait()
        return response

    async with scripted_model(reply) as model:
        service = await start(llm_base_url=model.url)
        first = read_stream(await chat(service))
        answered.set()
        while service.services.runs.stats()["live"]:  # noqa: ASYNC110 - it has no event for this
            await asyncio.sleep(0)
        await chat(service)

    assert (first.ending, len(connections)) == ("stop", 1)
