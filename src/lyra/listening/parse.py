"""Bodies of the five endpoints, read with tolerance: one bad item costs that item alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec.json import Decoder

from lyra.listening import mapping, raw_models
from lyra.listening.decode import LARGEST, decode, decode_or_none, elements
from lyra.listening.models import Artist, Play, Playlist, Profile, Track
from lyra.spotify.failures import SpotifyFailure

Regime = Literal["restricted", "full"]
T = TypeVar("T")
Raw = TypeVar("Raw", bound=msgspec.Struct)

_PAGE = 50
_USUAL = 384 * 1024  # a listener's answers are smaller, by a little
_FULL: frozenset[Regime] = frozenset({"full"})
_RESTRICTED: frozenset[Regime] = frozenset({"restricted"})


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """The content of one response: the items in Spotify's order, and how many rows were left out.

    `episodes` are those of the rows that hold a podcast's episode, `local_files` those of a playlist
    that hold a file of the listener's own. `total` is how many items
    Spotify says there are, of which this is the first page. `regimes` are the API regimes that the
    present fields are evidence for.
    """

    items: tuple[T, ...]
    skipped: int = 0
    regimes: frozenset[Regime] = frozenset()
    episodes: int = 0
    total: int | None = None
    local_files: int = 0


@dataclass(frozen=True, slots=True)
class ListedPlaylist:
    """A playlist and its owner's id, which shows the listener's own lists once /me is read."""

    playlist: Playlist
    owner_id: str | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A valid, decoded body; to trim an item is work that can wait its turn.

    `trimmed` gives each item as it is kept, None for one that is left out; `done` makes the result
    of all that it gave.
    """

    trimmed: Iterator[T | None]
    done: Callable[[Sequence[T | None]], Parsed[T]]

    def parse_all(self) -> Parsed[T]:
        """Return all items at once."""
        return self.done(list(self.trimmed))


class _List(msgspec.Struct):
    items: msgspec.Raw
    total: raw_models.Some = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class _Rows(Generic[Raw]):
    """The rows of a page, None for null or unreadable ones, and how many are unreadable."""

    items: Sequence[Raw | None]
    total: raw_models.Some
    unreadable: int = 0


class _Decoders(Generic[Raw]):
    """The decoders of one endpoint: for its page, and for a single item."""

    def __init__(self, shape: type[Raw]) -> None:
        items = raw_models.first(_PAGE, shape | None)
        fields: list[Any] = [("items", items), ("total", raw_models.Some, msgspec.UNSET)]
        self.page: Decoder[Any] = Decoder(msgspec.defstruct("Page", fields))
        self.item: Decoder[Raw | None] = Decoder(shape | None)


_profile = Decoder(raw_models.User)
_list = Decoder(_List)
_elements = Decoder(raw_models.first(_PAGE, msgspec.Raw))
_artists = _Decoders(raw_models.Artist)
_tracks = _Decoders(raw_models.Track)
_plays = _Decoders(raw_models.Play)
_playlists = _Decoders(raw_models.Playlist)
_playlist_rows = _Decoders(raw_models.PlaylistRow)


def read_profile(body: bytes) -> Page[Profile]:
    """Return the page of the one profile.

    Raises:
        SpotifyFailure: `truncated` for broken JSON, `unexpected_shape` for JSON without an id.
    """
    if len(body) > LARGEST:
        raise SpotifyFailure("unexpected_shape")
    raw = _decode_or_fail(body, _profile)
    if not mapping.has_id(raw):
        raise SpotifyFailure("unexpected_shape")
    regimes = _evidence(raw.followers) or _RESTRICTED
    return Page(
        map(mapping.profile, [raw]), lambda kept: _collect(kept, Parsed((), regimes=regimes))
    )


def read_artists(body: bytes) -> Page[Artist]:
    """Return the page of the top artists, highest affinity first; raises as `read_profile` does."""
    return _read(body, _artists, mapping.artist, _artist_evidence)


def read_tracks(body: bytes) -> Page[Track]:
    """Return the page of the top tracks, highest affinity first; raises as `read_profile` does."""
    return _read(body, _tracks, mapping.track, _track_evidence)


def read_plays(body: bytes) -> Page[Play]:
    """Return the page of the last plays, newest first, without episodes; raises likewise."""
    return _read(body, _plays, _parse_play, _play_evidence, is_episode=_is_episode)


def read_playlists(body: bytes) -> Page[ListedPlaylist]:
    """Return the page of the playlists, each once; raises as `read_profile` does."""
    page = _read(body, _playlists, _parse_playlist, _playlist_evidence)
    return Page(page.trimmed, lambda kept: _drop_repeats(page.done(kept)))


def read_playlist_tracks(body: bytes) -> Page[Track]:
    """Return the page of a playlist's tracks, in its order; raises as `read_profile` does.

    Episodes and local files are left out.
    """
    return _read(
        body,
        _playlist_rows,
        _parse_playlist_row,
        _play_evidence,
        is_episode=_is_episode,
        is_local_file=_is_local_file,
    )


def parse_profile(body: bytes) -> Parsed[Profile]:
    """Return what `read_profile` reads, all of it at once; the others likewise."""
    return read_profile(body).parse_all()


def parse_artists(body: bytes) -> Parsed[Artist]:
    """See `parse_profile`."""
    return read_artists(body).parse_all()


def parse_tracks(body: bytes) -> Parsed[Track]:
    """See `parse_profile`."""
    return read_tracks(body).parse_all()


def parse_plays(body: bytes) -> Parsed[Play]:
    """See `parse_profile`."""
    return read_plays(body).parse_all()


def parse_playlists(body: bytes) -> Parsed[ListedPlaylist]:
    """See `parse_profile`."""
    return read_playlists(body).parse_all()


def parse_playlist_tracks(body: bytes) -> Parsed[Track]:
    """See `parse_profile`."""
    return read_playlist_tracks(body).parse_all()


def _drop_repeats(parsed: Parsed[ListedPlaylist]) -> Parsed[ListedPlaylist]:
    once: dict[str | int, ListedPlaylist] = {}
    for place, listed in enumerate(parsed.items):
        # Spotify lists a blend twice; a list without an id is known by its index.
        once.setdefault(listed.playlist.id or place, listed)
    repeats = len(parsed.items) - len(once)
    return replace(parsed, items=tuple(once.values()), skipped=parsed.skipped + repeats)


def _read(
    body: bytes,
    decoders: _Decoders[Raw],
    keep: Callable[[Raw, int], T | None],
    evidence: Callable[[Sequence[Raw]], frozenset[Regime]],
    *,
    is_episode: Callable[[Raw], bool] = lambda _: False,
    is_local_file: Callable[[Raw], bool] = lambda _: False,
) -> Page[T]:
    """Return the page; `keep` trims the row at a place, from 1."""
    rows = _rows(body, decoders)
    if rows.unreadable and rows.unreadable == len(rows.items):
        raise SpotifyFailure("unexpected_shape")
    present = [item for item in rows.items if item is not None]
    # Single items lack fields in both regimes; all items of a page lack them in one only.
    regimes = evidence(present) or (_RESTRICTED if present else frozenset[Regime]())
    empty: Parsed[T] = Parsed(
        (),
        regimes=regimes,
        episodes=sum(map(is_episode, present)),
        total=_total(rows),
        local_files=sum(map(is_local_file, present)),
    )
    trimmed = (item if item is None else keep(item, at) for at, item in enumerate(rows.items, 1))
    return Page(trimmed, lambda kept: _collect(kept, empty))


def _collect(trimmed: Sequence[T | None], about: Parsed[T]) -> Parsed[T]:
    kept = tuple([one for one in trimmed if one is not None])
    return replace(about, items=kept, skipped=len(trimmed) - len(kept))


def _total(rows: _Rows[Raw]) -> int | None:
    """Return how many there are in all, if that can be: no fewer than were sent."""
    total = mapping.natural(rows.total)
    return total if total is not None and total >= len(rows.items) else None


def _rows(body: bytes, decoders: _Decoders[Raw]) -> _Rows[Raw]:
    if len(body) <= _USUAL:
        try:
            page = decoders.page.decode(body)
            return _Rows(elements(page.items), page.total)
        except (ValueError, RecursionError):
            pass  # at least one item is not as expected
    # The slow way, one by one: nothing is decoded to objects twice, however often it occurs.
    listed = _decode_or_fail(body, _list)
    raws = elements(_decode_or_fail(listed.items, _elements))
    read = [decode_or_none(raw, decoders.item) for raw in raws]
    nulls = sum(bytes(raw) == b"null" for raw in raws)
    return _Rows(read, listed.total, sum(item is None for item in read) - nulls)


def _decode_or_fail(body: bytes | msgspec.Raw, decoder: Decoder[T]) -> T:
    try:
        return decode(body, decoder)
    except msgspec.ValidationError:
        code: Literal["unexpected_shape", "truncated"] = "unexpected_shape"
    except ValueError:
        code = "truncated"
    raise SpotifyFailure(code)


def _parse_play(raw: raw_models.Play, _: int) -> Play | None:
    track = _raw_track(raw)
    kept = mapping.track(track) if track else None
    return Play(kept, played_at=mapping.moment(raw.played_at)) if kept else None


def _parse_playlist_row(raw: raw_models.PlaylistRow, _: int) -> Track | None:
    track = _raw_track(raw)
    return mapping.track(track) if track and not _is_local_file(raw) else None


def _is_local_file(raw: raw_models.PlaylistRow) -> bool:
    track = _raw_track(raw)
    return bool(raw.is_local) or (track is not None and mapping.is_local_file(track))


def _raw_track(raw: raw_models.Play | raw_models.PlaylistRow) -> raw_models.Track | None:
    return raw.item or raw.track


def _is_episode(raw: raw_models.Play | raw_models.PlaylistRow) -> bool:
    track = _raw_track(raw)
    return track is not None and mapping.is_episode(track)


def _parse_playlist(raw: raw_models.Playlist, _: int) -> ListedPlaylist | None:
    kept = mapping.playlist(raw)
    return ListedPlaylist(kept, raw.owner.id if raw.owner else None) if kept else None


def _evidence(*dropped: Any) -> frozenset[Regime]:
    """Return `full` if any field is present that the restricted regime dropped."""
    return _FULL if any(field is not msgspec.UNSET for field in dropped) else frozenset()


def _artist_evidence(raws: Sequence[raw_models.Artist]) -> frozenset[Regime]:
    return _evidence(*[raw.popularity for raw in raws], *[raw.followers for raw in raws])


def _track_evidence(raws: Sequence[raw_models.Track]) -> frozenset[Regime]:
    return _evidence(*[raw.popularity for raw in raws])


def _play_evidence(
    raws: Sequence[raw_models.Play] | Sequence[raw_models.PlaylistRow],
) -> frozenset[Regime]:
    return _track_evidence([track for track in map(_raw_track, raws) if track])


def _playlist_evidence(raws: Sequence[raw_models.Playlist]) -> frozenset[Regime]:
    renamed = any(raw.items is not msgspec.UNSET for raw in raws)
    return (_RESTRICTED if renamed else frozenset()) | _evidence(*[raw.tracks for raw in raws])
