"""One route of the service: what handles it, and what it takes and gives."""

from typing import Any, Literal, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from lyra.web.gateway.requests import handle_expect

JSON = "application/json"
EVENTS = "text/event-stream"
ANY = (400, 421, 429, 500, 503)  # the statuses of errors that every route can have


class Events(NamedTuple):
    """A stream of server-sent events: the schemas of its frames, and what ends it."""

    frames: tuple[Any, ...]
    ends_with_done: bool = True


class Route(NamedTuple):
    """One method of one path. `answers` is by media type; None there is plain text."""

    method: str
    path: str
    handler: Handler
    summary: str
    answers: dict[str, Any]
    group: Literal["listener", "chat", "playlists", "login", "service", "operator", "pages"]
    errors: tuple[int, ...] = ANY
    bodies: tuple[Any, ...] = ()
    example: dict[str, Any] | None = None
    caller: Literal["listener", "operator"] | None = None  # whose bearer token it needs
    status: int = 200
    unready: Any = None  # what 503 says beside an error
    may_be_empty: bool = False  # 204 when there is nothing to answer
    allow_head: bool = True  # of a GET

    @property
    def name(self) -> str:
        """The operation's id in the description."""
        return self.handler.__name__

    def definition(self) -> web.RouteDef:
        """Return the route as aiohttp registers it."""
        options: dict[str, Any] = {"expect_handler": handle_expect}
        if self.method == "GET":
            options["allow_head"] = self.allow_head
        return web.RouteDef(self.method, self.path, self.handler, options)
