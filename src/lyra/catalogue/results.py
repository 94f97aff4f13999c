"""Read the answer of a search: items in the search's order, what cannot be used left out."""

import msgspec
from msgspec.structs import replace

from lyra.catalogue.items import Item, Kind
from lyra.listening import mapping, raw_models
from lyra.listening.decode import decode, decode_or_none, elements
from lyra.listening.models import Artist, Track
from lyra.spotify.failures import SpotifyFailure

MAX_ITEMS = 10  # of one page: Spotify gives no more to new apps


class _Shown(raw_models.Track, kw_only=True, gc=False):
    """An item of any kind: the images of an artist or an album, and an album's date, are its own."""

    images: raw_models.Images | None = None
    release_date: str | None = None


class _Page(msgspec.Struct):
    items: raw_models.first(MAX_ITEMS, msgspec.Raw) | None = None  # type: ignore[valid-type]


class _Answer(msgspec.Struct):
    """One page for each kind that was searched for; Spotify may leave one out."""

    tracks: _Page | None = None
    albums: _Page | None = None
    artists: _Page | None = None


_answer = msgspec.json.Decoder(_Answer)
_item = msgspec.json.Decoder(_Shown | None)


def read_results(body: bytes, kind: Kind) -> tuple[Item, ...]:
    """Return the items of this kind.

    Raises:
        SpotifyFailure: `truncated` for broken JSON, `unexpected_shape` for another shape.
    """
    page = getattr(_decode(body), f"{kind}s")
    if page is None:
        raise SpotifyFailure("unexpected_shape")
    read = [_read_item(raw, kind) for raw in (elements(page.items) if page.items else ())]
    return tuple([item for item in read if item is not None])


def _decode(body: bytes) -> _Answer:
    try:
        return decode(body, _answer)
    except msgspec.ValidationError:
        failure = SpotifyFailure("unexpected_shape")
    except ValueError:
        failure = SpotifyFailure("truncated")
    raise failure


def _read_item(raw: msgspec.Raw, kind: Kind) -> Item | None:
    """Return the item, or None for null and for what has no name or address."""
    shown = decode_or_none(raw, _item)
    if shown is None:
        return None
    if kind == "artist":
        return _of_artist(_to_artist(shown))
    if kind == "album":
        own = raw_models.Album(shown.name, shown.images, shown.release_date)
        shown = replace(shown, album=own)
    return _of_track(mapping.track(shown), kind)


def _to_artist(shown: _Shown) -> Artist | None:
    return mapping.artist(
        raw_models.Artist(
            name=shown.name,
            id=shown.id,
            uri=shown.uri,
            external_urls=shown.external_urls,
            images=shown.images,
        )
    )


def _of_artist(artist: Artist | None) -> Item | None:
    if artist is None or artist.uri is None:
        return None
    return Item(
        "artist", artist.uri, artist.name, (artist.name,), image=artist.image, url=artist.url
    )


def _of_track(track: Track | None, kind: Kind) -> Item | None:
    if track is None or track.uri is None or not track.artists:
        return None
    return Item(
        kind,
        track.uri,
        track.name,
        track.artists,
        album=track.album if kind == "track" else None,
        year=track.released,
        duration_ms=track.duration_ms,
        image=track.image,
        url=track.url,
    )
