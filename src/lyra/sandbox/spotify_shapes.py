"""Spotify's JSON objects in each regime: which keys they have, and what may be missing or null.

`restricted` is what newly made apps get, `legacy` what older ones still get. `mixed` changes
from item to item; `genres_null` and `genres_empty` are `restricted` with that one key added.
"""

from typing import Any

from lyra.sandbox.catalogue import Album, Track, TrackKey, album, artist, fame, track
from lyra.sandbox.listeners import Listener, Playlist
from lyra.sandbox.rng import hexadecimal, spotify_id

Json = dict[str, Any]

API = "https://api.spotify.com/v1"

_LETTERS = "ABCDEFGHIJKLMN"
MARKETS = [first + second for first in _LETTERS for second in _LETTERS[:13]]
_MIXED_ARTISTS = ("restricted", "genres_null", "genres_empty", "legacy")


def profile(listener: Listener, regime: str) -> Json:
    """The object that `GET /me` answers."""
    user = {**link("user", listener.id), "display_name": listener.display_name}
    user["images"] = _user_images(listener)
    if regime != "legacy":
        user["account_id"] = spotify_id("account", listener.id)[:10]
    if regime in ("legacy", "mixed"):
        user["country"] = "SE"
        user["product"] = "premium"
    if regime == "legacy":
        user["email"] = f"{listener.id}@example.invalid"
        user["explicit_content"] = {"filter_enabled": False, "filter_locked": False}
        user["followers"] = {"href": None, "total": listener.seed % 97}
    return user


def full_artist(index: int, regime: str) -> Json:
    """An item of the top artists."""
    if regime == "mixed":
        regime = _MIXED_ARTISTS[index % 4]
    one = artist(index)
    pictures = [] if index % 17 == 0 else images("ab6761610000e5eb", one.id)
    shape = {**simple_artist(index), "images": pictures}
    if regime == "legacy":
        shape["followers"] = {"href": None, "total": 3_000 * fame(index)}
        shape["genres"] = list(one.genres)
        shape["popularity"] = min(100, 20 + fame(index) // 14)
    elif regime != "restricted":
        shape["genres"] = None if regime == "genres_null" else []
    return shape


def simple_artist(index: int) -> Json:
    """An artist as tracks and albums hold it."""
    one = artist(index)
    return {**link("artist", one.id), "name": one.name}


def full_track(key: TrackKey, regime: str) -> Json:
    """A track as lists hold it, with its album and artists."""
    one = track(key)
    old = regime == "legacy" or (regime == "mixed" and one.draw % 2 == 0)
    index, number = key
    shape = {
        "album": _album(index, one.album, old=old),
        "artists": [simple_artist(each) for each in (index, *one.guests)],
        "disc_number": 1,
        "duration_ms": one.duration_ms,
        "explicit": one.explicit,
        "external_ids": {"isrc": f"QZABC{index:04}{number:03}"},
        **link("track", one.id),
        "is_local": False,
        "name": one.name,
        "preview_url": None,
        "track_number": 1 + number % 8,
    }
    if old:
        shape["popularity"] = one.draw
        shape["available_markets"] = MARKETS
    return _with_rare_gaps(shape, one, old=old)


def full_album(index: int, number: int, regime: str) -> Json:
    """An album as the search shows it."""
    return _album(index, album(index, number), old=regime == "legacy")


def imitated_track(key: TrackKey, regime: str, identifier: str, name: str, by: list[str]) -> Json:
    """Somebody else's version of a track: another id, name and artist."""
    shape = {**full_track(key, regime), **link("track", identifier), "name": name}
    return {**shape, "artists": [{**link("artist", spotify_id(each)), "name": each} for each in by]}


def invented_artist(name: str) -> Json:
    """An artist who is known by name alone."""
    return {**link("artist", spotify_id("imitator", name)), "name": name, "images": []}


def playlist(item: Playlist | None, listener: Listener, regime: str) -> Json | None:
    """An item of the playlists; restricted apps are not told how long others' lists are."""
    if item is None:
        return None
    shape = {
        "collaborative": item.collaborative,
        "description": item.description,
        **link("playlist", item.id),
        "images": _mosaic(item.id) if item.pictured else None,
        "name": item.name,
        "owner": owner(item.owner, listener),
        "primary_color": None,
        "public": item.public,
        "snapshot_id": snapshot_id(item),
    }
    contents = f"{API}/playlists/{item.id}"
    if counts_in_tracks(item, regime):
        shape["tracks"] = {"href": f"{contents}/tracks", "total": item.total}
    elif item.owner == "listener" or item.total in (0, None):
        shape["items"] = {"href": f"{contents}/items", "total": item.total}
    return shape


def counts_in_tracks(item: Playlist, regime: str) -> bool:
    """Whether this playlist's rows are counted under `tracks`, as before 2026; else under `items`."""
    return regime == "legacy" or (regime == "mixed" and len(item.name) % 2 == 0)


def snapshot_id(item: Playlist) -> str:
    """The name of this state of the playlist's rows."""
    state = (item.revision,) if item.revision else ()
    return "AAAAAgWl" + hexadecimal(40, "snapshot", item.id, *state)


def link(kind: str, identifier: str) -> Json:
    """What all of Spotify's objects begin with."""
    return {
        "external_urls": {"spotify": f"https://open.spotify.com/{kind}/{identifier}"},
        "href": f"{API}/{kind}s/{identifier}",
        "id": identifier,
        "type": kind,
        "uri": f"spotify:{kind}:{identifier}",
    }


def _album(index: int, one: Album, *, old: bool) -> Json:
    shape = {
        "album_type": one.kind,
        "total_tracks": one.tracks,
        **link("album", one.id),
        "images": images("ab67616d0000b273", one.id) if one.pictured else [],
        "name": one.name,
        "release_date": one.released,
        "release_date_precision": {4: "year", 7: "month", 10: "day"}[len(one.released)],
        "artists": [simple_artist(index)],
    }
    return {**shape, "available_markets": MARKETS} if old else shape


def _with_rare_gaps(shape: Json, one: Track, *, old: bool) -> Json:
    if one.draw in (10, 11, 12):
        del shape["external_ids"]
    if one.draw in (20, 21, 22):
        del shape["preview_url"]
    if old and one.draw in (30, 32):
        shape["linked_from"] = link("track", spotify_id("linked", one.id))
    return shape


def owner(kind: str, listener: Listener) -> Json:
    """Who made a playlist, or added a row to it."""
    if kind == "closed":
        return {
            "display_name": None,
            "external_urls": {"spotify": None},
            "href": None,
            "id": None,
            "type": None,
            "uri": None,
        }
    if kind == "listener":
        return {"display_name": listener.display_name, **link("user", listener.id)}
    name = "Spotify" if kind == "spotify" else None
    return {"display_name": name, **link("user", "spotify" if name else "harbourmaster")}


def images(prefix: str, identifier: str) -> list[Json]:
    """Three sizes of one picture; the addresses lead nowhere."""
    return [
        {
            "url": f"https://i.scdn.co/image/{prefix}{hexadecimal(24, size, identifier)}",
            "height": size,
            "width": size,
        }
        for size in (640, 300, 64)
    ]


def _user_images(listener: Listener) -> list[Json]:
    if listener.seed % 3 == 0:
        return []
    large, _, small = images("ab67757000003b82", listener.id)
    return [{**large, "height": None, "width": None}, small]


def _mosaic(identifier: str) -> list[Json]:
    url = f"https://mosaic.scdn.co/640/{hexadecimal(40, 'mosaic', identifier)}"
    return [{"url": url, "height": 640, "width": 640}]
