"""What the tools read of the listener's own data: the playlist that is meant, and its tracks."""

import asyncio

from lyra.catalogue.folding import fold
from lyra.chat.tools.tool import ToolContext, ToolError
from lyra.errors import LyraError
from lyra.listening.details import Detail, DetailRefusedError, PlaylistTracks, TopItems
from lyra.listening.models import Listening, Playlist
from lyra.spotify.failures import SpotifyFailure

_REFUSALS = {
    "unknown_playlist": "The listener's data hold no such playlist.",
    "not_own_playlist": "This is possible with the listener's own playlists only.",
}
_LATE = "Spotify did not answer in time. Answer with what you have."


def find_playlist(
    listening: Listening, *, name: str | None = None, uri: str | None = None
) -> Playlist:
    """Return the one playlist of this address, or of this name.

    Raises:
        ToolError: there is none, or several own ones have this name.
    """
    if uri is not None:
        found = [each for each in listening.playlists if each.uri == uri]
    else:
        named = [each for each in listening.playlists if fold(each.name) == fold(name or "")]
        found = [each for each in named if each.owned] or named[:1]
    if not found:
        raise ToolError(_REFUSALS["unknown_playlist"])
    if len(found) > 1:
        addresses = ", ".join(str(each.uri) for each in found)
        raise ToolError(
            f"Several playlists have this name. Call again with one `uri`: {addresses}."
        )
    return found[0]


async def read_detail(context: ToolContext, wanted: PlaylistTracks | TopItems) -> Detail:
    """Return a detail of the listener's data, and note that its items are known.

    Raises:
        ToolError: it cannot be read.
    """
    try:
        async with asyncio.timeout(context.timeout_s):
            detail = await context.listeners.detail(context.token, context.entry, wanted)
    except TimeoutError:
        message = _LATE
    except DetailRefusedError as refused:
        message = _REFUSALS[refused.reason]
    except (SpotifyFailure, LyraError) as failure:
        message = str(failure)  # a fixed sentence of ours
    else:
        context.learn(detail)
        return detail
    raise ToolError(message)
