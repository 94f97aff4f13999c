"""Claude, or any server that speaks the Anthropic Messages API: the one door to `anthropic`.

The SDK gives authentication, its HTTP client and typed errors; requests are made and events are read
raw, which costs a third of its own way and survives servers that crash it. It never retries: it
obeys a Retry-After of any length, silently. Import this module lazily, it takes about a second.
"""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import Any

import anthropic
import httpx2
import orjson
from anthropic import AsyncAnthropic, DefaultAioHttpClient

from lyra.chat.events import EventData
from lyra.chat.guard import CREDENTIALS, SPEND_LIMIT
from lyra.chat.model import Done, Pieces, Prompt, Usage
from lyra.chat.told import Told
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
from lyra.settings import Settings

log = logging.getLogger(__name__)

_SPARE_CONNECTIONS = 64  # for calls of answers that have just ended
_MAX_RETRY_AFTER_S = 60.0
_IDLE_S = 30.0  # that a connection waits for the next call; servers close theirs after a minute
_ERROR_BYTES = 65_536
_SERVER_FAULT = 500
_BUSY = (408, 409)
_TOO_MANY = 429
_BARRED = (401, 402, 403)
_TOO_LARGE = 413


@asynccontextmanager
async def open_claude(settings: Settings) -> AsyncIterator["Claude"]:
    """A client for one process, closed at the end of the block."""
    # Making it imports more, and reads certificates: not on the event loop.
    client, http = await asyncio.to_thread(_client, settings)
    async with client:
        yield Claude(client, http, settings)


def _client(settings: Settings) -> tuple[AsyncAnthropic, httpx2.AsyncClient]:
    # The SDK's own limit of a thousand would make the streams above it wait, and then fail.
    most = settings.max_streams + _SPARE_CONNECTIONS
    limits = httpx2.Limits(max_connections=most, keepalive_expiry=_IDLE_S)
    # No timeout for a read: it would set a timer anew at every token. Patience and the limit of the
    # whole answer bound the silence.
    timeout = httpx2.Timeout(None, connect=5, write=5, pool=5)
    http = DefaultAioHttpClient(follow_redirects=False, limits=limits, timeout=timeout)
    client = AsyncAnthropic(
        # An explicit key, always: without one the SDK searches the disk for profiles.
        api_key=settings.llm_api_key or "none",
        base_url=settings.llm_base_url or "https://api.anthropic.com",
        max_retries=0,
        timeout=timeout,
        http_client=http,
    )
    return client, http


class Claude:
    """Answers over `POST /v1/messages`."""

    offline = False

    def __init__(
        self, client: AsyncAnthropic, http: httpx2.AsyncClient, settings: Settings
    ) -> None:
        self._http = http
        self._url = httpx2.URL(f"{str(client.base_url).rstrip('/')}/v1/messages")
        # What authenticates and names the client, made by the SDK and the HTTP client once.
        told = {
            name: text for name, text in client.default_headers.items() if isinstance(text, str)
        }
        self._asked = http.build_request("POST", self._url, headers=told)
        self._headers = self._asked.headers.copy()
        del self._headers["content-length"]
        self._max_tokens = settings.max_tokens
        # Words come sooner without thinking; other servers may not know the parameter.
        quick = settings.llm_base_url is None and settings.model.startswith("claude-haiku-5")
        self._extra: dict[str, Any] = {"thinking": {"type": "disabled"}} if quick else {}
        self.name = settings.model

    @asynccontextmanager
    async def open(self, prompt: Prompt) -> AsyncIterator[Pieces]:
        """See ChatModel.open; entered when the answer's headers have come."""
        try:
            response = await self._sent(prompt)
            del prompt  # its context is large, and not needed while the answer comes
            async with aclosing(response), aclosing(_pieces(response)) as pieces:
                yield pieces
        except LyraError:
            raise
        except Exception as failure:  # noqa: BLE001 - the SDK raises seven unrelated kinds here
            raise classify(failure) from None

    async def _sent(self, prompt: Prompt) -> httpx2.Response:
        """The answer's status and headers, the body still to come.

        The SDK's way builds address, headers and body anew each time, through its own types.
        """
        request = httpx2.Request(
            "POST", self._url, headers=self._headers, content=self._body(prompt)
        )
        try:
            response = await self._http.send(request, stream=True)
        except httpx2.TimeoutException as failure:
            raise anthropic.APITimeoutError(request) from failure
        except Exception as failure:
            # As the SDK has it: whatever breaks before there is an answer, nobody was reached.
            raise anthropic.APIConnectionError(request=request) from failure
        if response.is_success:
            response.request = self._asked  # else it would hold the whole prompt to its end
            return response
        async with aclosing(response):
            raise _refused(await _told_by(response))

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


async def _pieces(response: httpx2.Response) -> AsyncGenerator[str | Usage | Done, None]:
    """Words as they come, then Done; those that came in one read leave as one piece.

    Raises:
        LlmTruncatedError: the stream ended cleanly without its end mark.
        LyraError: the server reported an error in the middle.
    """
    told, events = Told(), EventData()
    async for read in _reads(response):
        for data in events.feed(read):
            told.take(data)
        for piece in told.pieces():
            yield piece
        if told.ending is not None:
            return
    raise LlmTruncatedError


def _reads(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The body as it arrives; the caller closes the response, and with it this."""
    if "content-encoding" in response.headers:
        return response.aiter_bytes()
    # What `aiter_raw` reads too, without its two generators around every token.
    assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - an async client's is
    return aiter(response.stream)


def classify(failure: Exception) -> LyraError:
    """The SDK's, httpx2's and the decoder's errors as ours; the vendor's words stay here."""
    match failure:
        case anthropic.APIStatusError():
            return _refused(failure)
        case anthropic.APITimeoutError() | httpx2.TimeoutException():
            return LlmTimeoutError()
        case anthropic.APIConnectionError():
            log.warning("the model's server cannot be reached")
            return LlmUnavailableError()
        case (
            anthropic.CredentialsError()
            | anthropic.WorkloadIdentityError()
            | httpx2.UnsupportedProtocol()
            | httpx2.InvalidURL()
        ):
            log.error("the model's key or address cannot be used: %s", type(failure).__name__)
            return LlmMisconfiguredError()
        case (
            httpx2.HTTPError()
            | httpx2.StreamError()
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


async def _told_by(response: httpx2.Response) -> anthropic.APIStatusError:
    """What an answer with an error's status says, in the SDK's terms."""
    body, said = None, b""
    async for piece in response.aiter_bytes():
        said += piece
        if len(said) > _ERROR_BYTES:
            break
    with suppress(orjson.JSONDecodeError):
        body = orjson.loads(said)
    return anthropic.APIStatusError("the model refused", response=response, body=body)


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
    return LlmMisconfiguredError(reason=CREDENTIALS if status in _BARRED else None)


def _too_long(failure: anthropic.APIStatusError) -> bool:
    """Whether the prompt did not fit: Anthropic says so in words, llama.cpp by a type."""
    said = f"{failure.type} {failure.api_message}".lower()
    return "exceed_context_size" in said or "prompt is too long" in said


def _retry_after(response: httpx2.Response) -> float | None:
    """Seconds to wait, from 0.5 to a minute; None when the server does not say, or nonsense."""
    value = response.headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, response.headers.get("date", ""))
    return min(max(seconds, 0.5), _MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None


def _until(when: str, now: str) -> float:
    try:
        return (parsedate_to_datetime(when) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError):
        return math.nan
