"""`POST /lyra/init` of a listener who is at hand, answered in the step of the loop that reads it.

For every request aiohttp makes an object, a task and a match of its routes: two thirds of what such
an answer costs. Here is what needs none of them. Whatever is unusual about a request is left to the
usual way, which alone knows how to wait, to refuse and to stream.
"""

import time

from aiohttp import web
from aiohttp.http import HttpVersion11, RawRequestMessage

from lyra.errors import LyraError
from lyra.spotify.token import Token
from lyra.web.edge import Edge
from lyra.web.intake import bearer, wants_stream
from lyra.web.listener import init_body
from lyra.web.ready import ready_bytes, same_head_for_all
from lyra.web.services import Services

_METHOD, _PATH = "POST", "/lyra/init"


class AtOnce:
    """Knows which requests can be answered at once, and how."""

    def __init__(self, services: Services, edge: Edge) -> None:
        self._services = services
        self._listeners = services.lyra.listeners
        self._edge = edge

    def answer(self, asked: RawRequestMessage) -> bytes | None:
        """The whole answer to a request that has no body; None: it has to go the usual way."""
        if asked.path != _PATH or asked.method != _METHOD:
            return None
        began = time.monotonic()
        token = self._token(asked)
        visit = None if token is None else self._listeners.hit(token)
        if visit is None or visit.at_hand is None:
            return None
        rid = self._edge.id_for(asked.headers)
        answer = ready_bytes(self._services.head, init_body(visit.at_hand, visit), rid)
        self._edge.note(_METHOD, _PATH, 200, time.monotonic() - began, rid)
        return answer

    def _token(self, asked: RawRequestMessage) -> Token | None:
        """Whose listening is asked for, if nothing but that is asked."""
        headers = asked.headers
        plain = (
            asked.version == HttpVersion11
            and not (asked.should_close or asked.upgrade or asked.chunked)
            and not (wants_stream(headers) or "Expect" in headers)
            and same_head_for_all(self._services)
            and not (self._services.memory.short or self._services.leaving.is_set())
            and self._edge.open_to(headers)
        )
        try:
            return bearer(headers) if plain else None
        except LyraError:
            return None


AT_ONCE: web.AppKey[AtOnce] = web.AppKey("at_once", AtOnce)
