"""A JSON response that leaves in one write, behind a prebuilt head: for the warm routes.

aiohttp builds a table of headers for every response and encodes it again; for a few hundred bytes
that is a third of all its work. Unusual requests get an ordinary response: see `prebuilt_json`.
"""

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpVersion11

from lyra.settings import Settings
from lyra.web.context import SERVICES, Services
from lyra.web.http.responses import API_HEADERS, add_hsts, json_bytes, request_id

_TYPE = "application/json; charset=utf-8"
_LAST = "Connection: close\r\n"


def prebuilt_head(settings: Settings) -> bytes:
    """Return status line and headers, up to the values that differ from response to response."""
    response = web.StreamResponse(headers={**API_HEADERS, "Content-Type": _TYPE})
    add_hsts(response, settings)
    lines = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    return f"HTTP/1.1 200 OK\r\n{lines}".encode()


def prebuilt_json(request: web.Request, body: bytes) -> web.StreamResponse:
    """Return a 200 with this JSON."""
    response = respond_prebuilt(request)
    if response is None:
        return json_bytes(body)
    response.send(body, coalesce=True)
    return response


def respond_prebuilt(request: web.Request) -> "PrebuiltResponse | None":
    """Return a 200 whose JSON is sent later; None: the response needs a head of its own."""
    services = request.app[SERVICES]
    usual = (
        request.version == HttpVersion11
        and request.method != "HEAD"
        and shares_static_head(services)
    )
    return PrebuiltResponse(request, services) if usual else None


def shares_static_head(services: Services) -> bool:
    """Return whether `services.static_head` begins every response, whatever the request's origin."""
    return not services.settings.cors_origins


def prebuilt_bytes(head: bytes, body: bytes, rid: str, *, last: bool = False) -> bytes:
    """Return the whole response as bytes; the connection's `last` one says so."""
    rest = (
        f"Content-Length: {len(body)}\r\nDate: {rfc822_formatted_time()}\r\n"
        f"X-Request-Id: {rid}\r\n{_LAST if last else ''}\r\n"
    )
    return b"%b%b%b" % (head, rest.encode(), body)


class PrebuiltResponse(web.StreamResponse):
    """A response that `send` writes; aiohttp's two steps of sending then only wait for the client."""

    def __init__(self, request: web.Request, services: Services) -> None:
        super().__init__()
        self.sent = False  # whether it is on its way
        self._answered_request = request
        self._services = services
        self._last = False

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open after it."""
        return not self._last

    def send(self, body: bytes, *, coalesce: bool = False) -> None:
        """Write all of it, if the client is still there.

        `coalesce`: together with other responses of this iteration of the loop.
        """
        request, services = self._answered_request, self._services
        transport = request.transport
        if transport is None or transport.is_closing():
            return
        self._last = not request.keep_alive or services.shutting_down.is_set()
        data = prebuilt_bytes(services.static_head, body, request_id.get(), last=self._last)
        # A later response on this connection may be written without the coalescer.
        if coalesce and not self._last and getattr(request.protocol, "nothing_queued", False):
            services.write_coalescer.put(transport, data)
        else:
            transport.write(data)
        request.writer.output_size += len(data)
        self.sent = True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Wait until the client has read enough of it."""
        if not self.sent:
            raise ConnectionResetError("the reader has left")
        await request.writer.drain()

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: all is sent."""
