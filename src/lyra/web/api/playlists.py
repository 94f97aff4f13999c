"""The routes of a proposed playlist: show it, save it, dismiss it."""

from typing import Annotated

import msgspec
from aiohttp import web

from lyra.cache.keys import Key
from lyra.errors import InvalidJsonError, RequestError
from lyra.playlists.proposal import MAX_TRACKS
from lyra.playlists.proposals import Caller
from lyra.playlists.saver import Choice
from lyra.playlists.views import playlist_view, proposal_view, read_name
from lyra.spotify.token import Token
from lyra.web.api.listener_lookup import look_up_listener
from lyra.web.context import SERVICES
from lyra.web.gateway.requests import authenticate, read_json_body, require_credentials
from lyra.web.http.client_ip import client_ip
from lyra.web.http.concurrency_limit import release_slot
from lyra.web.http.responses import json_response


class SaveRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What the listener has changed: the name, and which of the tracks, in which order."""

    name: Annotated[str, msgspec.Meta(max_length=1_000)] | None = None
    uris: Annotated[list[str], msgspec.Meta(max_length=MAX_TRACKS)] | None = None


async def show_playlist(request: web.Request) -> web.StreamResponse:
    """Respond with a proposal of this listener's."""
    token = await authenticate(request)
    proposal_id, services = request.match_info["playlist"], request.app[SERVICES]
    caller = make_caller(request, token)
    services.resume_limit.spend(caller.owner)
    proposal = await services.lyra.proposals.find(proposal_id, caller)
    return json_response({"success": True, "proposal": proposal_view(proposal_id, proposal)})


async def save_playlist(request: web.Request) -> web.StreamResponse:
    """Save a proposal of this listener's, as it is or as the body says."""
    require_credentials(request)
    async with read_json_body(request) as body:
        choice = _parse_choice(body)
    token = await authenticate(request)
    services, caller = request.app[SERVICES], make_caller(request, token)
    services.save_limit.spend(caller.owner)
    release_slot(request)  # Spotify is waited for
    progress = await services.lyra.saver.save(request.match_info["playlist"], caller, token, choice)
    return json_response({"success": True, "playlist": playlist_view(progress)}, status=201)


async def dismiss_playlist(request: web.Request) -> web.StreamResponse:
    """Forget a proposal of this listener's; what is saved already stays at Spotify."""
    require_credentials(request)
    services = request.app[SERVICES]
    services.ending_limit.spend(client_ip(request, services.trusted))
    token = await authenticate(request)
    await services.lyra.proposals.dismiss(
        request.match_info["playlist"], make_caller(request, token)
    )
    return web.Response(status=204)


def make_caller(request: web.Request, token: Token) -> Caller:
    """Return who asks for a proposal with this request."""
    listeners = request.app[SERVICES].lyra.listeners

    async def read_account() -> Key | None:
        entry = await (await look_up_listener(request, token)).entry()
        return listeners.keys.account(entry.account) if entry.account else None

    return Caller(listeners.key(token), read_account)


def _parse_choice(body: bytes) -> Choice:
    """Return what the body says, which may be empty.

    Raises:
        InvalidJsonError, RequestError: it is no JSON, or something else than a choice.
    """
    if not body:
        return Choice()
    try:
        request = msgspec.json.decode(body, type=SaveRequest)
    except msgspec.ValidationError as wrong:
        message = f"The choice is not as expected: {wrong}."
    except (ValueError, RecursionError):
        raise InvalidJsonError from None
    else:
        name = None if request.name is None else read_name(request.name)
        return Choice(name, None if request.uris is None else tuple(request.uris))
    raise RequestError(message)
