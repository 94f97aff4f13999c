"""JSON that leaves in one write, behind a head made of constants: the answer of the warm routes.

aiohttp builds a table of headers for every answer and encodes it again; for an answer of a few
hundred bytes that is a third of all its work. What is unusual takes the usual way: see `ready_json`.
"""

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpVersion11

from lyra.settings import Settings
from lyra.web.answers import API_HEADERS, json_bytes, request_id, strict_transport
from lyra.web.services import SERVICES, Services

_TYPE = "application/json; charset=utf-8"
_LAST = "Connection: close\r\n"


def ready_head(settings: Settings) -> bytes:
    """Status line and headers, up to the values that differ from answer to answer."""
    answer = web.StreamResponse(headers={**API_HEADERS, "Content-Type": _TYPE})
    strict_transport(answer, settings)
    lines = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    return f"HTTP/1.1 200 OK\r\n{lines}".encode()


def ready_json(request: web.Request, body: bytes) -> web.StreamResponse:
    """A 200 with this JSON."""
    services = request.app[SERVICES]
    usual = (
        request.version == HttpVersion11
        and request.method != "HEAD"
        and same_head_for_all(services)
    )
    return _Ready(services.head, body) if usual else json_bytes(body)


def same_head_for_all(services: Services) -> bool:
    """Whether `services.head` begins every answer just now."""
    return not services.settings.cors_origins and not services.leaving.is_set()


def ready_bytes(head: bytes, body: bytes, rid: str, *, last: bool = False) -> bytes:
    """The whole answer; the connection's `last` one says so."""
    rest = (
        f"Content-Length: {len(body)}\r\nDate: {rfc822_formatted_time()}\r\n"
        f"X-Request-Id: {rid}\r\n{_LAST if last else ''}\r\n"
    )
    return b"%b%b%b" % (head, rest.encode(), body)


class _Ready(web.StreamResponse):
    """Takes the place of aiohttp's `prepare` and `write_eof`, the two steps of sending."""

    def __init__(self, head: bytes, body: bytes) -> None:
        super().__init__()
        self._head = head
        self._json = body

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send all of it."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the reader has left")
        if not request.keep_alive:
            self.force_close()
        self._keep_alive = request.keep_alive
        data = ready_bytes(self._head, self._json, request_id.get(), last=not request.keep_alive)
        self._eof_sent = True
        transport.write(data)
        request.writer.output_size += len(data)
        await request.writer.drain()

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to send."""
