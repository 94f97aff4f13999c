"""The scope that each section needs, and what to say when it is missing."""

from collections.abc import Mapping
from types import MappingProxyType

from lyra.listening.models import SectionName
from lyra.spotify.failures import SpotifyFailure

SCOPES: Mapping[SectionName, str] = MappingProxyType(
    {
        "profile": "user-read-private",
        "top_artists": "user-top-read",
        "top_tracks": "user-top-read",
        "recently_played": "user-read-recently-played",
        "playlists": "playlist-read-private",
    }
)


def advice(name: SectionName, failure: SpotifyFailure) -> str:
    """Return a sentence that says what happened to this section and what to do."""
    if failure.code == "missing_scope":
        return f"The token lacks the scope {SCOPES[name]}. Log in again and grant it."
    if failure.code == "token_rejected":
        return "Spotify refused the token for this part alone. Try again in a moment."
    return str(failure)
