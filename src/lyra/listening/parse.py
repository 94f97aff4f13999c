"""Bodies of the five endpoints, read with tolerance: one bad item costs that item alone."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec

from lyra.listening import shapes, trim
from lyra.listening.models import Artist, Play, Playlist, Profile, Track
from lyra.spotify.failures import SpotifyFailure

Regime = Literal["restricted", "full"]
T = TypeVar("T")
Raw = TypeVar("Raw", bound=msgspec.Struct)

_PAGE = 50
_FULL: frozenset[Regime] = frozenset({"full"})
_RESTRICTED: frozenset[Regime] = frozenset({"restricted"})
# Escaped backslashes and whole pairs are matched to be passed over.
_SURROGATE = re.compile(rb"(\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]..")


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """What one answer held: the items in Spotify's order, and how many were left out.

    `regimes` are the API regimes that the fields present speak for.
    """

    items: tuple[T, ...]
    skipped: int = 0
    regimes: frozenset[Regime] = frozenset()


@dataclass(frozen=True, slots=True)
class ListedPlaylist:
    """A playlist and its owner's id, which tells the listener's own lists once /me is read."""

    playlist: Playlist
    owner_id: str | None


class _Page(msgspec.Struct, Generic[Raw]):
    items: list[Raw | None]


class _RawPage(msgspec.Struct):
    items: list[msgspec.Raw]


def parse_profile(body: bytes) -> Parsed[Profile]:
    """Return the one profile.

    Raises:
        SpotifyFailure: `truncated` for broken JSON, `unexpected_shape` for JSON without an id.
    """
    raw = _decode(body, shapes.User)
    kept = trim.profile(raw)
    if not kept.id:
        raise SpotifyFailure("unexpected_shape")
    return Parsed((kept,), regimes=_evidence(raw.followers) or _RESTRICTED)


def parse_artists(body: bytes) -> Parsed[Artist]:
    """Return the top artists, highest affinity first; raises as `parse_profile` does."""
    return _parse(body, shapes.Artist, trim.artist, _artist_evidence)


def parse_tracks(body: bytes) -> Parsed[Track]:
    """Return the top tracks, highest affinity first; raises as `parse_profile` does."""
    return _parse(body, shapes.Track, trim.track, _track_evidence)


def parse_plays(body: bytes) -> Parsed[Play]:
    """Return the last plays, newest first, without episodes; raises as `parse_profile` does."""
    return _parse(body, shapes.Play, _play, _play_evidence)


def parse_playlists(body: bytes) -> Parsed[ListedPlaylist]:
    """Return the playlists, each once; raises as `parse_profile` does."""
    parsed = _parse(body, shapes.Playlist, _listed, _playlist_evidence)
    once: dict[str | int, ListedPlaylist] = {}
    for place, listed in enumerate(parsed.items):
        # Spotify lists a blend twice; a list without id has only its place to go by.
        once.setdefault(listed.playlist.id or place, listed)
    return Parsed(tuple(once.values()), parsed.skipped, parsed.regimes)


def _parse(
    body: bytes,
    shape: type[Raw],
    keep: Callable[[Raw], T | None],
    evidence: Callable[[Sequence[Raw]], frozenset[Regime]],
) -> Parsed[T]:
    items, unreadable = _items(body, shape)
    if unreadable and unreadable == len(items):
        raise SpotifyFailure("unexpected_shape")
    given = [item for item in items if item is not None]
    kept = [one for one in map(keep, given) if one is not None]
    # Single items lack fields in either regime, all of a page in one.
    regimes = evidence(given) or (_RESTRICTED if given else frozenset[Regime]())
    return Parsed(tuple(kept), len(items) - len(kept), regimes)


def _items(body: bytes, shape: type[Raw]) -> tuple[Sequence[Raw | None], int]:
    """Return the page's items, None for those not to be read, and how many cannot be."""
    try:
        return _decode(body, _Page[shape]).items[:_PAGE], 0  # type: ignore[valid-type]  # generic at run time
    except SpotifyFailure as failure:
        if failure.code != "unexpected_shape":
            raise
    # At least one item is not as expected: the slow way, each by itself.
    raws = _decode(body, _RawPage).items[:_PAGE]
    read = [_item(raw, shape) for raw in raws]
    nulls = sum(bytes(raw) == b"null" for raw in raws)
    return read, sum(item is None for item in read) - nulls


def _item(raw: msgspec.Raw, shape: type[Raw]) -> Raw | None:
    try:
        return msgspec.json.decode(raw, type=shape | None)
    except (ValueError, RecursionError):
        return None


def _decode(body: bytes, shape: type[T]) -> T:
    """Return the body as this shape; a body with broken characters gets them replaced."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.ValidationError, RecursionError):
        code: Literal["unexpected_shape", "truncated"] = "unexpected_shape"
    except ValueError:
        mended = _mend(body)
        if mended != body:
            return _decode(mended, shape)
        code = "truncated"
    raise SpotifyFailure(code)


def _mend(body: bytes) -> bytes:
    """Return the body in whole characters; one broken title must not cost a section."""
    whole = body.decode(errors="replace").encode()
    return _SURROGATE.sub(lambda found: found.group(1) or rb"\ufffd", whole)


def _play(raw: shapes.Play) -> Play | None:
    track = _played(raw)
    kept = trim.track(track) if track else None
    return Play(kept, played_at=trim.moment(raw.played_at)) if kept else None


def _played(raw: shapes.Play) -> shapes.Track | None:
    return raw.item or raw.track


def _listed(raw: shapes.Playlist) -> ListedPlaylist | None:
    kept = trim.playlist(raw)
    return ListedPlaylist(kept, raw.owner.id if raw.owner else None) if kept else None


def _evidence(*dropped: Any) -> frozenset[Regime]:
    """Return `full` if any of the fields is there that the restricted regime dropped."""
    return _FULL if any(field is not msgspec.UNSET for field in dropped) else frozenset()


def _artist_evidence(given: Sequence[shapes.Artist]) -> frozenset[Regime]:
    return _evidence(*[raw.popularity for raw in given], *[raw.followers for raw in given])


def _track_evidence(given: Sequence[shapes.Track]) -> frozenset[Regime]:
    return _evidence(*[raw.popularity for raw in given])


def _play_evidence(given: Sequence[shapes.Play]) -> frozenset[Regime]:
    return _track_evidence([track for track in map(_played, given) if track])


def _playlist_evidence(given: Sequence[shapes.Playlist]) -> frozenset[Regime]:
    renamed = any(raw.items is not msgspec.UNSET for raw in given)
    return (_RESTRICTED if renamed else frozenset()) | _evidence(*[raw.tracks for raw in given])
