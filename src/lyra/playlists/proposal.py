"""What is kept of a proposed playlist, and how far its saving has come."""

import re

import msgspec

MAX_TRACKS = 100  # Spotify takes as many in one call
MAX_NAME = 100  # characters
PROPOSAL_S = 1800.0
_TRACK = re.compile(r"spotify:track:[0-9A-Za-z]{22}", re.ASCII)


def is_track(uri: object) -> bool:
    """Return whether this is the address of a track."""
    return isinstance(uri, str) and _TRACK.fullmatch(uri) is not None


class ProposedTrack(msgspec.Struct, frozen=True, array_like=True):
    """A track as the listener is shown it. `new`: none of the listener's data hold it."""

    uri: str
    name: str
    artists: tuple[str, ...] = ()
    album: str | None = None
    year: int | None = None
    image: str | None = None
    duration_ms: int | None = None
    new: bool = False


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """How far saving has come. From the first call that may change something on, it is never undone.

    `name` and `uris` are what the listener has confirmed. `sent_at` is when the call whose outcome is
    not known was sent, in seconds since 1970; 0 if there is none. `playlist_id` is that of the
    playlist at Spotify, empty before it is known. `rows_before` is how many rows the playlist had
    before tracks were added to it; -1 before that is known.
    """

    name: str
    uris: tuple[str, ...]
    sent_at: float = 0.0
    playlist_id: str = ""
    rows_before: int = -1
    saved: bool = False


class Proposal(msgspec.Struct, frozen=True, array_like=True):
    """A playlist that a listener may save until `until` (seconds since 1970).

    `owner` is the key of the token that it was made under, `account` that of its Spotify account;
    empty where the profile could not be read. `extends` is the address of the listener's own playlist
    that the tracks are added to; empty for a new one, whose `marker` stands in its description.
    """

    owner: str
    account: str
    until: float
    name: str
    tracks: tuple[ProposedTrack, ...]
    marker: str
    description: str = ""
    extends: str = ""
    notes: tuple[str, ...] = ()
    progress: Progress | None = None

    @property
    def saved(self) -> bool:
        """Whether all of it is at Spotify."""
        return self.progress is not None and self.progress.saved

    @property
    def uris(self) -> tuple[str, ...]:
        """The tracks' addresses, in their order."""
        return tuple([track.uri for track in self.tracks])
