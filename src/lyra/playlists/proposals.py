"""Proposals by their ids: made for one listener, found by that listener alone, kept half an hour."""

import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from lyra.cache.keys import Key, KeyMaker
from lyra.errors import NotFoundError, ProposalsUnavailableError
from lyra.playlists.proposal import PROPOSAL_S, Proposal, ProposedTrack
from lyra.redis.gateway import RedisGateway
from lyra.secret_store import SecretStore, make_table
from lyra.settings import Settings
from lyra.spotify.token import Token

MAX_OPEN = 5  # of one listener; a further one takes the place of the oldest
MAX_PROPOSALS = 2_000  # of all listeners
_NOT_FOUND = "There is no such playlist to save: it has expired, or was proposed to somebody else."


@dataclass(frozen=True)
class Caller:
    """Who asks for a proposal. `account` gives the key of the token's Spotify account, if it is known.

    It may have to read Spotify, and is asked only for a proposal that was made under another token.
    """

    owner: Key
    account: Callable[[], Awaitable[Key | None]]


@dataclass(frozen=True)
class Draft:
    """What is proposed, before it has an id. `extends` is a playlist's address, empty for a new one."""

    name: str
    tracks: tuple[ProposedTrack, ...]
    description: str = ""
    extends: str = ""
    notes: tuple[str, ...] = ()

    @property
    def uris(self) -> tuple[str, ...]:
        """The tracks' addresses, in their order."""
        return tuple([track.uri for track in self.tracks])


class KeptProposal(NamedTuple):
    """A proposal and its id."""

    id: str
    proposal: Proposal


class Proposals:
    """The proposals of this service: of all its processes, where there is a Redis.

    Every method raises ProposalsUnavailableError while that does not answer.
    """

    def __init__(
        self,
        settings: Settings,
        keys: KeyMaker,
        redis: RedisGateway | None,
        *,
        wall_clock: Callable[[], float],
    ) -> None:
        table = make_table(
            redis,
            "proposal",
            max_entries=MAX_PROPOSALS,
            max_per_owner=MAX_OPEN,
            wall_clock=wall_clock,
        )
        self.store: SecretStore[Proposal] = SecretStore(
            table,
            Proposal,
            secret=settings.secret if redis is not None else None,
            wall_clock=wall_clock,
            unavailable=ProposalsUnavailableError,
        )
        self._keys = keys
        self._wall_clock = wall_clock
        self.counts: Counter[str] = Counter(proposed=0, dismissed=0, forgotten=0)

    async def propose(self, token: Token, account: Key | None, draft: Draft) -> KeptProposal:
        """Keep a proposal for this listener, and return it with its id."""
        self.counts["proposed"] += 1
        made = self._make(token, account, draft)
        return KeptProposal(await self.store.add(made), made)

    async def propose_instead(
        self, proposal_id: str, token: Token, account: Key | None, draft: Draft
    ) -> KeptProposal:
        """Replace a proposal of this listener, unless it is being saved: then it stays beside this one."""
        made = self._make(token, account, draft)
        kept = await self.store.change(
            proposal_id, lambda old: old if old.progress else replace(made, marker=old.marker)
        )
        if kept is not None and kept.progress is None:
            return KeptProposal(proposal_id, kept)
        return await self.propose(token, account, draft)

    async def propose_once(self, token: Token, draft: Draft) -> str:
        """Keep a proposal that the listener's own program has made; return its id, the same each time.

        What is proposed a second time within half an hour goes on where the first has come to.
        """
        proposal_id = self._keys.request(token, draft.name, *draft.uris)
        async with self.store.lock(proposal_id):
            if await self.store.find(proposal_id) is None:
                await self.store.keep(proposal_id, self._make(token, None, draft))
        return proposal_id

    def _make(self, token: Token, account: Key | None, draft: Draft) -> Proposal:
        return Proposal(
            owner=self._keys.key(token),
            account=account or "",
            until=self._wall_clock() + PROPOSAL_S,
            name=draft.name,
            tracks=draft.tracks,
            marker=make_marker(),
            description=draft.description,
            extends=draft.extends,
            notes=draft.notes,
        )

    async def find(self, proposal_id: str, caller: Caller) -> Proposal:
        """Return this caller's proposal.

        One that was made under another token of the same account becomes this token's.

        Raises:
            NotFoundError: there is none of this id, or it is another listener's.
            LyraError: the account is not known, since Spotify does not tell it.
        """
        proposal = await self.store.find(proposal_id)
        if proposal is None:
            raise NotFoundError(_NOT_FOUND)
        if proposal.owner == caller.owner:
            return proposal
        if not proposal.account or await caller.account() != proposal.account:
            raise NotFoundError(_NOT_FOUND)
        adopted = await self.store.adopt(
            proposal_id, lambda kept: replace(kept, owner=caller.owner), proposal.owner
        )
        if adopted is None:
            raise NotFoundError(_NOT_FOUND)
        return adopted

    async def dismiss(self, proposal_id: str, caller: Caller) -> None:
        """Forget this caller's proposal. What is saved already stays at Spotify.

        Raises:
            NotFoundError: there is none of this id, or it is another listener's.
        """
        await self.find(proposal_id, caller)
        await self.store.take(proposal_id)
        self.counts["dismissed"] += 1

    async def forget(self, token: Token) -> None:
        """Forget all proposals that were made or looked at under this token."""
        self.counts["forgotten"] += await self.store.take_all(self._keys.key(token))


def make_marker() -> str:
    """Return a word that no other playlist's description holds."""
    return f"lyra-{secrets.token_hex(6)}"
