"""The playlists that clients have made or changed, by account; kept in this process alone."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from lyra.sandbox import spotify_rows as rows
from lyra.sandbox.clock import Clock
from lyra.sandbox.listeners import Listener, Playlist
from lyra.sandbox.rng import spotify_id

# Spotify's own limits, of an account and of a playlist.
MAX_PLAYLISTS = 11_000
MAX_ROWS = 10_000

ACCOUNTS_KEPT = 512
KEPT = 500_000  # playlists and rows of all accounts together


class FullError(Exception):
    """There is no room for this; the message says where."""


class Added(NamedTuple):
    """A row that a client has written; `at_ms` is since the epoch."""

    uri: str
    at_ms: int


# Else a row is the place in the contents with which the playlist was invented.
Row = int | Added


@dataclass(frozen=True, slots=True)
class Edit:
    """What happens to the rows: these are added, at the end or at `position`, or are all that is left."""

    uris: tuple[str, ...]
    position: int | None = None
    replaces: bool = False

    def of(self, before: Sequence[Row], at_ms: int) -> tuple[Row, ...]:
        """The rows after it."""
        added = [Added(uri, at_ms) for uri in self.uris]
        if self.replaces:
            return tuple(added)
        place = len(before) if self.position is None else self.position
        return (*before[:place], *added, *before[place:])


class MadePlaylist(NamedTuple):
    """A playlist that a client has made, as a test sees it; `description` is escaped HTML."""

    id: str
    name: str
    description: str | None
    on_profile: bool
    uris: list[str]


@dataclass(slots=True)
class _Kept:
    """A playlist with its rows; `late` are the edits that take effect only at their time."""

    playlist: Playlist
    rows: tuple[Row, ...]
    listed_from: float = 0.0
    late: list[tuple[float, Edit]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return 1 + len(self.rows) + sum(1 + len(edit.uris) for _, edit in self.late)

    def settle(self, now: float) -> None:
        """Let those edits take effect whose time has come."""
        due = sorted((each for each in self.late if each[0] <= now), key=lambda each: each[0])
        self.late = [each for each in self.late if each[0] > now]
        for at, edit in due:
            self.rows = edit.of(self.rows, int(at * 1000))
            self.playlist = replace(
                self.playlist,
                total=len(self.rows),
                pictured=bool(self.rows),
                revision=self.playlist.revision + 1,
            )

    def told(self, now: float) -> MadePlaylist:
        """What it is by now."""
        self.settle(now)
        one = self.playlist
        uris = [row.uri for row in self.rows if isinstance(row, Added)]
        return MadePlaylist(one.id, one.name, one.description, one.on_profile, uris)


@dataclass(slots=True)
class _Account:
    """`made` are the account's new playlists, oldest first; `changed` those that it had before."""

    made: dict[str, _Kept] = field(default_factory=dict)
    changed: dict[str, _Kept] = field(default_factory=dict)

    def all(self) -> Iterator[_Kept]:
        yield from self.made.values()
        yield from self.changed.values()

    def kept(self, identifier: str) -> _Kept | None:
        return self.made.get(identifier) or self.changed.get(identifier)

    @property
    def size(self) -> int:
        return sum(each.size for each in self.all())


class WrittenPlaylists:
    """Makes and edits playlists; the same for every token of an account.

    The 512 accounts that wrote last are kept, and half a million playlists and rows of all together.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: OrderedDict[str, _Account] = OrderedDict()  # the last one wrote last
        self._sizes: dict[str, int] = {}  # of each, since their sum is asked for at every write

    @property
    def empty(self) -> bool:
        """Whether nobody has written anything yet."""
        return not self._accounts

    def create(self, listener: Listener, asked: Playlist, late_s: int = 0) -> Playlist:
        """Make this playlist, under an id of its own; it is listed `late_s` seconds later.

        Raises:
            FullError: The account has 11,000 playlists, or there is no memory left.
        """
        account = self._account(listener.id)
        if len(listener.playlists) + len(account.made) >= MAX_PLAYLISTS:
            raise FullError("You have reached the maximum number of playlists")
        self._make_room(listener, account, 1)
        identifier = spotify_id("made", listener.id, len(account.made))
        playlist = replace(asked, id=identifier, total=0, pictured=False)
        account.made[identifier] = _Kept(playlist, (), self._now + late_s)
        return playlist

    def edit(self, listener: Listener, item: Playlist, edit: Edit, late_s: int = 0) -> Playlist:
        """Edit the rows of one of the account's own playlists, `late_s` seconds from now.

        Raises:
            FullError: The playlist would have more than 10,000 rows, or there is no memory left.
        """
        account = self._account(listener.id)
        kept = account.kept(item.id) or _Kept(item, _invented(item, listener))
        kept.settle(self._now)
        if len(edit.uris) + (0 if edit.replaces else kept.size) > MAX_ROWS + 1:
            raise FullError("Playlist size limit reached")
        self._make_room(listener, account, kept.size + len(edit.uris))
        kept.late.append((self._now + late_s, edit))
        kept.settle(self._now)
        if item.id not in account.made:
            account.changed[item.id] = kept
        return kept.playlist

    def seen(self, listener: Listener) -> Listener:
        """The listener with the account's playlists as they are now, the newest first."""
        account = self._account(listener.id)
        for each in account.all():
            each.settle(self._now)
        listed = [each.playlist for each in account.made.values() if each.listed_from <= self._now]
        changed = account.changed
        before = [
            changed[each.id].playlist if each and each.id in changed else each
            for each in listener.playlists
        ]
        return replace(listener, playlists=(*reversed(listed), *before))

    def find(self, listener: Listener, identifier: str) -> tuple[Playlist, tuple[Row, ...]] | None:
        """A playlist of this account and its rows, also where it is not listed yet."""
        kept = self._account(listener.id).kept(identifier)
        if kept is not None:
            kept.settle(self._now)
            return kept.playlist, kept.rows
        return find_invented(listener, identifier)

    def made_by_another(self, identifier: str) -> bool:
        """Whether some account has made the playlist of this id."""
        return any(identifier in account.made for account in self._accounts.values())

    def made_by(self, account: str) -> list[MadePlaylist]:
        """The playlists that the account of this user id has made, oldest first."""
        return [each.told(self._now) for each in self._account(account).made.values()]

    @property
    def _now(self) -> float:
        return self._clock.now.timestamp()

    def _account(self, user_id: str) -> _Account:
        return self._accounts.get(user_id) or _Account()

    def _make_room(self, listener: Listener, account: _Account, needed: int) -> None:
        """Keep this account, as the one that wrote last, and forget others where there are too many.

        Raises:
            FullError: It alone is too much.
        """
        size = account.size + needed
        if size > KEPT:
            raise FullError("The sandbox keeps no more of one account")
        self._accounts[listener.id] = account
        self._accounts.move_to_end(listener.id)
        self._sizes[listener.id] = size
        while len(self._sizes) > ACCOUNTS_KEPT or sum(self._sizes.values()) > KEPT:
            oldest, _ = self._accounts.popitem(last=False)
            del self._sizes[oldest]


def find_invented(listener: Listener, identifier: str) -> tuple[Playlist, tuple[Row, ...]] | None:
    """A playlist of the listener's and its rows as they were invented."""
    found = (each for each in listener.playlists if each and each.id == identifier)
    item = next(found, None)
    return None if item is None else (item, _invented(item, listener))


def _invented(item: Playlist, listener: Listener) -> tuple[Row, ...]:
    return tuple(range(len(rows.contents(item, listener))))
