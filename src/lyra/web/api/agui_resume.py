"""How an AG-UI client answers an interrupt: a proposed playlist is saved, or dismissed.

An interrupt's id names the proposal, and the tool call that waits for its result. All else that a
client sends back is the client's to forge: name and tracks come from the proposal.
https://docs.ag-ui.com/concepts/interrupts
"""

from contextlib import suppress
from typing import Annotated, Any, Literal

import msgspec
import orjson
from aiohttp import web

from lyra.chat.parts import PlaylistPart
from lyra.errors import NotFoundError, RequestError
from lyra.playlists.proposal import Progress
from lyra.playlists.proposals import Caller, Proposals
from lyra.playlists.saver import Choice
from lyra.playlists.views import playlist_view, read_name
from lyra.spotify.token import Token
from lyra.web.api.playlists import make_caller
from lyra.web.context import SERVICES

MAX_ENTRIES = 5
PROPOSES = "propose_playlist"  # the tool whose result the listener gives
_ANSWER = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "editedArgs": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "uris": {"type": "array", "items": {"type": "string"}},
            },
        },
    },
    "required": ["approved"],
}


class EditedArgs(msgspec.Struct):
    """What the listener has changed: the name, and which of the tracks, in which order."""

    name: str | None = None
    uris: Annotated[list[str], msgspec.Meta(max_length=100)] | None = None


class Approval(msgspec.Struct, rename="camel"):
    """Whether the playlist is to be saved, and how."""

    approved: bool
    edited_args: EditedArgs | None = None


class ResumeEntry(msgspec.Struct, rename="camel"):
    """The answer to one interrupt."""

    interrupt_id: Annotated[str, msgspec.Meta(max_length=256)]
    status: Literal["resolved", "cancelled"]
    payload: Approval | None = None


def make_interrupt(part: PlaylistPart, call_id: str) -> dict[str, Any]:
    """Return the interrupt that asks whether this playlist is to be saved."""
    view = part.data
    songs = "1 song" if view["count"] == 1 else f"{view['count']} songs"
    return {
        "id": f"{part.id}.{call_id}",
        "reason": "confirmation",
        "message": f"Save the playlist {view['name']} ({songs}) at Spotify?",
        "toolCallId": call_id,
        "responseSchema": _ANSWER,
        "expiresAt": view["expires_at"],
        "metadata": view,
    }


async def answer_interrupt(
    request: web.Request, token: Token, entry: ResumeEntry
) -> dict[str, Any]:
    """Save or dismiss the proposal that the entry names; return the event with the call's result.

    Raises:
        LyraError: it is not there, or not saved; see PlaylistSaver.save.
    """
    proposal_id, _, call_id = entry.interrupt_id.partition(".")
    approval = entry.payload
    if entry.status == "resolved" and approval is None:
        raise RequestError("`$.resume[].payload`: an object with `approved` is expected.")
    services, caller = request.app[SERVICES], make_caller(request, token)
    services.save_limit.spend(caller.owner)
    if entry.status == "resolved" and approval is not None and approval.approved:
        edited = approval.edited_args or EditedArgs()
        name = None if edited.name is None else read_name(edited.name)
        choice = Choice(name, None if edited.uris is None else tuple(edited.uris))
        progress = await services.lyra.saver.save(proposal_id, caller, token, choice)
        return _result(proposal_id, call_id, _saved(progress))
    return _result(
        proposal_id, call_id, await _dismiss(services.lyra.proposals, proposal_id, caller)
    )


async def _dismiss(proposals: Proposals, proposal_id: str, caller: Caller) -> dict[str, Any]:
    """Dismiss a proposal that is not saved; return the call's result, which claims only what is known."""
    result: dict[str, Any] = {"dismissed": True}
    with suppress(NotFoundError):  # it has expired, which comes to the same
        progress = (await proposals.find(proposal_id, caller)).progress
        if progress is not None and progress.saved:
            return _saved(progress)
        await proposals.dismiss(proposal_id, caller)
        if progress is None:  # else Spotify was asked already
            result["saved"] = False
    return result


def _saved(progress: Progress) -> dict[str, Any]:
    return {"saved": True, "playlist": playlist_view(progress)}


def _result(proposal_id: str, call_id: str, result: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "TOOL_CALL_RESULT",
        "messageId": f"{proposal_id}-result",
        "toolCallId": call_id,
        "role": "tool",
        "content": orjson.dumps(result).decode(),
    }
