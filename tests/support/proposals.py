"""Proposals over HTTP: how a listener gets one, saves it, and what Spotify then holds."""

from typing import Any

from lyra.sandbox import Sandbox
from lyra.sandbox.catalogue import artist, track
from tests.chat.test_rounds import asking, find, saying
from tests.conftest import Service
from tests.support.calls import Answer, call, chat
from tests.support.scripted_model import ScriptedModel, tool_use

NEW = [(1500 + number, 0) for number in range(10)]  # artists whom no listener of the tests plays
SONGS = [{"artist": artist(each[0]).name, "title": track(each).name} for each in NEW]
URIS = [f"spotify:track:{track(each).id}" for each in NEW]


def proposing(*uris: str, **more: Any) -> tuple[Any, ...]:
    """The turns of a model that finds ten new songs, and proposes these."""
    arguments = {"name": "Slow Tides", "uris": [*(uris or URIS)], **more}
    return (
        asking(find(*SONGS)),
        asking(tool_use("propose_playlist", arguments)),
        saying("Here it is."),
    )


class Proposing:
    """A service whose model proposes the same ten songs at every question."""

    def __init__(self, service: Service, model: ScriptedModel) -> None:
        self.service = service
        self.model = model

    async def propose(self, token: str | None = None, **more: Any) -> str:
        """Ask for a playlist; return the id of the proposal."""
        self.model.replies = [*proposing(**more)]
        answer = await chat(self.service, token, Accept="application/json")
        proposal_id: str = answer.json["playlist"]["id"]
        return proposal_id

    async def show(self, proposal_id: str, token: str | None = None) -> Answer:
        return await call(
            self.service, "GET", _path(proposal_id), headers=self.service.headers(token)
        )

    async def save(self, proposal_id: str, token: str | None = None, **choice: Any) -> Answer:
        return await call(
            self.service,
            "POST",
            _path(proposal_id),
            headers=self.service.headers(token),
            json=choice,
        )

    async def dismiss(self, proposal_id: str, token: str | None = None) -> Answer:
        return await call(
            self.service, "DELETE", _path(proposal_id), headers=self.service.headers(token)
        )


def _path(proposal_id: str) -> str:
    return f"/lyra/playlists/{proposal_id}"


def only(sandbox: Sandbox, token: str) -> Any:
    """The one playlist that was made for this listener."""
    [made] = sandbox.made_playlists(token)
    return made
