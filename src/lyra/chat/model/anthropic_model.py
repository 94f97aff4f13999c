"""Claude, or any server with the Anthropic Messages API: the only module that imports `anthropic`.

The SDK is used for authentication and its typed errors. Requests go out through aiohttp and the
events are decoded here: that takes a third of the SDK's time, and survives servers that crash the
SDK. The SDK's retries are not used, since it waits for a Retry-After of any length, silently. Only
a request that met a closed connection is sent again, see `connection_pool`.
Import this module lazily: that takes about a second.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import aiohttp
import anthropic
import httpx2
import orjson
from anthropic import AsyncAnthropic, DefaultAioHttpClient
from yarl import URL

from lyra.chat.model.body_reader import push_body
from lyra.chat.model.connection_pool import Client, open_pool
from lyra.chat.model.model_circuit import CREDENTIALS, SPEND_LIMIT
from lyra.chat.model.port import Done, ModelStream, OnPiece, Prompt, ToolsRefusedError
from lyra.chat.model.proxies import find_proxy
from lyra.chat.model.sse_decoder import BYTE_ORDER_MARK, SSEDecoder
from lyra.chat.model.stream_accumulator import StreamAccumulator
from lyra.chat.model.vendor_error import parse_error_type
from lyra.errors import (
    ConversationTooLongError,
    LlmInterruptedError,
    LlmMisconfiguredError,
    LlmRateLimitedError,
    LlmTimeoutError,
    LlmTruncatedError,
    LlmUnavailableError,
    LyraError,
)
from lyra.settings import ANTHROPIC_URL, Settings
from lyra.upstream import ERROR_BODY_S, epoch, error_body, pause

log = logging.getLogger(__name__)

_SPARE_CONNECTIONS = 64  # for the calls of answers that have just ended
_MAX_RETRY_AFTER_S = 60.0
_BODY_END_S = 0.5
_ERROR_BYTES = 65_536
_SUCCESS = range(200, 300)
_INVALID = 400
_SERVER_FAULT = 500
_BUSY = (408, 409)
_TOO_MANY = 429
_BARRED = (401, 402, 403)
_ABOUT_THE_KEY = ("authentication_error", "permission_error", "billing_error")
_TOO_LARGE = 413


class _Wire(NamedTuple):
    """Where requests go, and what each of them carries."""

    url: URL
    headers: dict[str, str]
    certificates: ssl.SSLContext
    proxy: str | None


@asynccontextmanager
async def open_anthropic(settings: Settings) -> AsyncIterator["AnthropicModel"]:
    """Provide the model of one process, closed at the end of the block."""
    # This imports more modules and reads certificates, which would block the event loop.
    wire = await asyncio.to_thread(_make_wire, settings)
    # aiohttp's own limit of a hundred would make the streams above it wait, and then fail.
    limit = settings.max_streams + _SPARE_CONNECTIONS
    async with open_pool(limit, wire.certificates, wire.headers, wire.proxy) as connections:
        yield AnthropicModel(connections, wire.url, settings)


def _make_wire(settings: Settings) -> _Wire:
    base = settings.llm_base_url or ANTHROPIC_URL
    url = URL(f"{base.rstrip('/')}/v1/messages")
    certificates = httpx2.create_ssl_context()
    client = AsyncAnthropic(
        # An explicit key, always: without one the SDK searches the disk for profiles.
        api_key=settings.llm_api_key or "none",
        base_url=base,
        http_client=DefaultAioHttpClient(verify=certificates),
    )
    headers = {
        name: text
        for name, text in client.default_headers.items()
        # The `x-stainless` ones describe requests of the SDK itself.
        if isinstance(text, str) and not name.lower().startswith("x-stainless-")
    }
    return _Wire(url, headers, certificates, find_proxy(url))


class AnthropicModel:
    """Answers over `POST /v1/messages`."""

    offline = False

    def __init__(self, http: Client, url: URL, settings: Settings) -> None:
        self._http = http
        self._url = url
        self._request = httpx2.Request("POST", str(url))  # which the SDK's errors need
        self._max_tokens = settings.max_tokens
        self._error_body_s = min(ERROR_BODY_S, settings.first_token_timeout_s / 2)
        # Text comes sooner without thinking; other servers may not know the parameter.
        quick = settings.llm_base_url is None and settings.model.startswith("claude-haiku-5")
        self._extra: dict[str, Any] = {"thinking": {"type": "disabled"}} if quick else {}
        self.name = settings.model

    @asynccontextmanager
    async def open(self, prompt: Prompt) -> AsyncIterator[ModelStream]:
        """See ChatModel.open; entered when the head of the response has come."""
        try:
            response = await self._post(prompt)
            tools_offered, first = bool(prompt.tools), not prompt.rounds
            taken_ids = {each.call_id for one in prompt.rounds for each in one.results}
            del prompt  # its context is large, and not needed any more
            async with response:
                await self._check(response, perhaps_for_tools=tools_offered and first)
                stream = _AnthropicStream(
                    response, tools_offered=tools_offered, taken_ids=taken_ids
                )
                yield stream
                if stream.complete:
                    await _wait_body_end(response)
        except LyraError:
            raise
        except Exception as failure:  # noqa: BLE001 - the libraries raise many unrelated types here
            raise classify(failure) from None

    async def _post(self, prompt: Prompt) -> aiohttp.ClientResponse:
        """Send the prompt. Return the response once its head has come."""
        body = self._make_body(prompt)
        try:
            return await self._http.post(self._url, data=body)
        except TimeoutError as failure:
            raise anthropic.APITimeoutError(self._request) from failure
        except Exception as failure:
            # As in the SDK: any error before the response is a connection error.
            raise anthropic.APIConnectionError(request=self._request) from failure

    async def _check(self, response: aiohttp.ClientResponse, *, perhaps_for_tools: bool) -> None:
        """Raise the error of a response with an error status, read as the SDK does."""
        if response.status in _SUCCESS:
            return
        payload = await error_body(response, most=_ERROR_BYTES, within_s=self._error_body_s)
        body = None
        with suppress(orjson.JSONDecodeError):
            body = orjson.loads(payload)
        # The bytes as they came: of text the SDK's client takes ASCII alone.
        raw = list(response.raw_headers)
        answer = httpx2.Response(response.status, headers=raw, request=self._request)
        failure = anthropic.APIStatusError("the model refused", response=answer, body=body)
        about_the_key = parse_error_type(body) in _ABOUT_THE_KEY
        if (
            perhaps_for_tools
            and response.status == _INVALID
            and not (about_the_key or _is_too_long(failure))
        ):
            raise ToolsRefusedError
        raise _classify_status(failure)

    def _make_body(self, prompt: Prompt) -> bytes:
        cached = {"type": "text", "text": prompt.context(), "cache_control": {"type": "ephemeral"}}
        tools: dict[str, Any] = {}
        if prompt.tools:
            # Never left out between two rounds: they begin what the model's prompt cache knows.
            tools["tools"] = orjson.Fragment(prompt.tools)
        if prompt.tools and not prompt.calls_allowed:
            tools["tool_choice"] = {"type": "none"}
        return orjson.dumps(
            {
                "model": self.name,
                "max_tokens": self._max_tokens,
                **tools,
                "system": [{"type": "text", "text": prompt.rules}, cached],
                "messages": prompt.messages(),
                "stream": True,
                **self._extra,
            }
        )


class _AnthropicStream:
    """An answer that comes as the events of the Messages API; see ModelStream."""

    def __init__(
        self, response: aiohttp.ClientResponse, *, tools_offered: bool, taken_ids: AbstractSet[str]
    ) -> None:
        self._response = response
        self._decoder = SSEDecoder()
        self._accumulator = StreamAccumulator(tools_offered=tools_offered, taken_ids=taken_ids)
        self._beginning = bytearray()  # of the body, as long as no event has come
        self._stopped = False

    async def stream_to(self, on_piece: OnPiece) -> None:
        """See ModelStream.stream_to; the text of one read is one piece.

        Raises:
            LlmTruncatedError: the stream ended cleanly without its end mark.
            LyraError: the server reported an error in the middle.
        """
        self._on_piece = on_piece
        try:
            await push_body(self._response, self._feed)
        finally:
            for piece in () if self._stopped else self._accumulator.take_rest():
                self._stopped = on_piece(piece) or self._stopped
        if self._stopped:
            return
        ending = self._read_ending()
        if isinstance(ending, LyraError):
            raise ending
        on_piece(ending)

    def _read_ending(self) -> Done | LyraError:
        body = bytes(self._beginning).removeprefix(BYTE_ORDER_MARK)
        if not self._decoder.any_event and body.lstrip().startswith(b"{"):
            self._accumulator.feed(body)  # some servers report an error as plain JSON
        ending = self._accumulator.ending or LlmTruncatedError()
        if isinstance(ending, LlmMisconfiguredError):
            log.error("the model refused the request in its answer, with status 200")
        return ending

    @property
    def complete(self) -> bool:
        """Whether the end mark has come."""
        return isinstance(self._accumulator.ending, Done)

    def _feed(self, data: bytes) -> bool:
        accumulator = self._accumulator
        for event in self._decoder.feed(data):
            accumulator.feed(event)
        if not self._decoder.any_event and len(self._beginning) < _ERROR_BYTES:
            self._beginning += data
        if accumulator.only_text:
            if text := accumulator.take_text():
                self._stopped = self._on_piece(text)
        else:
            for piece in accumulator.take_pieces():
                self._stopped = self._on_piece(piece) or self._stopped
        return self._stopped or accumulator.ending is not None


async def _wait_body_end(response: aiohttp.ClientResponse) -> None:
    """Wait a moment for the end of the body after its last event.

    Many servers send it separately. A connection that is left before cannot be used again, and the
    next request would wait for a new one and for TLS.
    """
    if not response.content.is_eof() and response.content.exception() is None:
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(_BODY_END_S):
                await response.content.wait_eof()


def classify(failure: Exception) -> LyraError:
    """Return our error for one of the SDK, aiohttp or the decoder, without the vendor's message."""
    match failure:
        case anthropic.APIStatusError():
            return _classify_status(failure)
        case anthropic.APITimeoutError() | TimeoutError():
            return LlmTimeoutError()
        case anthropic.APIConnectionError():
            log.warning("the model's server cannot be reached")
            return LlmUnavailableError()
        case anthropic.CredentialsError() | anthropic.WorkloadIdentityError():
            log.error("the model's key or address cannot be used: %s", type(failure).__name__)
            return LlmMisconfiguredError()
        case (
            aiohttp.ClientError()
            | anthropic.APIError()
            | ValueError()
            | LookupError()
            | TypeError()
            | AttributeError()
        ):
            return LlmInterruptedError()
        case _:
            log.error("unexpected failure of the model client: %s", type(failure).__name__)
            return LlmInterruptedError()


def _classify_status(failure: anthropic.APIStatusError) -> LyraError:
    status = failure.status_code
    # By status first: compatible servers often send no error type, or one of their own.
    if status == _TOO_MANY:
        spent = failure.error_code == "enforced_spend_limit_reached"
        pause = _MAX_RETRY_AFTER_S if spent else _parse_retry_after(failure.response)
        return LlmRateLimitedError(retry_after_s=pause, reason=SPEND_LIMIT if spent else None)
    if status >= _SERVER_FAULT or status in _BUSY:
        return LlmUnavailableError(retry_after_s=_parse_retry_after(failure.response))
    if status == _TOO_LARGE or _is_too_long(failure):
        return ConversationTooLongError()
    log.error("the model refused the request: status %d, type %s", status, failure.type)
    # A proxy or filter before the model answers 403 to texts that it does not like, and 401 or 402
    # on its own behalf; only the vendor's own error type is about the key.
    barred = status in _BARRED and parse_error_type(failure.body) in _ABOUT_THE_KEY
    return LlmMisconfiguredError(reason=CREDENTIALS if barred else None)


def _is_too_long(failure: anthropic.APIStatusError) -> bool:
    """Return whether the prompt was too long: Anthropic says so in words, llama.cpp by a type."""
    message = f"{failure.type} {failure.api_message}".lower()
    return "exceed_context_size" in message or "prompt is too long" in message


def _parse_retry_after(response: httpx2.Response) -> float | None:
    """Return the seconds to wait, from 0.5 to 60, or None if there is no valid header."""
    headers = response.headers
    seconds = pause(headers.get("retry-after", ""), epoch(headers.get("date", "")))
    return None if seconds is None else min(max(seconds, 0.5), _MAX_RETRY_AFTER_S)
