"""The model's context of a listener: data in a fence that no name can close."""

from typing import Any, Literal

import orjson

from lyra.listening.insights import hour, plays_by_hour
from lyra.listening.models import Listening, Play, Playlist, Track
from lyra.listening.sanitize import shorten
from lyra.listening.summary import summarise_without_names

Level = Literal["full", "minimal", "none"]
_CREDITS = 4
_SUMMARY_CAP = 2000
# Harmless in JSON, and none of the text can end the tag that it stands in.
_ESCAPES = ((b"<", rb"\u003c"), (b">", rb"\u003e"), (b"&", rb"\u0026"))
_WITHHELD = "The operator of this service keeps Spotify data from the language model."


def listening_context(listening: Listening, level: Level) -> str:
    """Return JSON for the prompt, the same bytes for the same listening.

    `full` names artists, tracks and playlists, `minimal` holds the summary and genres without any
    such name, `none` only says that the data is withheld. Times are UTC.
    """
    data: dict[str, Any]
    match level:
        case "full":
            data = _overview(listening, listening.summary) | _lists(listening)
        case "minimal":
            data = _overview(listening, summarise_without_names(listening))
        case "none":
            data = {"withheld": _WITHHELD}
    context = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    for sign, escape in _ESCAPES:
        context = context.replace(sign, escape)
    return context.decode()


def _overview(listening: Listening, summary: str) -> dict[str, Any]:
    analysis = listening.genre_analysis
    return {
        "summary": shorten(summary, _SUMMARY_CAP),
        "genres": [{"name": shorten(one.name), "share": one.share} for one in analysis.genres],
        "genre_source": analysis.source,
        "genre_coverage": f"{analysis.artists_known} of {analysis.artists_considered} artists",
        "missing": {
            section.name: shorten(section.message or section.status, _SUMMARY_CAP)
            for section in listening.sections
            if section.status != "ok"
        },
    }


def _lists(listening: Listening) -> dict[str, Any]:
    return {
        "top_artists": [shorten(artist.name) for artist in listening.top_artists],
        "top_tracks": [_track(track) for track in listening.top_tracks],
        "playlists": [_playlist(playlist) for playlist in listening.playlists],
        "recent_plays": [_play(play) for play in listening.recently_played],
        "plays_by_hour_utc": plays_by_hour(listening.recently_played),
    }


def _credits(track: Track) -> list[str]:
    return [shorten(name) for name in track.artists[:_CREDITS]]


def _track(track: Track) -> dict[str, Any]:
    return _drop_none(name=shorten(track.name), artists=_credits(track), year=track.released)


def _playlist(playlist: Playlist) -> dict[str, Any]:
    return _drop_none(name=shorten(playlist.name), total=playlist.total, owned=playlist.owned)


def _play(play: Play) -> dict[str, Any]:
    return _drop_none(
        track=shorten(play.track.name), artists=_credits(play.track), hour_utc=hour(play)
    )


def _drop_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
