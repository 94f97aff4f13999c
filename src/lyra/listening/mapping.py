"""Map Spotify's shapes to what Lyra keeps; None means that there is nothing to keep."""

import re
from collections.abc import Sequence
from math import inf
from unicodedata import normalize

from msgspec import UNSET

from lyra.listening import raw_models
from lyra.listening.models import Artist, Playlist, Profile, Track
from lyra.listening.sanitize import clean, plain

NAME_CAP = 300
_GENRE_CAP, _ID_CAP = 60, 100
_CREDITS_CAP = 2000  # of all the names of one track, before they are cleaned
_WIDE_ENOUGH = 160
_PAGE = re.compile(r"https://open\.spotify\.com/[^\s\"'<>\\\x00-\x20\x7f]{0,400}", re.ASCII)
_PICTURE = re.compile(r"https://[^\s\"'<>\\\x00-\x20\x7f]{1,1000}", re.ASCII)
_URI = re.compile(r"spotify:[^\s\"'<>\\\x00-\x20\x7f]{1,1000}", re.ASCII)
_YEAR = re.compile(r"[12][0-9]{3}(?![0-9])", re.ASCII)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,20}Z", re.ASCII)
# Up to here JSON readers in every language are exact.
_LARGEST = 2**53
_DIGITS = 24  # a number with more is no width or length, and slow to read


def has_id(raw: raw_models.User) -> bool:
    """Return whether the listener can be identified."""
    return bool(_id(raw.id) or _id(raw.account_id))


def profile(raw: raw_models.User) -> Profile:
    """Return the listener; the account's id stands in where the user's id is missing."""
    account = _id(raw.account_id)
    return Profile(
        id=_id(raw.id) or account or "",
        display_name=_name(raw.display_name),
        image=_picture(raw_models.elements(raw.images)),
        url=_page(raw),
        account_id=account,
    )


def artist(raw: raw_models.Artist, rank: int = 0) -> Artist | None:
    """Return the artist at this place of a ranked list, or None without a name."""
    name = _name(raw.name)
    if name is None:
        return None
    return Artist(
        name=name,
        id=_id(raw.id),
        uri=_uri(raw),
        url=_page(raw),
        image=_picture(raw_models.elements(raw.images)),
        genres=_genres(raw.genres),
        rank=rank,
    )


def is_episode(raw: raw_models.Track) -> bool:
    """Return whether this is a podcast's episode in the place of a track."""
    return raw.type == "episode"


def is_local_file(raw: raw_models.Track) -> bool:
    """Return whether this is a file of the listener's own, which has no id."""
    return (raw.uri or "").startswith("spotify:local:")


def track(raw: raw_models.Track, rank: int = 0) -> Track | None:
    """Return the track at this place of a ranked list, or None without a name and for an episode."""
    name = _name(raw.name)
    if name is None or is_episode(raw):
        return None
    album = raw.album or raw_models.Album()
    named = _credits(raw.artists)
    return Track(
        name=name,
        artists=tuple([credit for credit, _ in named]),
        artist_ids=tuple([id_ for _, id_ in named]),
        id=_id(raw.id),
        uri=_uri(raw),
        url=_page(raw),
        album=_name(album.name),
        image=_picture(raw_models.elements(album.images)),
        released=_year(album.release_date),
        duration_ms=natural(raw.duration_ms),
        explicit=raw.explicit,
        rank=rank,
    )


def playlist(raw: raw_models.Playlist) -> Playlist | None:
    """Return the playlist, or None without a name; the owner is not known here."""
    name = _name(raw.name)
    if name is None:
        return None
    return Playlist(
        name=name,
        id=_id(raw.id),
        uri=_uri(raw),
        url=_page(raw),
        image=_picture(raw_models.elements(raw.images)),
        description=plain(raw.description or "", NAME_CAP) or None,
        total=_total(raw),
        owner=_name(raw.owner.display_name) if raw.owner else None,
        collaborative=raw.collaborative,
    )


def moment(text: str | None) -> str | None:
    """Return the time as Spotify wrote it, if it is one in UTC."""
    return text if text and _MOMENT.fullmatch(text) else None


def _credits(raw: raw_models.Credits | None) -> list[tuple[str, str | None]]:
    """Return the names and ids of a track's artists."""
    room, kept = _CREDITS_CAP, []
    for one in raw_models.elements(raw):
        room -= len(one.name or "")
        if room >= 0 and (name := _name(one.name)):
            kept.append((name, _id(one.id)))
    return kept


def _name(text: str | None) -> str | None:
    return (clean(text, NAME_CAP) or None) if text else None


def _id(text: str | None) -> str | None:
    # Never cut: a part of an id would be somebody else's.
    whole = text is not None and len(text) <= _ID_CAP and text.isprintable() and " " not in text
    return text if text and whole else None


def _uri(raw: raw_models.Linked) -> str | None:
    return raw.uri if raw.uri and _URI.fullmatch(raw.uri) else None


def _page(raw: raw_models.Linked) -> str | None:
    url = raw.external_urls.spotify if raw.external_urls else None
    return url if url and _PAGE.fullmatch(url) else None


def _picture(images: Sequence[raw_models.Image]) -> str | None:
    """Return the smallest picture that is wide enough for a card, else the first."""
    best, least = None, inf
    for one in images:
        if one.url:
            width = _width(one.width)
            if best is None or _WIDE_ENOUGH <= width < least:
                best, least = one.url, width if width >= _WIDE_ENOUGH else inf
    if best is None or _PICTURE.fullmatch(best):
        return best
    # Rare: only now is it worth checking all of them.
    return _picture([one for one in images if _PICTURE.fullmatch(one.url or "")])


def _width(raw: raw_models.Some) -> float:
    try:
        written = b"" if raw is UNSET else bytes(raw)
        return float(written) if len(written) <= _DIGITS else 0.0
    except ValueError:
        return 0.0


def _genres(raw: raw_models.Genres | None) -> tuple[str, ...] | None:
    if raw is None:
        return None
    names = [clean(name, _GENRE_CAP) for name in raw_models.elements(raw)]
    return tuple([name for name in names if name and _is_genre(name)])


def _is_genre(name: str) -> bool:
    """Return whether this names a genre: it has a letter or digit, and is quickly compared.

    A sign that expands to many letters would slow the comparison of spellings.
    """
    if not any(map(str.isalnum, name)):
        return False
    return name.isascii() or len(normalize("NFKC", name)) <= 2 * _GENRE_CAP


def _year(date: str | None) -> int | None:
    """Return the year of a date of any precision; Spotify writes 0000 for unknown."""
    match = _YEAR.match(date or "")
    return int(match.group()) if match else None


def _total(raw: raw_models.Playlist) -> int | None:
    sizes = (raw.items, raw.tracks)
    totals = (natural(size.total) for size in sizes if isinstance(size, raw_models.Size))
    return next((total for total in totals if total is not None), None)


def natural(raw: raw_models.Some) -> int | None:
    """Return a whole number that JSON holds exactly; local files have objects in its place."""
    digits = b"" if raw is UNSET else bytes(raw)
    if len(digits) > _DIGITS or not digits.isdigit():
        return None
    number = int(digits)
    return number if number <= _LARGEST else None
