"""The bodies of responses as types, for /openapi.json alone: nothing is encoded with them.

The responses themselves are encoded where they are made, some of them once per listener.
Tests hold what the service sends against these types.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from lyra.cache.lookup import State
from lyra.chat.model.port import Usage
from lyra.chat.parts import FinishReason
from lyra.errors import LyraError
from lyra.listening.models import (
    Artist,
    Genre,
    Play,
    Playlist,
    SectionName,
    SectionStatus,
    Track,
)


def error_kinds(root: type[LyraError] = LyraError) -> dict[str, type[LyraError]]:
    """Return every error that a client can tell apart, by code; of several with one code the widest."""
    kinds = {root.code: root}
    for kind in root.__subclasses__():
        kinds = {**error_kinds(kind), **kinds}
    return kinds


Yes = Annotated[bool, Meta(extra_json_schema={"const": True})]
No = Annotated[bool, Meta(extra_json_schema={"const": False})]
Code = Annotated[str, Meta(extra_json_schema={"enum": sorted(error_kinds())})]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Hours = Annotated[tuple[Count, ...], Meta(min_length=24, max_length=24)]


class ErrorDetail(Struct):
    """What failed: `code` for programs, `message` for people. `reason` tells cases of one code apart."""

    code: Code
    message: str
    retryable: bool
    request_id: str
    action: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    retry_after_s: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


class ErrorAnswer(Struct):
    """The shape of every error."""

    success: No
    error: ErrorDetail


class CacheState(Struct):
    """Where the listener came from. `miss`: this request fetched; `joined`: another one did."""

    state: State
    spotify_calls: Count
    reason: str | UnsetType = UNSET
    age_s: Count | UnsetType = UNSET
    expires_in_s: Count | UnsetType = UNSET


class ListenerProfile(Struct):
    """The listener."""

    id: str
    display_name: str | None
    image: str | None


class GenreShares(Struct):
    """Genres by share, largest first, of `artists_known` of the `artists_considered` top artists.

    `coverage` is the part of the listening, by weight, that these artists make up; `thin`: too
    little for shares to say anything.
    """

    genres: tuple[Genre, ...]
    coverage: Share
    source: Literal["spotify", "none"]
    artists_known: Count
    artists_considered: Count
    thin: bool


class SectionState(Struct):
    """How one of the five Spotify calls went.

    `skipped` rows were sent but not kept, `episodes` of them as podcasts; `total` is how many
    playlists there are at Spotify, where it says so.
    """

    status: SectionStatus
    count: Count | UnsetType = UNSET
    skipped: Count | UnsetType = UNSET
    episodes: Count | UnsetType = UNSET
    total: Count | UnsetType = UNSET
    code: str | UnsetType = UNSET
    message: str | UnsetType = UNSET


Sections = dict[SectionName, SectionState]


class InitAnswer(Struct):
    """A loaded listener. A section that could not be read is named, and the rest stays usable."""

    success: Yes
    message: str
    summary: str
    profile: ListenerProfile
    genre_analysis: GenreShares
    sections: Sections
    cache: CacheState


class InitSection(Struct, tag_field="type", tag="section"):
    """One Spotify call has ended; `ms` is how long it took."""

    name: SectionName
    status: SectionStatus
    ms: Count
    count: Count | UnsetType = UNSET
    code: str | UnsetType = UNSET


class InitReady(Struct, tag_field="type", tag="ready"):
    """The listener is loaded: the JSON answer's members."""

    success: Yes
    message: str
    summary: str
    profile: ListenerProfile
    genre_analysis: GenreShares
    sections: Sections
    cache: CacheState


class InitError(Struct, tag_field="type", tag="error"):
    """Loading failed after the first byte."""

    success: No
    error: ErrorDetail


InitFrame = InitSection | InitReady | InitError


class PersonaShape(Struct):
    """An invented listener, in a demo."""

    name: str
    label: str
    token: str


class Agreement(Struct):
    """What the listener was shown when they consented; members that are left out count as right."""

    model: str | None = None
    context: str | None = None
    provider: str | None = None


class SessionAnswer(Struct):
    """The log-in. `connect`: whether there can be one. `context`: what of the data the model gets.

    `provider`: the host that the model is asked at; absent where no model is asked.
    """

    signed_in: bool
    demo: bool
    connect: bool
    consented: bool
    model: str
    offline: bool
    context: Literal["full", "minimal", "none"]
    scopes: tuple[str, ...]
    provider: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    demo_tokens: tuple[PersonaShape, ...] | UnsetType = UNSET


class StatusAnswer(Struct):
    """What is cached for a token. The last three members are there where something is."""

    cache_ready: bool
    cache_status: Literal["fresh", "stale", "empty"]
    has_user_data: bool
    age_s: Count | UnsetType = UNSET
    expires_in_s: Count | UnsetType = UNSET
    top_artists_count: Count | UnsetType = UNSET


class ProfileAnswer(Struct):
    """The listening data. Hours are those of `X-Timezone`, else UTC; `fetched_at` is seconds since the epoch."""

    success: Yes
    profile: ListenerProfile
    top_artists: tuple[Artist, ...]
    top_tracks: tuple[Track, ...]
    recently_played: tuple[Play, ...]
    plays_by_hour: Hours
    playlists: tuple[Playlist, ...]
    genre_analysis: GenreShares
    suggestions: tuple[str, ...]
    sections: Sections
    summary: str
    fetched_at: float
    cache: CacheState


class ToolReceipt(Struct):
    """What the model looked up: calls of tools, and searches that were sent to Spotify for them.

    `refused` items were not looked for, since a budget was used up; `refusal` says which.
    """

    calls: Count
    searches: Count
    refused: Count
    refusal: str | UnsetType = UNSET


class Card(Struct):
    """An item that an answer names. `note` says why it is new to the listener, where it is."""

    uri: str
    kind: Literal["track", "album", "artist", "playlist"]
    name: str
    artists: tuple[str, ...] | UnsetType = UNSET
    image: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    new: Yes | UnsetType = UNSET
    note: str | UnsetType = UNSET


class Facts(Struct):
    """What an answer rests on, in sentences that code has made of the listener's data."""

    facts: tuple[str, ...]


class NamedPlaylist(Struct):
    """One of the listener's own playlists."""

    uri: str
    name: str


class SavedPlaylist(Struct):
    """A playlist at Spotify; `count` is how many tracks were saved to it."""

    uri: str
    url: str
    name: str
    count: Count


class ShownTrack(Struct):
    """A track that is proposed. `new`: the listener's data do not hold it."""

    uri: str
    url: str
    name: str
    artists: tuple[str, ...]
    album: str | UnsetType = UNSET
    year: int | UnsetType = UNSET
    image: str | UnsetType = UNSET
    duration_ms: int | UnsetType = UNSET
    new: Yes | UnsetType = UNSET


class ShownProposal(Struct):
    """A playlist that the listener may save until `expires_at`, and what would be in it.

    `extends`: the playlist of theirs that the tracks are added to, in place of a new one. `notes` say
    what was left out, and what could not be kept of the wish. `state` is `begun` while Spotify has not
    confirmed all of a save: saving again goes on with it. `playlist` is there once it is saved.
    """

    id: str
    name: str
    count: Count
    uris: tuple[str, ...]
    tracks: tuple[ShownTrack, ...]
    expires_at: str
    state: Literal["open", "begun", "saved"]
    description: str | UnsetType = UNSET
    extends: NamedPlaylist | UnsetType = UNSET
    minutes: Count | UnsetType = UNSET
    notes: tuple[str, ...] | UnsetType = UNSET
    playlist: SavedPlaylist | UnsetType = UNSET


class ProposalAnswer(Struct):
    """A proposed playlist."""

    success: Yes
    proposal: ShownProposal


class SavedAnswer(Struct):
    """The playlist that was saved: by this request, or by an earlier one."""

    success: Yes
    playlist: SavedPlaylist


class ChatAnswer(Struct):
    """A whole answer in one piece. `notice`: why it says nothing, or no more; then for people to read.

    `playlist`: what was proposed, to be saved with `POST /lyra/playlists/{id}`.
    """

    success: Yes
    response: str
    tracks: tuple[Card, ...]
    model: str
    usage: Usage
    finish_reason: FinishReason
    cache: CacheState
    notice: str | UnsetType = UNSET
    tools: ToolReceipt | UnsetType = UNSET
    playlist: ShownProposal | UnsetType = UNSET


class StartCache(CacheState, kw_only=True):
    """`CacheState`, and how long the look-up took."""

    lookup_ms: float


class StartMetadata(Struct):
    """What is known when the answer begins. `demo` is there where the listener is invented."""

    model: str
    offline: bool
    cache: StartCache
    demo: Yes | UnsetType = UNSET


class FinishMetadata(Struct, kw_only=True):
    """What the answer took. `first_token_ms` is null where no word came.

    `notice` is for people to read: the model said nothing, or refused.
    """

    usage: Usage
    first_token_ms: float | None
    duration_ms: float
    cache: CacheState
    notice: str | UnsetType = UNSET
    tools: ToolReceipt | UnsetType = UNSET


class AbortMetadata(FinishMetadata, kw_only=True):
    """What a cut answer took, and why it was cut; output tokens are estimated."""

    aborted: Literal["stopped", "draining"]


class StatusData(Struct):
    """What is going on; `section`, `status` and `ms` come as each Spotify call ends.

    While something is looked up, `tool` is what does it and `title` says it for people.
    """

    phase: Literal["loading_listening", "thinking", "searching"]
    tool: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    section: SectionName | UnsetType = UNSET
    status: SectionStatus | UnsetType = UNSET
    ms: Count | UnsetType = UNSET


class Alive(Struct):
    """The process answers."""

    alive: Yes


class SpotifyState(Struct):
    """How the calls to Spotify have gone lately. `paused`: Spotify asked for it; `open`: the circuit is."""

    state: Literal["ok", "failing", "open", "paused"]
    failing: tuple[str, ...] | UnsetType = UNSET
    retry_in_s: Count | UnsetType = UNSET
    paused_s: Count | UnsetType = UNSET


class ModelState(Struct):
    """The model that writes the answers; `offline`: no language model does.

    `tools`: whether it may look music up; `refused`: its server takes no request with tools.
    """

    name: str
    offline: bool
    tools: Literal["on", "off", "refused"]
    state: Literal["ok", "starting", "open"]
    retry_in_s: Count | UnsetType = UNSET


class RedisState(Struct):
    """Without it answers are slower and never fewer."""

    state: Literal["ok", "degraded"]


class Dependencies(Struct):
    """The state of each thing that answers depend on; `redis` where it is set."""

    spotify: SpotifyState
    model: ModelState
    redis: RedisState | UnsetType = UNSET


class Readiness(Struct):
    """Whether new listeners are welcome. `demo` means that every listener is invented."""

    ready: bool
    demo: bool
    dependencies: Dependencies


class CacheStatistics(Struct):
    """Counters (their names end in `_total`) and sizes of the cache."""

    success: Yes
    cache: dict[str, int]
