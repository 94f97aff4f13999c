"""The runner: aiohttp with the arguments and the error page that a public service needs.

aiohttp's own `handle_error` writes a malformed header, token included, into the log and into the
answer, and its default settings inflate strangers' bodies on the event loop.
"""

import logging
import secrets
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from lyra.errors import LyraError, RequestError
from lyra.web.answers import dress, error_answer

log = logging.getLogger(__name__)

BACKLOG = 1024
_KEEPALIVE_S = 75
_SHUTDOWN_S = 5


class _Protocol(RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; it quotes the request
    ) -> web.StreamResponse:
        """Answer a request that never reached the application; received bytes stay unsaid."""
        if isinstance(exc, ConnectionError):
            raise exc  # the reader has left: aiohttp closes what is left, without a word
        if isinstance(exc, HttpProcessingError):
            log.info("malformed request: %s", type(exc).__name__)
        else:
            log.error("a request broke outside the application: %s", type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has already begun")
        malformed = status == HTTPStatus.BAD_REQUEST
        error = RequestError("The request is not valid HTTP.") if malformed else LyraError()
        # The context still holds the id of the connection's previous request, if any.
        rid = secrets.token_hex(8)
        answer = error_answer(error, rid)
        dress(answer, rid)
        answer.force_close()
        return answer


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application as Lyra runs it everywhere: in production, in tests, in benchmarks."""

    def __init__(self, app: web.Application) -> None:
        super().__init__(
            app,
            access_log=None,
            auto_decompress=False,
            handler_cancellation=True,
            keepalive_timeout=_KEEPALIVE_S,
            lingering_time=0.5,
            max_field_size=4096,
            max_headers=64,
            read_bufsize=65_536,
            shutdown_timeout=_SHUTDOWN_S,
        )

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        # aiohttp has no argument for the protocol's class. A test holds that this still works.
        server.__class__ = _Server
        return server


async def listen(runner: web.AppRunner, host: str, port: int) -> int:
    """Accept connections on host:port (0: any free port) and say which port it is.

    Raises:
        OSError: the port is in use, or the address is not this machine's.
    """
    site = web.TCPSite(runner, host, port, backlog=BACKLOG)
    await site.start()
    bound: int = runner.addresses[-1][1]
    return bound
