"""Rows that hold a track or something else: plays, playlist contents, episodes, local files."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote_plus

from lyra.sandbox import spotify_shapes as shapes
from lyra.sandbox.catalogue import ARTISTS, Track, TrackKey, album, artist, track, track_of
from lyra.sandbox.listeners import Listener, Playlist
from lyra.sandbox.names import ADJECTIVES, NOUNS, SHOWS
from lyra.sandbox.plays import DAY_MS, SANDBOX_NOW, Play
from lyra.sandbox.rng import Rng, spotify_id
from lyra.sandbox.spotify_shapes import API, MARKETS, Json, images, link

# Shorter playlists would be nothing but traps.
TRAPS_FROM = 10

_NOW_MS = int(SANDBOX_NOW.timestamp()) * 1000
_NOBODY: Json = {"external_urls": {}, "href": None, "id": None, "uri": None}
_UNRELEASED = {"album_type": None, "release_date": None, "release_date_precision": None}


def ranked_track(key: TrackKey, listener: Listener, regime: str) -> Json:
    """An item of the top tracks: a local file where the listener is one who has them."""
    if listener.persona == "local_files" and key[1] % 3 == 0:
        return local_file(key, regime)
    return shapes.full_track(key, regime)


def play(item: Play, listener: Listener, regime: str) -> Json:
    """An item of the recently played tracks."""
    at, key = item
    # Spotify documents that episodes are never listed here; clients have met them all the same.
    spoken = listener.persona == "podcast" and at % 3 == 0
    show = _context_of(_show(key[0], regime)) if spoken else None
    return {
        "track": episode(key, regime) if spoken else ranked_track(key, listener, regime),
        "played_at": f"{_rfc3339(at)[:-1]}.{at % 1000:03}Z",
        "context": show or _context(listener, at, key),
    }


def contents(item: Playlist, listener: Listener) -> Sequence[TrackKey]:
    """The tracks of this playlist; of the listener's own lists, tracks that they know."""
    if item.artist is not None:
        return [key for key in listener.library if key[0] == item.artist]
    rng = Rng("contents", item.id)
    own = listener.library if item.owner == "listener" else ()
    return [rng.pick(own) if own else _any_track(rng) for _ in range(item.total or 0)]


def content_row(
    place: int, keys: Sequence[TrackKey], item: Playlist, listener: Listener, regime: str
) -> Json:
    """The row at this place of a playlist; some of the first ten are traps."""
    key = keys[place]
    traps = _TRAPS if len(keys) >= TRAPS_FROM else {}
    added = _NOW_MS - (1 + Rng("added", item.id, place).below(2_000)) * DAY_MS
    held_in = _held_in(place, regime)
    row: Json = {
        "added_at": _rfc3339(added),
        "added_by": shapes.owner(item.owner, listener),
        "is_local": False,
        held_in: shapes.full_track(key, regime),
    }
    return {**row, **_renamed(traps[place](keys, regime), held_in)} if place in traps else row


def written_row(uri: str, added_ms: int, place: int, listener: Listener, regime: str) -> Json:
    """The row at this place that a client has added; the first one asked for takes half a second."""
    return {
        "added_at": _rfc3339(added_ms),
        "added_by": shapes.owner("listener", listener),
        "is_local": False,
        _held_in(place, regime): _written(uri, regime),
    }


def _held_in(place: int, regime: str) -> str:
    """The name under which the row at this place holds its track."""
    old = regime == "legacy" or (regime == "mixed" and place % 2 == 0)
    return "track" if old else "item"


def _written(uri: str, regime: str) -> Json:
    """The track or episode at this address; one that the catalogue does not know bears its id alone."""
    kind, identifier = uri.split(":")[1:]
    rng = Rng("written", identifier)
    if kind == "episode":
        return {**episode(_any_track(rng), regime), **link(kind, identifier)}
    if (key := track_of(identifier)) is not None:
        return shapes.full_track(key, regime)
    return shapes.imitated_track(
        _any_track(rng), regime, identifier, f"Track {identifier}", ["Somebody Else"]
    )


def episode(key: TrackKey, regime: str) -> Json:
    """A podcast's episode, in the place where a track is expected."""
    rng = Rng("episode", *key)
    told = f"{rng.pick(ADJECTIVES)} {rng.pick(NOUNS)} &amp; more."
    identifier = spotify_id("episode", *key)
    return {
        "audio_preview_url": None,
        "description": told,
        "duration_ms": 600_000 + rng.below(6_000_000),
        "explicit": False,
        "html_description": f"<p>{told}</p>",
        **link("episode", identifier),
        "images": images("ab6765630000ba8a", identifier),
        "is_externally_hosted": False,
        "is_playable": True,
        "language": "en",
        "languages": ["en"],
        "name": f"{1 + rng.below(400)}: {told}",
        "release_date": "2026-11-20",
        "release_date_precision": "day",
        "show": _show(key[0], regime),
    }


def local_file(key: TrackKey, regime: str) -> Json:
    """A file of the listener's own: no ids, and a duration that can be an object."""
    one, by = track(key), artist(key[0]).name
    name = {"name": by, "type": "artist", **_NOBODY}
    release: Json = {
        "name": one.album.name,
        "type": "album",
        "artists": [],
        "images": [],
        **_NOBODY,
    }
    shape = {
        "album": {**release, **_UNRELEASED},
        "artists": [name],
        "disc_number": 0,
        "duration_ms": _local_duration(one),
        "explicit": False,
        "external_ids": {},
        **_NOBODY,
        "is_local": True,
        "name": one.name,
        "preview_url": None,
        "track_number": 0,
        "type": "track",
        "uri": f"spotify:local:{quote_plus(by)}:{quote_plus(one.album.name)}"
        f":{quote_plus(one.name)}:{one.duration_ms // 1000}",
    }
    return {**shape, "available_markets": [], "popularity": 0} if regime == "legacy" else shape


def _local_duration(one: Track) -> int | Json:
    return {"totalMilliseconds": one.duration_ms} if one.draw % 2 else one.duration_ms


def _show(index: int, regime: str) -> Json:
    identifier = spotify_id("show", index % len(SHOWS))
    shape = {
        "copyrights": [],
        "description": "An invented show.",
        "explicit": False,
        **link("show", identifier),
        "images": images("ab6765630000ba8a", identifier),
        "is_externally_hosted": False,
        "languages": ["en"],
        "media_type": "audio",
        "name": SHOWS[index % len(SHOWS)],
        "total_episodes": 400,
    }
    if regime == "legacy":
        shape |= {"available_markets": MARKETS, "publisher": "Harbour & Sons"}
    return shape


def _any_track(rng: Rng) -> TrackKey:
    index = rng.below(ARTISTS)
    return index, rng.below(artist(index).tracks)


Trap = Callable[[Sequence[TrackKey], str], Json]

# By place in the playlist; `item` becomes `track` where the regime calls it so.
_TRAPS: dict[int, Trap] = {
    1: lambda _, __: {"item": None},
    2: lambda keys, regime: {"item": episode(keys[2], regime)},
    3: lambda keys, regime: {"item": local_file(keys[3], regime), "is_local": True},
    4: lambda keys, regime: {
        "item": {**local_file(keys[4], regime), "duration_ms": {"totalMilliseconds": 198_000}},
        "is_local": True,
    },
    5: lambda _, __: {"added_at": None, "added_by": None},
    6: lambda _, __: {"added_by": link("user", "harbourmaster")},
    7: lambda keys, regime: {"item": shapes.full_track(keys[0], regime)},
}


def _renamed(trap: Json, held_in: str) -> Json:
    return {held_in if name == "item" else name: value for name, value in trap.items()}


def _context(listener: Listener, at: int, key: TrackKey) -> Json | None:
    rng = Rng("context", listener.id, at)
    kind = rng.pick(("playlist", "playlist", "playlist", "album", "artist", "collection", None))
    if kind is None:
        return None
    if kind == "collection":
        return {
            "type": kind,
            "href": f"{API}/me/tracks",
            "external_urls": {"spotify": "https://open.spotify.com/collection"},
            "uri": f"spotify:user:{listener.id}:collection",
        }
    return _context_of(link(kind, _context_id(rng, kind, listener, key)))


def _context_of(linked: Json) -> Json:
    return {name: linked[name] for name in ("type", "href", "external_urls", "uri")}


def _context_id(rng: Rng, kind: str, listener: Listener, key: TrackKey) -> str:
    if kind == "artist":
        return artist(key[0]).id
    own: Sequence[Playlist] = [each for each in listener.playlists if each]
    if kind == "playlist" and own:
        return rng.pick(own).id
    return album(key[0], 0).id if kind == "album" else spotify_id("radio", key[0])


def _rfc3339(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}Z"
