"""A proposal and a saved playlist, as plain data for programs."""

from datetime import UTC, datetime
from typing import Any

from lyra.errors import RequestError
from lyra.listening.sanitize import clean
from lyra.playlists.proposal import (
    MAX_NAME,
    MAX_TRACKS,
    Progress,
    Proposal,
    ProposedTrack,
    is_track,
)
from lyra.playlists.proposals import Draft
from lyra.playlists.selection import whole_minutes

_TRACK_PREFIX = "spotify:track:"
_PLAYLIST_PREFIX = "spotify:playlist:"
_WEB = "https://open.spotify.com"


def proposal_view(proposal_id: str, proposal: Proposal) -> dict[str, Any]:
    """Return a proposal as its owner sees it, without what is not known."""
    progress = proposal.progress
    chosen = _chosen(proposal, progress)
    view: dict[str, Any] = {
        "id": proposal_id,
        "name": progress.name if progress else proposal.name,
        "description": proposal.description or None,
        "extends": {"uri": proposal.extends, "name": proposal.name} if proposal.extends else None,
        "count": len(chosen),
        "minutes": whole_minutes(chosen),
        "uris": [track.uri for track in chosen],
        "tracks": [_track_view(track) for track in chosen],
        "notes": [*proposal.notes] or None,
        "expires_at": _timestamp(proposal.until),
        "state": _state(progress),
    }
    if progress is not None and progress.saved:
        view["playlist"] = playlist_view(progress)
    return {name: value for name, value in view.items() if value is not None}


def read_name(name: str) -> str:
    """Return a playlist's name on one line, cut to 100 characters.

    Raises:
        RequestError: nothing of it can be seen.
    """
    if cleaned := clean(name, MAX_NAME):
        return cleaned
    raise RequestError("`name` is empty: a playlist needs one.")


def read_playlist(name: object, uris: object) -> Draft:
    """Return the playlist that a program wants saved: a name, and 1 to 100 tracks, each once.

    Raises:
        RequestError: it is something else; says what and where.
    """
    if not isinstance(name, str):
        raise RequestError("`name` is a text.")
    cleaned = read_name(name)
    listed = [*uris] if isinstance(uris, (list, tuple)) else []
    if not 0 < len(listed) <= MAX_TRACKS:
        raise RequestError(f"`uris` is a list of 1 to {MAX_TRACKS} addresses of tracks.")
    for place, uri in enumerate(listed):
        if not is_track(uri):
            raise RequestError(f"`uris[{place}]` is not the address of a track, spotify:track:...")
        if uri in listed[:place]:
            raise RequestError(f"`uris[{place}]` stands in the list twice.")
    return Draft(cleaned, tuple([ProposedTrack(uri, "") for uri in listed]))


def playlist_view(progress: Progress) -> dict[str, Any]:
    """Return the playlist at Spotify; `count` is how many tracks were saved to it."""
    return {
        "uri": f"{_PLAYLIST_PREFIX}{progress.playlist_id}",
        "url": f"{_WEB}/playlist/{progress.playlist_id}",
        "name": progress.name,
        "count": len(progress.uris),
    }


def _chosen(proposal: Proposal, progress: Progress | None) -> list[ProposedTrack]:
    """Return the tracks in the order that was confirmed, or is proposed."""
    if progress is None:
        return [*proposal.tracks]
    by_uri = {track.uri: track for track in proposal.tracks}
    return [by_uri[uri] for uri in progress.uris if uri in by_uri]


def _track_view(track: ProposedTrack) -> dict[str, Any]:
    view: dict[str, Any] = {
        "uri": track.uri,
        "url": f"{_WEB}/track/{track.uri.removeprefix(_TRACK_PREFIX)}",
        "name": track.name,
        "artists": [*track.artists],
        "album": track.album,
        "year": track.year,
        "image": track.image,
        "duration_ms": track.duration_ms,
        "new": track.new or None,
    }
    return {name: value for name, value in view.items() if value is not None}


def _state(progress: Progress | None) -> str:
    if progress is None:
        return "open"
    return "saved" if progress.saved else "begun"


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")
