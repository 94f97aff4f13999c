"""The views of a listener in the API's responses: plain values, ready for orjson."""

from typing import Any

import msgspec

from lyra.listening.context import Level
from lyra.listening.insights import busiest_span, decades, plays_by_hour
from lyra.listening.models import GenreAnalysis, Listening, Profile, Section, is_thin
from lyra.listening.sanitize import shorten
from lyra.listening.summary import summarise
from lyra.timezones import UTC_ZONE, Zone

_LOADED = "User data loaded and cached successfully"
_ENOUGH = 4
_PROFILE = {"id": "", "display_name": None, "image": None}
_NO_GENRES = {"coverage": 0.0, "source": "none", "artists_known": 0, "artists_considered": 0}
_RECOMMEND = "Recommend some music I do not know yet"
_FALLBACK = (
    "What can you tell about my taste?",
    "Which parts of my listening can you see?",
    "What should I listen to next?",
)


def init_view(listening: Listening, zone: Zone = UTC_ZONE) -> dict[str, Any]:
    """Return the answer of POST /lyra/init, without `success` and `cache`."""
    return {
        "message": _LOADED,
        "summary": summary_in(listening, zone),
        "profile": _profile(listening.profile),
        "genre_analysis": _genres(listening.genre_analysis),
        "sections": _sections(listening),
    }


def summary_in(listening: Listening, zone: Zone) -> str:
    """Return the summary in the hours of this zone; that of UTC is there already."""
    return listening.summary if zone is UTC_ZONE else summarise(listening, zone)


def profile_view(
    listening: Listening,
    level: Level = "full",
    *,
    finds_music: bool = False,
    zone: Zone = UTC_ZONE,
) -> dict[str, Any]:
    """Return the answer of GET /lyra/profile; hours are the zone's, `fetched_at` since the epoch.

    Everything is the listener's own except the suggestions, which go to the model: they hold no
    more than `level` allows it. With `finds_music` it can recommend what the data do not hold.
    """
    return {
        "profile": _profile(listening.profile),
        "top_artists": msgspec.to_builtins(listening.top_artists),
        "top_tracks": msgspec.to_builtins(listening.top_tracks),
        "recently_played": msgspec.to_builtins(listening.recently_played),
        "plays_by_hour": list(plays_by_hour(listening.recently_played, zone)),
        "playlists": msgspec.to_builtins(listening.playlists),
        "genre_analysis": _genres(listening.genre_analysis),
        "suggestions": suggestions(listening, level, finds_music=finds_music, zone=zone),
        "sections": _sections(listening),
        "summary": summary_in(listening, zone),
        "fetched_at": listening.fetched_at,
    }


def data_view(plain: dict[str, Any]) -> dict[str, Any]:
    """Return what the Python functions do, of a listening as dicts and lists.

    These become part of the result. Fields with their default are missing in them and filled in.
    """
    profile, genres = plain["profile"], plain.get("genre_analysis", {})
    return {
        "profile": {name: profile.get(name, none) for name, none in _PROFILE.items()},
        "top_artists": {"medium_term": plain.get("top_artists", [])},
        "top_tracks": {"medium_term": plain.get("top_tracks", [])},
        "recently_played": plain.get("recently_played", []),
        "playlists": plain.get("playlists", []),
        "genre_analysis": _with_thin({"genres": [], **_NO_GENRES, **genres}),
        "summary": plain.get("summary", ""),
    }


def suggestions(
    listening: Listening,
    level: Level = "full",
    *,
    finds_music: bool = False,
    zone: Zone = UTC_ZONE,
) -> list[str]:
    """Return three or four questions that can be answered to this listener.

    The first one asks for new music, where an answer can look it up (`finds_music`); the others are
    about the data. A click on one sends it to the model, so `minimal` allows a genre and no more,
    and `none` only questions that fit any listener.
    """
    choose = {"full": _questions, "minimal": _genre_questions, "none": _no_questions}[level]
    first = _RECOMMEND if finds_music else None
    questions = [question for question in (first, *choose(listening, zone)) if question]
    return [*questions, *_FALLBACK][: max(len(_FALLBACK), min(len(questions), _ENOUGH))]


def _questions(listening: Listening, zone: Zone) -> list[str | None]:
    # Each name once: two artists may share one.
    artists = list(dict.fromkeys(shorten(each.name, 60) for each in listening.top_artists))
    decade = next(iter(decades(listening.top_tracks)), None)
    span = busiest_span(listening.recently_played, zone)
    return [
        f"What do {artists[0]} and {artists[1]} have in common?" if len(artists) > 1 else None,
        *_genre_questions(listening, zone),
        f"Which of my top tracks are on editions from the {decade[0]}s?" if decade else None,
        f"What did I play {span}?" if span else None,
        "Which of my playlists fits a quiet evening?" if listening.playlists else None,
    ]


def _genre_questions(listening: Listening, _: Zone) -> list[str | None]:
    genre = next(iter(listening.genre_analysis.genres), None)
    return [f"Where in my listening does {genre.name} show?" if genre else None]


def _no_questions(_: Listening, __: Zone) -> list[str | None]:
    return []


def _profile(profile: Profile) -> dict[str, Any]:
    # Every field, unlike to_builtins, which leaves out what has its default.
    return {"id": profile.id, "display_name": profile.display_name, "image": profile.image}


def _genres(analysis: GenreAnalysis) -> dict[str, Any]:
    return _with_thin(
        {
            "genres": [{"name": genre.name, "share": genre.share} for genre in analysis.genres],
            "coverage": analysis.coverage,
            "source": analysis.source,
            "artists_known": analysis.artists_known,
            "artists_considered": analysis.artists_considered,
        }
    )


def _with_thin(genres: dict[str, Any]) -> dict[str, Any]:
    """Return the analysis with a member that says whether its shares are better not shown."""
    return {**genres, "thin": is_thin(genres["artists_known"], genres["coverage"])}


def _sections(listening: Listening) -> dict[str, dict[str, Any]]:
    return {section.name: _section(section) for section in listening.sections}


def _section(section: Section) -> dict[str, Any]:
    fields = {
        "status": section.status,
        "count": section.count,
        "skipped": section.skipped or None,
        "episodes": section.episodes or None,
        "total": section.total,
        "code": section.code,
        "message": section.message,
    }
    return {name: value for name, value in fields.items() if value is not None}
