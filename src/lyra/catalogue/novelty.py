"""Why an item is new to a listener: one sentence that holds by the data. Pure."""

from collections.abc import Sequence

from lyra.catalogue.items import Item
from lyra.catalogue.known import KnownMusic, Place


def why_new(item: Item, known: KnownMusic) -> str | None:
    """Return the sentence, or None if the item is known or none of the lists could be read.

    It names only lists that were read: of a list that is missing nothing is said.
    """
    if known.find(item) is not None or not known.lists:
        return None
    artist = None if item.kind == "artist" else known.find_artist(item)
    if artist is None:
        return f"Not in your {_join(known.lists)}."
    name, place = artist
    tracks = [words for words in known.lists if words != "top artists"]
    by = f"By {name}, {_say_where(place)}"
    return f"{by}; not in your {_join(tracks)}." if tracks else f"{by}."


def _say_where(place: Place) -> str:
    """Return how the listener's data hold an artist. Who is on a playlist need not be played."""
    if place.section == "top_artists":
        return f"number {place.rank} of your top artists"
    return "who is in another list of yours" if place.section == "elsewhere" else "whom you play"


def _join(words: Sequence[str]) -> str:
    """Return "a, b or c"."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
