"""The genre shares of a listener, counted anew from the raw rows."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

from tests.support.statements.raw import Item, RawListener

FEW, LITTLE = 5, 1 / 3


def fold(genre: str) -> str:
    """One text for a genre's spellings."""
    return "".join(c for c in genre.casefold().replace("&", "n") if c.isalnum())


class GenreCount:
    """Rank to the power of -1/2 in each of three lists, which count 3 : 2 : 1."""

    def __init__(self, raw: RawListener) -> None:
        self._raw = raw

    @cached_property
    def genres_of(self) -> dict[str, set[str]]:
        """The genres of each artist of whom any is known."""
        found = {}
        for artist in self._raw.top_artists:
            forms = {fold(genre) for genre in artist.genres} - {""}
            if forms:
                found[self._raw.whose(artist.id, artist.name)] = forms
        return found

    @cached_property
    def considered(self) -> int:
        """How many top artists there are."""
        return len({self._raw.whose(each.id, each.name) for each in self._raw.top_artists})

    @cached_property
    def weights(self) -> Counter[str]:
        """The weight of each artist."""
        raw = self._raw
        artists = [(each.place, [(each.id, each.name)]) for each in raw.top_artists]
        tracks = [(each.place, each.artists) for each in raw.top_tracks]
        plays = [(at, each.artists) for at, each in enumerate(raw.plays, 1)]
        weights: Counter[str] = Counter()
        for part, rows in ((3, artists), (2, tracks), (1, plays)):
            one = self._weigh(rows)
            total = sum(one.values())
            for artist, weight in one.items():
                weights[artist] += part * weight / total  # type: ignore[assignment]
        return weights

    def _weigh(
        self, rows: Iterable[tuple[int, Sequence[tuple[str | None, str]]]]
    ) -> dict[str, float]:
        weights: dict[str, float] = {}
        for place, credited in rows:
            for credit in credited:
                artist = self._raw.whose(*credit)
                weights[artist] = weights.get(artist, 0) + place**-0.5 / len(credited)
        return weights

    @cached_property
    def shares(self) -> dict[str, float]:
        """The share of each genre in what is known, by folded name."""
        parts: dict[str, float] = {}
        for artist, genres in self.genres_of.items():
            for genre in genres:
                parts[genre] = parts.get(genre, 0) + self.weights[artist] / len(genres)
        total = sum(parts.values())
        return {genre: part / total for genre, part in parts.items()}

    @cached_property
    def coverage(self) -> float:
        """The part of all weight whose genre is known."""
        known = sum(self.weights[artist] for artist in self.genres_of)
        return known / sum(self.weights.values()) if known else 0.0

    @property
    def thin(self) -> bool:
        """Whether too little is known to tell shares."""
        return len(self.genres_of) < FEW or self.coverage < LITTLE

    def under(self, genre: str) -> list[Item]:
        """The top artists that Spotify files under this genre."""
        return [each for each in self._raw.top_artists if fold(genre) in map(fold, each.genres)]
