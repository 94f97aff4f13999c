"""Claude, or any server that speaks the Anthropic Messages API: the one door to `anthropic`.

The SDK gives authentication and typed errors. Requests leave through aiohttp's own client and
events are read raw: a third of what the SDK and the client between the two cost, and servers that
crash the SDK are survived. It never retries: it obeys a Retry-After of any length, silently. Only a
question that met a closed connection is sent again, see `connections`.
Import this module lazily, it takes about a second.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
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
from lyra.chat.model.port import Done, ModelStream, OnPiece, Prompt
from lyra.chat.model.proxies import proxy_to
from lyra.chat.model.sse_decoder import BYTE_ORDER_MARK, SSEDecoder
from lyra.chat.model.stream_accumulator import StreamAccumulator
from lyra.chat.model.vendor_error import vendors_type
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

_SPARE_CONNECTIONS = 64  # for calls of answers that have just ended
_MAX_RETRY_AFTER_S = 60.0
_TAIL_S = 0.5
_ERROR_BYTES = 65_536
_GOOD = range(200, 300)
_SERVER_FAULT = 500
_BUSY = (408, 409)
_TOO_MANY = 429
_BARRED = (401, 402, 403)
_ABOUT_THE_KEY = ("authentication_error", "permission_error", "billing_error")
_TOO_LARGE = 413


class _Wire(NamedTuple):
    """Where calls go, and what each of them carries."""

    url: URL
    headers: dict[str, str]
    certificates: ssl.SSLContext
    proxy: str | None


@asynccontextmanager
async def open_anthropic(settings: Settings) -> AsyncIterator["AnthropicModel"]:
    """A client for one process, closed at the end of the block."""
    # Making it imports more, and reads certificates: not on the event loop.
    wire = await asyncio.to_thread(_wire, settings)
    # aiohttp's own limit of a hundred would make the streams above it wait, and then fail.
    most = settings.max_streams + _SPARE_CONNECTIONS
    async with open_pool(most, wire.certificates, wire.headers, wire.proxy) as connections:
        yield AnthropicModel(connections, wire.url, settings)


def _wire(settings: Settings) -> _Wire:
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
        # The last are about the SDK's own requests, and those are not made.
        if isinstance(text, str) and not name.lower().startswith("x-stainless-")
    }
    return _Wire(url, headers, certificates, proxy_to(url))


class AnthropicModel:
    """Answers over `POST /v1/messages`."""

    offline = False

    def __init__(self, http: Client, url: URL, settings: Settings) -> None:
        self._http = http
        self._url = url
        self._asked = httpx2.Request("POST", str(url))  # what the SDK's errors want to know
        self._max_tokens = settings.max_tokens
        self._error_body_s = min(ERROR_BODY_S, settings.first_token_timeout_s / 2)
        # Words come sooner without thinking; other servers may not know the parameter.
        quick = settings.llm_base_url is None and settings.model.startswith("claude-haiku-5")
        self._extra: dict[str, Any] = {"thinking": {"type": "disabled"}} if quick else {}
        self.name = settings.model

    @asynccontextmanager
    async def open(self, prompt: Prompt) -> AsyncIterator[ModelStream]:
        """See ChatModel.open; entered when the answer's headers have come."""
        try:
            response = await self._sent(prompt)
            del prompt  # its context is large, and not needed while the answer comes
            async with response:
                await self._check(response)
                spoken = _AnthropicStream(response)
                yield spoken
                if spoken.whole:
                    await _ended(response)
        except LyraError:
            raise
        except Exception as failure:  # noqa: BLE001 - the vendors raise many unrelated kinds here
            raise classify(failure) from None

    async def _sent(self, prompt: Prompt) -> aiohttp.ClientResponse:
        """The answer's status and headers, the body still to come."""
        body = self._body(prompt)
        try:
            return await self._http.post(self._url, data=body)
        except TimeoutError as failure:
            raise anthropic.APITimeoutError(self._asked) from failure
        except Exception as failure:
            # As the SDK has it: whatever breaks before there is an answer, nobody was reached.
            raise anthropic.APIConnectionError(request=self._asked) from failure

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        """Raise what an answer with an error's status says, read in the SDK's terms."""
        if response.status in _GOOD:
            return
        said = await error_body(response, most=_ERROR_BYTES, within_s=self._error_body_s)
        body = None
        with suppress(orjson.JSONDecodeError):
            body = orjson.loads(said)
        # The bytes as they came: of text the SDK's client takes ASCII alone.
        raw = list(response.raw_headers)
        answer = httpx2.Response(response.status, headers=raw, request=self._asked)
        raise _refused(anthropic.APIStatusError("the model refused", response=answer, body=body))

    def _body(self, prompt: Prompt) -> bytes:
        cached = {"type": "text", "text": prompt.context(), "cache_control": {"type": "ephemeral"}}
        return orjson.dumps(
            {
                "model": self.name,
                "max_tokens": self._max_tokens,
                "system": [{"type": "text", "text": prompt.rules}, cached],
                "messages": [{"role": turn.role, "content": turn.text} for turn in prompt.turns],
                "stream": True,
                **self._extra,
            }
        )


class _AnthropicStream:
    """An answer that comes as the events of the Messages API; see Voice."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._events = SSEDecoder()
        self._accumulator = StreamAccumulator()
        self._begin = bytearray()  # of a body, as long as it may be none of events
        self._enough = False

    async def stream_to(self, take: OnPiece) -> None:
        """See Voice.tell; the words of one read are handed over as one piece.

        Raises:
            LlmTruncatedError: the stream ended cleanly without its end mark.
            LyraError: the server reported an error in the middle.
        """
        self._take = take
        try:
            await push_body(self._response, self._feed)
        finally:
            if not self._enough and (words := self._accumulator.rest()):
                self._enough = take(words)
        if self._enough:
            return
        ending = self._ending()
        if isinstance(ending, LyraError):
            raise ending
        take(ending)

    def _ending(self) -> Done | LyraError:
        body = bytes(self._begin).removeprefix(BYTE_ORDER_MARK)
        if not self._events.any and body.lstrip().startswith(b"{"):
            self._accumulator.feed(body)  # some servers report an error as plain JSON
        ending = self._accumulator.ending or LlmTruncatedError()
        if isinstance(ending, LlmMisconfiguredError):
            log.error("the model refused the request in its answer, with status 200")
        return ending

    @property
    def whole(self) -> bool:
        """Whether the end mark has come."""
        return isinstance(self._accumulator.ending, Done)

    def _feed(self, read: bytes) -> bool:
        told = self._accumulator
        for data in self._events.feed(read):
            told.feed(data)
        if not self._events.any and len(self._begin) < _ERROR_BYTES:
            self._begin += read
        if told.has_usage:
            self._take(told.take_usage())
        if words := told.take_text():
            self._enough = self._take(words)
        return self._enough or told.ending is not None


async def _ended(response: aiohttp.ClientResponse) -> None:
    """Wait a moment for what ends the body after its last event.

    Many servers send it by itself. A connection that is left before is lost, and the next question
    then waits for another one, and for TLS.
    """
    if not response.content.is_eof() and response.content.exception() is None:
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(_TAIL_S):
                await response.content.wait_eof()


def classify(failure: Exception) -> LyraError:
    """The SDK's, aiohttp's and the decoder's errors as ours; the vendor's words stay here."""
    match failure:
        case anthropic.APIStatusError():
            return _refused(failure)
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


def _refused(failure: anthropic.APIStatusError) -> LyraError:
    status = failure.status_code
    # The status first: compatible servers often send no error type, or their own.
    if status == _TOO_MANY:
        spent = failure.error_code == "enforced_spend_limit_reached"
        pause = _MAX_RETRY_AFTER_S if spent else _retry_after(failure.response)
        return LlmRateLimitedError(retry_after_s=pause, reason=SPEND_LIMIT if spent else None)
    if status >= _SERVER_FAULT or status in _BUSY:
        return LlmUnavailableError(retry_after_s=_retry_after(failure.response))
    if status == _TOO_LARGE or _too_long(failure):
        return ConversationTooLongError()
    log.error("the model refused the request: status %d, type %s", status, failure.type)
    # Whoever stands before the model answers 403 to words that it does not like, and 401 or 402 on
    # its own account; only the vendor's own word is about the key.
    barred = status in _BARRED and vendors_type(failure.body) in _ABOUT_THE_KEY
    return LlmMisconfiguredError(reason=CREDENTIALS if barred else None)


def _too_long(failure: anthropic.APIStatusError) -> bool:
    """Whether the prompt did not fit: Anthropic says so in words, llama.cpp by a type."""
    said = f"{failure.type} {failure.api_message}".lower()
    return "exceed_context_size" in said or "prompt is too long" in said


def _retry_after(response: httpx2.Response) -> float | None:
    """Seconds to wait, from 0.5 to a minute; None when the server does not say, or nonsense."""
    headers = response.headers
    seconds = pause(headers.get("retry-after", ""), epoch(headers.get("date", "")))
    return None if seconds is None else min(max(seconds, 0.5), _MAX_RETRY_AFTER_S)
