"""A client of Lyra's public API for the terminal. It does not trust what the server sends."""

import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from lyra.spotify.token import Token

MAX_ANSWER_BYTES = 16_777_216
_LINE_BYTES = 1_048_576  # Lyra's longest answer is 64 KiB, which JSON may make six times as long
_CONNECT_S = 5
_SILENCE_S = 60  # Lyra sends a comment every 15 s
_REQUEST_S = 30
_REFUSED = 400
# Characters that control a terminal or the direction of text, or hide in it; ZWJ and ZWNJ only join.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HIDDEN = frozenset("\u00ad\u180e\u200b\u2060\u2061\u2062\u2063\u2064\ufeff")
_DROPPED = frozenset({"Cc", "Cs", "Zl", "Zp"})

Turn = dict[str, str]
Part = Mapping[str, Any]


class ChatError(Exception):
    """A failure, in one sentence for the person at the terminal."""


class RefusedError(ChatError):
    """The server refused; `retry_after_s` where the same request may succeed then.

    `action` is what has to be done first, in the server's word for it; often empty.
    """

    def __init__(self, sentence: str, *, retry_after_s: float | None, action: str) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s
        self.action = action


class UnreachableError(ChatError):
    """There is no server at this address."""


def strip_controls(text: str) -> str:
    """Return the text without what controls a terminal or hides; line breaks and tabs stay."""
    return "".join(char for char in text if char in "\n\t" or not _is_control(char))


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in _DROPPED or char in _BIDI or char in _HIDDEN


class Client:
    """A client of one server."""

    def __init__(self, url: str, http: aiohttp.ClientSession, time_zone: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = http
        self._time_zone = time_zone

    async def is_demo(self) -> bool:
        """Return whether the server's listeners are invented.

        Raises:
            UnreachableError: there is no server at this address.
            ChatError: the server is not a Lyra.
        """
        async with self._call("GET", "/readyz") as answer:
            readiness = await _read_json(answer)
        if not isinstance(readiness, dict) or "demo" not in readiness:
            raise ChatError(f"What answers at {self.url} is not a Lyra.")
        return bool(readiness["demo"])

    async def forget(self, token: Token) -> None:
        """Make the server forget the listener."""
        async with self._call("DELETE", "/lyra/session", token) as answer:
            await _raise_refusal(answer)

    async def save_playlist(self, token: Token, proposal_id: str, choice: Any) -> tuple[str, int]:
        """Save a proposed playlist; return its address, and how many tracks it was saved with.

        Raises:
            RefusedError: it is not, or not all of it, saved.
        """
        path = f"/lyra/playlists/{proposal_id}"
        async with self._call("POST", path, token, choice) as answer:
            await _raise_refusal(answer)
            match await _read_json(answer):
                case {"playlist": {"url": str(url), "count": int(count)}}:
                    return strip_controls(url), count
                case _:
                    raise ChatError("What came is no answer of Lyra's.")

    async def dismiss_playlist(self, token: Token, proposal_id: str) -> None:
        """Make the server forget a proposed playlist."""
        async with self._call("DELETE", f"/lyra/playlists/{proposal_id}", token) as answer:
            await _raise_refusal(answer)

    async def ask(
        self, token: Token, message: str, history: Sequence[Turn]
    ) -> AsyncGenerator[Part, None]:
        """Yield the parts of the answer as they come; leaving early closes the connection.

        Raises:
            ChatError: the server refused, closed the connection, or sent something else.
        """
        body = {"message": message, "history": list(history)}
        async with self._call("POST", "/lyra/chat", token, body) as answer:
            await _raise_refusal(answer)
            received = 0
            async for line in answer.content:
                received = _check_size(received + len(line))
                data = line.removeprefix(b"data:").strip()
                if data == b"[DONE]":
                    return
                if line.startswith(b"data:"):
                    yield _decode_part(data)
        raise ChatError("The connection was lost. What you see may be incomplete.")

    @asynccontextmanager
    async def _call(
        self, method: str, path: str, token: Token | None = None, body: Any = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"X-Timezone": self._time_zone} if self._time_zone else {}
        if token:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = orjson.dumps(body)
        timeout = aiohttp.ClientTimeout(
            total=_REQUEST_S if body is None else None,
            sock_connect=_CONNECT_S,
            sock_read=_SILENCE_S,
        )
        try:
            async with self._http.request(
                method,
                f"{self.url}{path}",
                headers=headers,
                data=data,
                timeout=timeout,
                # A redirect would carry the token to another address.
                allow_redirects=False,
            ) as answer:
                yield answer
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError) as failure:
            raise self._as_error(failure) from None
        except TimeoutError:
            raise ChatError("The server did not answer in time.") from None
        except (aiohttp.ClientError, ValueError):
            raise ChatError(
                "The connection was lost, or what came is no answer of Lyra's."
            ) from None

    def _as_error(self, failure: Exception) -> ChatError:
        if isinstance(failure, aiohttp.SocketTimeoutError):
            return ChatError(f"The server has been silent for {_SILENCE_S} s.")
        return UnreachableError(f"Nobody answers at {self.url}.")


@asynccontextmanager
async def open_client(url: str, time_zone: str | None = None) -> AsyncIterator[Client]:
    """Yield a client whose connections close at the end of the block.

    `time_zone` is the listener's, by its IANA name: answers speak of its hours.
    """
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        # The loop does not run between two questions, so a kept connection may be dead by then.
        connector=aiohttp.TCPConnector(force_close=True),
        read_bufsize=_LINE_BYTES,
    ) as http:
        yield Client(url, http, time_zone)


def _decode_part(data: bytes) -> Part:
    part = orjson.loads(data)
    if not isinstance(part, dict):
        raise ChatError("The server sent what is no answer of Lyra's.")
    return part


def _check_size(received: int) -> int:
    if received > MAX_ANSWER_BYTES:
        raise ChatError("The answer does not end; it was cut off.")
    return received


async def _read_json(answer: aiohttp.ClientResponse) -> Any:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        _check_size(len(body))
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


async def _raise_refusal(answer: aiohttp.ClientResponse) -> None:
    if answer.status < _REFUSED:
        return
    body = await _read_json(answer)
    error = body.get("error") if isinstance(body, dict) else None
    sentence = error.get("message") if isinstance(error, dict) else None
    if not isinstance(error, dict) or not isinstance(sentence, str):
        raise ChatError(f"The server answers {answer.status}, and not as Lyra does.")
    pause_s, action = error.get("retry_after_s"), error.get("action")
    usable = isinstance(pause_s, int | float) and error.get("retryable") is True
    raise RefusedError(
        strip_controls(sentence),
        retry_after_s=pause_s if usable else None,
        action=action if isinstance(action, str) else "",
    )
