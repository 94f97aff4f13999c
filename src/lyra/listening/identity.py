"""Who and what is the same: by Spotify's id, and where there is none, by name.

Two artists of one name are two, and so are two songs of one title. Local files have no ids.
"""

from collections.abc import Hashable, Sequence
from typing import cast

from lyra.listening.models import Artist, Track


class ArtistKeys:
    """Keys of one listener's artists; one that is credited without an id is known by name.

    A name that two artists have says nothing: then the one without an id is a third.
    """

    def __init__(self, artists: Sequence[Artist], tracks: Sequence[Track]) -> None:
        self._ids: dict[str, str | None] = {}
        self._by_names = any(None in track.artist_ids for track in tracks) or not all(
            one.id for one in artists
        )
        if self._by_names:
            for one in artists:
                self._learn(one.id, one.name)
            for track in tracks:
                for id_, name in zip(track.artist_ids, track.artists, strict=False):
                    self._learn(id_, name)

    def _learn(self, id_: str | None, name: str) -> None:
        folded = name.casefold()
        if id_ and self._ids.setdefault(folded, id_) != id_:
            self._ids[folded] = None

    def of_artist(self, artist: Artist) -> str:
        """Return the key of an artist."""
        return artist.id or self._by_name(artist.name)

    def of_track(self, track: Track) -> Sequence[str]:
        """Return the keys of a track's artists."""
        if not self._by_names:
            return cast(tuple[str, ...], track.artist_ids)  # without a gap
        pairs = zip(track.artist_ids, track.artists, strict=False)
        return [id_ or self._by_name(name) for id_, name in pairs]

    def _by_name(self, name: str) -> str:
        folded = name.casefold()
        return self._ids.get(folded) or f"name:{folded}"


def track_key(track: Track) -> Hashable:
    """Return what is equal for the same track alone."""
    return track.id or (track.name, track.artists)


def tell_apart(names: Sequence[str]) -> list[str]:
    """Return the names of several things; one that is another's name says so."""
    met: set[str] = set()
    told = []
    for name in names:
        told.append(f"{name} (another of this name)" if name in met else name)
        met.add(name)
    return told
