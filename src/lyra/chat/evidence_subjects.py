"""What facts are told about: one listener's items, counted by id and named so that each is one."""

from lyra.listening.identity import ArtistKeys, track_key
from lyra.listening.models import Artist, Listening, Track
from lyra.listening.sanitize import shorten


class Subjects:
    """Ranks and plays of one listener's items, and a name for each that is no other's."""

    MAX_NAME = 80

    def __init__(self, listening: Listening) -> None:
        self.listening = listening
        self._played = [play.track for play in listening.recently_played]
        self._tracks = [*listening.top_tracks, *self._played]
        self._keys = ArtistKeys(listening.top_artists, self._tracks)

    def rank_of_artist(self, artist: Artist) -> int:
        """Return the place in Spotify's list of top artists, 0 for none."""
        key = self._keys.of_artist(artist)
        for place, each in enumerate(self.listening.top_artists, 1):
            if self._keys.of_artist(each) == key:
                return each.rank or place
        return 0

    def rank_of_track(self, track: Track) -> int:
        """Return the place in Spotify's list of top tracks, 0 for none."""
        for place, each in enumerate(self.listening.top_tracks, 1):
            if track_key(each) == track_key(track):
                return each.rank or place
        return 0

    def plays_of_artist(self, artist: Artist) -> int:
        """Return how many of the last plays credit this artist."""
        key = self._keys.of_artist(artist)
        return sum(key in self._keys.of_track(track) for track in self._played)

    def plays_of_track(self, track: Track) -> int:
        """Return how many of the last plays are of this track."""
        return sum(track_key(each) == track_key(track) for each in self._played)

    def name_artist(self, artist: Artist) -> str:
        """Return the artist's name, with the rank where another one is called the same."""
        name = shorten(artist.name, self.MAX_NAME)
        credited = {
            self._keys.of_artist(each)
            for each in self.listening.top_artists
            if each.name == artist.name
        }
        for track in self._tracks:
            pairs = zip(self._keys.of_track(track), track.artists, strict=False)
            credited |= {key for key, each in pairs if each == artist.name}
        rank = self.rank_of_artist(artist)
        others = credited - {self._keys.of_artist(artist)}
        return f"{name} (number {rank} of your top artists)" if others and rank else name

    def name_track(self, track: Track) -> str:
        """Return the track's title, with its artist, if it has one, where another is called the same."""
        name = self.quote(track.name)
        namesakes = {track_key(each): each for each in self._tracks if each.name == track.name}
        if len(namesakes) <= 1:
            return name
        if not track.artists:
            return f"{name} (one of {len(namesakes)} of this title)"
        by = f"{name} by {shorten(track.artists[0], self.MAX_NAME)}"
        same = sum(each.artists[:1] == track.artists[:1] for each in namesakes.values())
        return f"{by} (one of {same} of this title)" if same > 1 else by

    def quote(self, name: str) -> str:
        """Return a title in quotation marks."""
        return f"\u201c{shorten(name, self.MAX_NAME)}\u201d"
