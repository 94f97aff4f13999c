"""What the listening data in a prompt say of a listener, in the responder's types.

The data are what `model_prompt` reads. Whatever is missing in them, or of another shape, is told
as not known: the model has nothing else to go by.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from lyra.responder.listener import (
    Artist,
    Credit,
    Genre,
    Listener,
    Play,
    Playlist,
    Section,
    Track,
)
from lyra.timezones import UTC_ZONE, Zone

Data = Mapping[str, Any]

_KEYS: Mapping[Section, tuple[str, tuple[str, ...]]] = {
    "artists": ("top artists", ("top_artists",)),
    "tracks": ("top tracks", ("top_tracks",)),
    "plays": ("last plays", ("recent_plays", "recently_played")),
    "playlists": ("playlists", ("playlists",)),
    "genres": ("genres", ("genres", "genre_analysis")),
}


def read_listener(data: Data, now: datetime | None = None) -> Listener:
    """Return the listener of a prompt; a section that the prompt does not hold is a gap.

    `now` is when the question was asked, by the listener's clock, if the prompt says so: without it
    "today" is no day, and hours are those of UTC.
    """
    tz = now.tzinfo if now and now.tzinfo else UTC
    tracks = tuple(_track(item, rank) for rank, item in _ranked(data, "tracks"))
    return Listener(
        artists=tuple(_artist(item, rank) for rank, item in _ranked(data, "artists")),
        tracks=tracks,
        plays=tuple(_play(item, tz) for item in _items(data, "plays")),
        episodes=_number(data.get("recent_episodes")) or 0,
        playlists=tuple(_playlist(item) for item in _items(data, "playlists")),
        playlists_total=_number(data.get("playlists_total")),
        genres=tuple(Genre(_name(item), _share(item)) for item in _items(data, "genres")),
        genres_known_for=_known_for(data),
        read_at=now,
        zone=UTC_ZONE if tz is UTC else Zone(str(tz), tz),
        gaps=dict(_gaps(data)),
    )


def _gaps(data: Data) -> Iterator[tuple[Section, str]]:
    missing = data.get("missing")
    reasons = missing if isinstance(missing, Mapping) else {}
    for section, (words, keys) in _KEYS.items():
        reason = next((str(reasons[key]) for key in keys if key in reasons), None)
        if reason is not None:
            yield section, f"I could not read your {words} from Spotify. {reason}".strip()
        elif not any(key in data for key in keys):
            yield section, f"I was not told your {words}."


def _items(data: Data, section: Section) -> list[Data]:
    """Return the named items of a section as mappings, those that are only a name too."""
    found = next((data[key] for key in _KEYS[section][1] if data.get(key)), None)
    if isinstance(found, Mapping):
        found = found.get("medium_term") or found.get("genres")
    if not isinstance(found, Sequence) or isinstance(found, str):
        return []
    items = [item if isinstance(item, Mapping) else {"name": item} for item in found]
    return [item for item in items if _name(item)]


def _ranked(data: Data, section: Section) -> Iterator[tuple[int, Data]]:
    return enumerate(_items(data, section), 1)


def _name(item: Data) -> str:
    name = item.get("name") or item.get("track") or item.get("title")
    if isinstance(name, Mapping):
        return _name(name)
    return name if isinstance(name, str) else ""


def names_of(found: object) -> list[str]:
    """Return the names in a list of texts or of things with names; none where it is something else."""
    if not isinstance(found, Sequence) or isinstance(found, str):
        return [found] if isinstance(found, str) and found else []
    named = [item if isinstance(item, Mapping) else {"name": item} for item in found]
    return [name for name in map(_name, named) if name]


def _number(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _text(found: object) -> str | None:
    return found if isinstance(found, str) and found else None


def _share(item: Data) -> float | None:
    share = item.get("share")
    return float(share) if isinstance(share, int | float) and not isinstance(share, bool) else None


def _artist(item: Data, place: int) -> Artist:
    name = _name(item)
    rank = _number(item.get("rank")) or place
    return Artist(name, name.casefold(), genres=tuple(names_of(item.get("genres"))), rank=rank)


def _track(item: Data, place: int | None = None) -> Track:
    name, artists = _name(item), names_of(item.get("artists") or item.get("artist"))
    return Track(
        name,
        f"{name}\n{artists[:1]}",
        credits=tuple(Credit(each, each.casefold()) for each in artists),
        album=_text(item.get("album")),
        year=_number(item.get("year")),
        rank=None if place is None else _number(item.get("rank")) or place,
    )


def _play(item: Data, tz: tzinfo) -> Play:
    inner = item.get("track")
    track = _track(inner if isinstance(inner, Mapping) else item)
    day_and_time = f"{item.get('day')}T{item.get('time')}"
    ended = _moment(item.get("played_at"), tz) or _moment(day_and_time, tz)
    return Play(track, ended.hour if ended else _number(item.get("hour_utc")), ended)


def _moment(found: object, tz: tzinfo) -> datetime | None:
    try:
        moment = datetime.fromisoformat(found if isinstance(found, str) else "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(tz)
    except (ValueError, OverflowError):
        return None


def _playlist(item: Data) -> Playlist:
    owned = item.get("owned")
    return Playlist(
        _name(item),
        tracks=_number(item.get("total")),
        owned=owned if isinstance(owned, bool) else None,
        description=_text(item.get("description")),
    )


def _known_for(data: Data) -> str:
    known = _text(data.get("genre_coverage"))
    return f"known for {known}" if known and _items(data, "genres") else ""
