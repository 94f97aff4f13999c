"""Words for counts, names, lists and moments: true and grammatical for one, for many, for none."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from lyra.responder.listener import Genre, Listener, Section, Track

LISTED = 5
MOST = 50
RANKING = "Spotify's ranking of about six months"
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December")  # fmt: skip


def count(number: int, noun: str, plural: str = "") -> str:
    """Return the number with the noun: "1 play", "2 plays"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def is_are(number: int) -> str:
    """Return the verb for so many."""
    return "is" if number == 1 else "are"


def share(genre: Genre) -> str:
    """Return a genre with its share, if that is known."""
    return genre.name if genre.share is None else f"{genre.name} ({genre.share:.0%})"


def times(number: int) -> str:
    """Return how often something is."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def some_of(number: int, whole: int, noun: str, plural: str = "") -> str:
    """Return a part of a whole as the subject of a sentence, with its verb."""
    nouns = plural or f"{noun}s"
    if whole == 1:
        return f"the only {noun} {'is' if number else 'is not'}"
    if number == 0:
        return f"none of the {whole} {nouns} is"
    if number == whole:
        return f"all {whole} {nouns} are"
    return f"{number} of the {whole} {nouns} {is_are(number)}"


def enumerate_(parts: Sequence[str], word: str = "and") -> str:
    """Return the parts in one line: "a, b and c"."""
    if len(parts) < 2:  # noqa: PLR2004 - nothing to join
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def bullets(lines: Iterable[str]) -> str:
    """Return the lines as a list."""
    return "\n".join(f"- {line}" for line in lines)


def begin(sentence: str) -> str:
    """Return the sentence with a capital letter."""
    return sentence[:1].upper() + sentence[1:]


def quote(name: str) -> str:
    """Return a title in quotation marks."""
    return f"\u201c{name}\u201d"


def title(track: Track) -> str:
    """Return a track with its artists."""
    by = enumerate_([credit.name for credit in track.credits])
    return f"{quote(track.name)} by {by}" if by else quote(track.name)


def tell_apart(names: Sequence[str]) -> list[str]:
    """Return the names of several things; one that is another's name says so."""
    met: set[str] = set()
    told = []
    for name in names:
        told.append(f"{name} (another of this name)" if name in met else name)
        met.add(name)
    return told


def cell(text: str) -> str:
    """Return a text for the cell of a table."""
    return text.replace("|", "\\|")


def day(moment: datetime) -> str:
    """Return the day of a moment."""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def minute(moment: datetime) -> str:
    """Return day and time of a moment, by its own clock; only UTC is named."""
    utc = " UTC" if moment.tzinfo is UTC else ""
    return f"{day(moment)}, {moment:%H:%M}{utc}"


def minutes(duration_s: int) -> str:
    """Return a length in minutes and seconds: "3:05"."""
    return f"{duration_s // 60}:{duration_s % 60:02}"


def last_plays(listener: Listener) -> str:
    """Return what the play history is, as the whole of a count: "the last 50 plays"."""
    number = len(listener.plays)
    others = listener.episodes + listener.unreadable_plays
    if not others:
        return "the last play" if number == 1 else f"the last {number} plays"
    parts = [
        count(listener.episodes, "podcast episode") if listener.episodes else "",
        f"{listener.unreadable_plays} unreadable" if listener.unreadable_plays else "",
    ]
    why = " and ".join(filter(None, parts))
    return (
        f"the {count(number, 'music play')} among the last {number + others} plays ({why} beside)"
    )


def of_last_plays(number: int, listener: Listener) -> str:
    """Return a part of the play history as the subject of a sentence, with its verb."""
    if len(listener.plays) == 1:
        return f"{last_plays(listener)} {'is' if number else 'is not'}"
    if number == len(listener.plays):
        return f"all of {last_plays(listener)} are"
    return f"{number or 'none'} of {last_plays(listener)} {is_are(number or 1)}"


_NOTHING: dict[Section, str] = {
    "artists": "Spotify lists no top artists for you yet.",
    "tracks": "Spotify lists no top tracks for you yet.",
    "plays": "Spotify lists no recent plays for you.",
    "playlists": "Spotify lists no playlists for you.",
    "genres": "Spotify names no genre for any of your artists.",
}


def missing(listener: Listener, *sections: Section) -> str:
    """Return why these sections have nothing to answer with; empty if each has something."""
    sentences = [listener.gaps[each] for each in sections if each in listener.gaps]
    if not sentences:
        sentences = [_nothing(listener, each) for each in sections if not getattr(listener, each)]
    return " ".join(dict.fromkeys(sentences))


def _nothing(listener: Listener, section: Section) -> str:
    if section == "plays" and listener.episodes + listener.unreadable_plays:
        return f"There is no music in what Spotify lists of you: {last_plays(listener)}."
    if section == "genres" and not listener.artists:
        return missing(listener, "artists")
    return _NOTHING[section]
