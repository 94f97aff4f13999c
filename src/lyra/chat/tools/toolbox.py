"""All tools, and the calls of one answer: what is offered, in which limits, and how it went.

Invariants, hunted by tests/chat/tools/test_toolbox.py:
- whatever a model calls, and with whatever, each call gets exactly one result, in their order;
- no result holds the text of an exception: an error is one of the sentences that stand here or in
  a ToolError;
- an answer has at most MAX_CALLS calls, and at most `searches_per_answer` searches;
- calls that run together end together, soon after `tool_timeout_s` at the latest, or with their
  caller.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from lyra.cache.entry import Entry
from lyra.cache.listeners import ListenerCache
from lyra.catalogue.budgets import SearchBudgets
from lyra.catalogue.items import Item
from lyra.catalogue.novelty import why_new
from lyra.catalogue.search import CatalogueSearch
from lyra.chat.model.port import ToolCall, ToolResult
from lyra.chat.tools.find_music import FIND_MUSIC
from lyra.chat.tools.get_listening import GET_LISTENING
from lyra.chat.tools.propose_playlist import PROPOSE_PLAYLIST
from lyra.chat.tools.search_catalogue import SEARCH_CATALOGUE
from lyra.chat.tools.tool import MAX_RESULT_BYTES, Result, Tool, ToolContext, ToolError
from lyra.errors import RequestError
from lyra.listening.models import Artist, Track
from lyra.listening.sanitize import clean
from lyra.playlists.proposals import KeptProposal, Proposals
from lyra.settings import Settings
from lyra.spotify.token import Token

log = logging.getLogger(__name__)

MAX_ROUNDS, MAX_CALLS = 4, 8  # of one answer
_GRACE_S = 1.0  # a tool keeps its time itself, and returns what it has by then
_SENTENCE = 300  # characters of what is wrong with a call

TOOLS: tuple[Tool[Any], ...] = (FIND_MUSIC, SEARCH_CATALOGUE, GET_LISTENING, PROPOSE_PLAYLIST)
_NEED_DATA = (GET_LISTENING.name,)  # not offered where the model gets little of the listener's data

_UNKNOWN = "There is no tool of this name."
_NO_JSON = "The input is not a JSON object. Call the tool again with a valid one."
_ENOUGH = "No further call is possible in this answer. Answer with what you have."
_LATE = "The look-up did not end in time. Answer with what you have."
_BROKEN = "The look-up failed. Answer with what you have."
_TOO_LARGE = "The result is too large. Ask for less."


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A call with its arguments read: what is done, for people, and with what.

    `error` says why nothing can be done; else `tool` and `request` are set.
    """

    call: ToolCall
    name: str
    title: str
    arguments: dict[str, Any]
    tool: Tool[Any] | None = None
    request: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """How a call went: its output, or one sentence about why there is none."""

    prepared: PreparedCall
    output: Result | None
    error: str = ""

    @property
    def result(self) -> ToolResult:
        """The outcome as the model gets it."""
        call_id = self.prepared.call.call_id
        if self.output is None:
            return ToolResult(call_id, self.error, failed=True)
        return ToolResult(call_id, orjson.dumps(self.output).decode())


class Toolbox:
    """The tools of one process; holds nothing of a listener."""

    def __init__(
        self,
        settings: Settings,
        search: CatalogueSearch,
        budgets: SearchBudgets,
        listeners: ListenerCache,
        proposals: Proposals,
    ) -> None:
        self._proposals = proposals
        self._timeout_s = settings.tool_timeout_s
        self._search = search
        self._budgets = budgets
        self._listeners = listeners
        # The offline mode takes nothing out of this process, and says what is new.
        self._tells_data = settings.llm_context == "full" or not settings.uses_model
        self._tools = {
            tool.name: tool for tool in TOOLS if self._tells_data or tool.name not in _NEED_DATA
        }
        # The same bytes for every listener and turn: the model's prompt cache begins with them.
        self.specification = orjson.dumps([each.specification() for each in self._tools.values()])
        on = settings.tools == "auto" and settings.llm_context != "none"
        self.state = "on" if on else "off"
        self._taken = False

    @property
    def offered(self) -> bool:
        """Whether the model is offered the tools: they are on, and its server takes them."""
        return self.state == "on"

    def note_taken(self) -> None:
        """Note that the model's server has answered a request with tools."""
        self._taken = True

    def note_refused(self) -> None:
        """Offer no tools any more: the model's server takes a request only without.

        One that has taken tools before refused something else: a question that was too long with
        them is no reason to answer everybody without.
        """
        if self.state == "on" and not self._taken:
            self.state = "refused"
            log.warning(
                "the model's server refuses requests with tools: answers are made without; "
                "LYRA_TOOLS=off says that this is meant"
            )

    def open(self, token: Token, entry: Entry, question: str = "") -> "AnswerTools":
        """Return the tools of one answer to this listener's question."""
        context = ToolContext(
            token=token,
            entry=entry,
            question=question,
            listeners=self._listeners,
            search=self._search,
            proposals=self._proposals,
            budget=self._budgets.open_answer(self._listeners.key(token)),
            tells_known=self._tells_data,
            timeout_s=self._timeout_s,
        )
        return AnswerTools(self._tools, context)


class AnswerTools:
    """The calls of one answer."""

    def __init__(self, tools: dict[str, Tool[Any]], context: ToolContext) -> None:
        self._tools = tools
        self._calls = 0
        self._shown: KeptProposal | None = None
        self.context = context

    def new_items(self) -> list[Item]:
        """Return what the calls have found and the listener's data do not hold.

        What they hold is found there: a song in the edition that the listener has.
        """
        found = self.context.found.values()
        return [item for item in found if self.context.known.find(item) is None]

    def rows(self) -> list[Artist | Track]:
        """Return what the calls have read of the listener's own data."""
        return self.context.rows

    def why_new(self, item: Item) -> str | None:
        """Return the sentence that says why it is new; None: it cannot be said to be."""
        return why_new(item, self.context.known)

    def take_proposal(self) -> KeptProposal | None:
        """Return the playlist that was proposed since this was asked last, if one was."""
        before, self._shown = self._shown, self.context.proposal
        return None if self._shown is before else self._shown

    @property
    def any_left(self) -> bool:
        """Whether another call is possible."""
        return self._calls < MAX_CALLS

    def name_of(self, name: str) -> str:
        """Return the tool's name; that of a tool which does not exist is not repeated."""
        return name if name in self._tools else "unknown"

    def title_of(self, name: str) -> str:
        """Return what a tool does, for people, before it is known with what."""
        return self._tools[name].title if name in self._tools else "Looking something up"

    def prepare(self, calls: Sequence[ToolCall]) -> list[PreparedCall]:
        """Return the calls with their arguments read, in their order."""
        return [self._prepare(call) for call in calls]

    def _prepare(self, call: ToolCall) -> PreparedCall:
        tool = self._tools.get(call.name)
        name, title = self.name_of(call.name), self.title_of(call.name)
        if not self.any_left:
            return PreparedCall(call, name, title, {}, error=_ENOUGH)
        self._calls += 1
        if tool is None:
            return PreparedCall(call, name, title, {}, error=_UNKNOWN)
        if call.arguments is None:
            return PreparedCall(call, name, title, {}, error=_NO_JSON)
        try:
            request = tool.read(call.arguments)
        except RequestError as wrong:
            return PreparedCall(call, name, title, {}, error=clean(str(wrong), _SENTENCE))
        described = tool.describe(request)
        return PreparedCall(call, name, described, tool.plain(request), tool, request)

    async def run(self, prepared: Sequence[PreparedCall]) -> list[ToolOutcome]:
        """Run the calls together; return how each went, in their order."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._run(each)) for each in prepared]
        if self.context.token_rejected:
            await self.context.listeners.clear(self.context.token)
        return [task.result() for task in tasks]

    async def _run(self, prepared: PreparedCall) -> ToolOutcome:
        if prepared.tool is None:
            return ToolOutcome(prepared, None, prepared.error or _BROKEN)
        try:
            async with asyncio.timeout(self.context.timeout_s + _GRACE_S):
                output = await prepared.tool.run(self.context, prepared.request)
        except TimeoutError:
            return ToolOutcome(prepared, None, _LATE)
        except ToolError as failure:
            return ToolOutcome(prepared, None, str(failure))
        except Exception:
            log.exception("a tool broke: this is a fault in Lyra")
            return ToolOutcome(prepared, None, _BROKEN)
        if len(orjson.dumps(output)) > MAX_RESULT_BYTES:
            return ToolOutcome(prepared, None, _TOO_LARGE)
        return ToolOutcome(prepared, output)

    def receipt(self) -> dict[str, Any]:
        """Return what was done, for the metadata of the answer; empty if nothing was."""
        context = self.context
        if not self._calls:
            return {}
        receipt = {
            "calls": self._calls,
            "searches": context.budget.sent,
            "refused": context.refused,
        }
        return {**receipt, "refusal": context.refusal} if context.refusal else receipt
