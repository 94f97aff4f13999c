"""Look a listener up for a request."""

from aiohttp import web

from lyra.cache.lookup import Lookup
from lyra.spotify.token import Token
from lyra.web.context import SERVICES
from lyra.web.http.client_ip import client_ip
from lyra.web.http.concurrency_limit import release_slot


async def look_up_listener(request: web.Request, token: Token) -> Lookup:
    """Return the listener's look-up; one that waits for Spotify releases its slot.

    Raises:
        TooManyRequestsError: too many unknown tokens come from this address.
    """
    services = request.app[SERVICES]

    def on_miss() -> None:
        services.new_token_limit.spend(client_ip(request, services.trusted))

    lookup = await services.lyra.listeners.lookup(token, on_miss)
    if lookup.cached is None:
        release_slot(request)
    return lookup
