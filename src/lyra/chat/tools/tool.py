"""What a tool is: how the model is told of it, and what it does for one answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from lyra.cache.entry import Entry
from lyra.cache.listeners import ListenerCache
from lyra.catalogue.budgets import AnswerBudget
from lyra.catalogue.items import Item, Kind
from lyra.catalogue.known import KnownMusic
from lyra.catalogue.search import CatalogueSearch
from lyra.catalogue.views import item_view, place_view
from lyra.errors import RequestError
from lyra.listening.details import Detail
from lyra.listening.models import Artist, Listening, Track
from lyra.playlists.proposals import Draft, KeptProposal, Proposals
from lyra.spotify.token import Token

Request = TypeVar("Request")
MAX_RESULT_BYTES = 24_000  # of one call; more would crowd out the conversation
MAX_TITLE_NAME = 60  # characters of a name, or of a query, in what is said of a call
KINDS: dict[Kind, str] = {"track": "songs", "album": "albums", "artist": "artists"}  # for people
_NOT_FOR_THE_MODEL = ("url", "image")
Result = dict[str, Any]  # as JSON for the model; the reader of the answer gets the same


class ToolError(Exception):
    """A call came to nothing; the message is one sentence for the model and for people."""


@dataclass
class ToolContext:
    """What the tools of one answer work with, and what they have found for it.

    The model is told what the listener knows only where `tells_known`.
    """

    token: Token
    entry: Entry
    question: str  # the listener's last message
    listeners: ListenerCache
    search: CatalogueSearch
    proposals: Proposals
    budget: AnswerBudget
    tells_known: bool
    timeout_s: float
    found: dict[str, Item] = field(default_factory=dict)  # by address, for the answer's cards
    rows: list[Artist | Track] = field(default_factory=list)  # of the listener, read for the answer
    refused: int = 0  # items that were not looked for, since a budget was used up
    refusal: str | None = None  # the sentence about the last of them
    token_rejected: bool = False
    proposal: KeptProposal | None = None  # an answer has one; the latest takes its place
    _proposing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @cached_property
    def listening(self) -> Listening:
        """The listener's data; most answers do without them here."""
        return self.entry.listening()

    @cached_property
    def known(self) -> KnownMusic:
        """What the listener knows, made when something is found."""
        known = KnownMusic(self.listening)
        known.add(self.rows)
        return known

    def learn(self, detail: Detail) -> None:
        """Note what more of the listener's data was read: its items are not new."""
        rows: list[Artist | Track] = [*detail.artists, *detail.tracks]
        self.rows += rows
        if "known" in self.__dict__:  # it is made already
            self.known.add(rows)

    async def propose(self, draft: Draft) -> str:
        """Keep this as the one proposal of the answer, and return its id.

        Raises:
            ProposalsUnavailableError: it cannot be kept.
        """
        account = self.entry.account
        key = self.listeners.keys.account(account) if account else None
        async with self._proposing:  # calls of one round run together
            if self.proposal is None:
                kept = await self.proposals.propose(self.token, key, draft)
            else:
                kept = await self.proposals.propose_instead(
                    self.proposal.id, self.token, key, draft
                )
            self.proposal = kept
        return kept.id

    def view(self, item: Item) -> Result:
        """Note what was found; return it as the model gets it."""
        self.found[item.uri] = item
        view = item_view(item)
        return {name: value for name, value in view.items() if name not in _NOT_FOR_THE_MODEL}

    def known_view(self, item: Item) -> Result:
        """Return where the item is known from, as a member; none where that is not told."""
        return {"known": place_view(self.known.find(item))} if self.tells_known else {}

    def checked_view(self) -> Result:
        """Return the lists that `known` was looked up in, as a member."""
        return {"known_checked_in": list(self.known.lists)} if self.tells_known else {}

    def note_missing(self, outcome: str, reason: str | None, message: str) -> None:
        """Note what was refused or failed, and the sentence about it."""
        if outcome == "refused":
            self.refused += 1
            self.refusal = message
        self.token_rejected = self.token_rejected or reason == "token_rejected"


def read_input(arguments: object, shape: type[Request]) -> Request:
    """Return a call's arguments as this struct.

    Raises:
        RequestError: they are something else; says what and where.
    """
    try:
        return msgspec.convert(arguments, shape)
    except msgspec.ValidationError as wrong:
        message = f"The input is not as expected: {wrong}."
    raise RequestError(message)


@dataclass(frozen=True)
class Tool(Generic[Request]):
    """One tool.

    `read` makes a request of the model's arguments, or raises RequestError; `describe` says for
    people what is done; `run` does it within the context's time, or raises ToolError. `plain`
    returns the request as the arguments that were understood.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    title: str  # before the arguments are known
    read: Callable[[object], Request]
    plain: Callable[[Request], dict[str, Any]]
    describe: Callable[[Request], str]
    run: Callable[[ToolContext, Request], Awaitable[Result]]

    def specification(self) -> dict[str, Any]:
        """Return the tool as the Messages API takes it."""
        return {
            "name": self.name,
            "description": self.description,
            "input_schema": self.schema,
        }
