"""Answers from the ranked lists: artists, tracks, albums, genres, years of release."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from lyra.responder.answers.choice import artists_of_genre, matching
from lyra.responder.answers.items import describe_items
from lyra.responder.intents import Intent
from lyra.responder.listener import Artist, Genre, Listener, Section, Track, Voice
from lyra.responder.vocabulary import Concept
from lyra.responder.wording import (
    LISTED,
    MOST,
    RANKING,
    begin,
    bullets,
    count,
    enumerate_,
    is_are,
    minutes,
    missing,
    quote,
    share,
    some_of,
    tell_apart,
    title,
)

Ranked = TypeVar("Ranked")
_BY_RELEASE = "Whom you played in which year Spotify does not tell. By year of release: "
_YEARS = "The years are those of the editions, so a new edition of an old song counts as new."


def list_artists(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the top artists."""
    names = tell_apart([artist.name for artist in listener.artists])
    return _ranking(listener, intent, "artists", names)


def list_tracks(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the top tracks."""
    return _ranking(listener, intent, "tracks", [title(track) for track in listener.tracks])


def _ranking(listener: Listener, intent: Intent, section: Section, names: list[str]) -> str:
    if gap := missing(listener, section):
        return gap
    noun = section.removesuffix("s")
    if Concept.HOW_MANY in intent.concepts:
        return (
            f"Spotify ranks {count(len(names), 'top ' + noun)} for you, over about six months. "
            f"How many {section} you have played in all it does not tell."
        )
    if intent.rank:
        return _one_of(names, intent.rank, f"{section} in {RANKING}")
    if len(names) == 1:
        return f"Your only top {noun} in {RANKING} is {names[0]}."
    if Concept.LEAST in intent.concepts:
        least = bullets(names[-(intent.count or 1) :])
        return f"{begin(RANKING)} of your {len(names)} top {section} ends with:\n{least}"
    shown = _take(names, intent.count)
    heading = f"Your top {section} in {RANKING}, highest first"
    notes = _fewer(intent.count, len(names), section) + _counts(intent)
    return f"{heading}:\n{bullets(shown)}{notes}"


def _counts(intent: Intent) -> str:
    asked = intent.concepts & {Concept.MOST_PLAYED, Concept.HOW_OFTEN}
    return "\n\nHow often you played them, Spotify does not tell." if asked else ""


def _one_of(names: Sequence[str], rank: int, whole: str) -> str:
    if not 1 <= rank <= len(names):
        return f"There is no number {rank}: I have {len(names)} {whole}."
    return f"Number {rank} of your {len(names)} top {whole} is {names[rank - 1]}."


def _take(items: Sequence[Ranked], wanted: int | None) -> Sequence[Ranked]:
    return items[: min(wanted or LISTED, MOST)]


def _fewer(wanted: int | None, there: int, noun: str) -> str:
    return f"\n\nThese are all {there} {noun} that I have." if wanted and wanted > there else ""


def list_albums(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the albums of which the most top tracks are."""
    if gap := missing(listener, "tracks"):
        return gap
    albums = Counter(
        (track.album, _first_artist(track)) for track in listener.tracks if track.album
    )
    if not albums:
        return "I know the albums of none of your top tracks."
    lines = [
        f"{quote(album or '')}{f' by {artist}' if artist else ''}: {count(number, 'top track')}"
        for (album, artist), number in albums.most_common()
    ]
    if intent.rank:
        return _one_of(lines, intent.rank, "albums by number of top tracks")
    heading = "Spotify ranks no albums. Those with the most of your top tracks"
    return f"{heading}, of {len(albums)}:\n{bullets(_take(lines, intent.count))}"


def _first_artist(track: Track) -> str:
    return track.credits[0].name if track.credits else ""


def list_artists_by_tracks(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the artists with the most top tracks."""
    if gap := missing(listener, "tracks"):
        return gap
    credits_ = [credit for track in listener.tracks for credit in dict.fromkeys(track.credits)]
    names = {credit.key: credit.name for credit in reversed(credits_)}
    counts = Counter(credit.key for credit in credits_)
    lines = [f"{names[key]}: {number}" for key, number in counts.most_common()]
    if not lines:
        return "Your top tracks name no artists."
    whole = f"your {count(len(listener.tracks), 'top track')}"
    return f"The artists of {whole}, by how many are theirs:\n{bullets(_take(lines, intent.count))}"


def list_genres(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the genres by share."""
    if gap := missing(listener, "genres"):
        return gap
    lines = [share(genre) for genre in listener.genres]
    known = f" ({listener.genres_known_for})" if listener.genres_known_for else ""
    if Concept.HOW_MANY in intent.concepts:
        return f"I have {count(len(lines), 'genre')} of yours{known}: {enumerate_(lines)}."
    if intent.rank:
        return _one_of(lines, intent.rank, "genres by share of your listening")
    if Concept.LEAST in intent.concepts:
        return f"The smallest of your {count(len(lines), 'genre')} that I have is {lines[-1]}."
    shown = _take(lines, intent.count)
    what = "share of the listening that has a genre" if _has_shares(listener) else "weight"
    return f"Your genres, by {what}{known}:\n{bullets(shown)}"


def _has_shares(listener: Listener) -> bool:
    return any(genre.share is not None for genre in listener.genres)


def list_artist_genres(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the top artists with the genres that Spotify files them under."""
    if gap := missing(listener, "artists"):
        return gap
    lines = [f"{one.name}: {', '.join(one.genres)}" for one in listener.artists if one.genres]
    if not lines:
        return missing(listener, "genres") or "I know the genres of none of your artists."
    part = some_of(len(lines), len(listener.artists), "top artist")
    shown = bullets(_take(lines, intent.count))
    return f"{begin(part)} filed under genres by Spotify. The highest in its ranking:\n{shown}"


def list_chosen(listener: Listener, intent: Intent, voice: Voice) -> str:
    """List the top tracks, or the top artists, of the artist, album or genre that is named."""
    if intent.names[1:]:
        return describe_items(listener, intent, voice)  # of each, since "or" and "and" may be meant
    if Concept.TRACK not in intent.concepts:
        return _artists_of(listener, intent)
    if gap := missing(listener, "tracks"):
        return gap
    found = [title(track) for track in matching(listener, listener.tracks, intent)]
    part = some_of(len(found), len(listener.tracks), "top track")
    by_artist = all(isinstance(item, Artist) for named in intent.names for item in named.items)
    return _chosen(part, found, intent, "by" if by_artist else "of")


def _artists_of(listener: Listener, intent: Intent) -> str:
    if gap := missing(listener, "artists"):
        return gap
    genres = [item for named in intent.names for item in named.items if isinstance(item, Genre)]
    keys = {artist.key for genre in genres for artist in artists_of_genre(listener, genre)}
    found = [artist.name for artist in listener.artists if artist.key in keys]
    part = some_of(len(found), len(listener.artists), "top artist")
    return _chosen(part, found, intent, "filed under")


def _chosen(part: str, found: Sequence[str], intent: Intent, how: str) -> str:
    names = enumerate_([named.words for named in intent.names])
    heading = f"{begin(part)} {how} {names}"
    if not found:
        return f"{heading}."
    shown = bullets(_take(found, intent.count))
    return f"{heading}, highest first:\n{shown}{_more(len(found), intent)}"


def list_extremes(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the longest or the shortest top tracks."""
    longest = Concept.LONGEST in intent.concepts

    def measure(track: Track) -> int | None:
        return track.duration_s

    def tell(track: Track) -> str:
        return f"{title(track)} ({minutes(track.duration_s or 0)})"

    heading = f"The {'longest' if longest else 'shortest'} of your top tracks:"
    return _extremes(listener, intent, measure, tell, heading=heading, high=longest)


def _extremes(
    listener: Listener,
    intent: Intent,
    measure: Callable[[Track], int | None],
    tell: Callable[[Track], str],
    *,
    heading: str,
    high: bool,
) -> str:
    if gap := missing(listener, "tracks"):
        return gap
    known = [(value, track) for track in matching(listener, listener.tracks, intent)
             if (value := measure(track)) is not None]  # fmt: skip
    if not known:
        return "That is not known of any of your top tracks."
    ordered = sorted(known, key=lambda each: -each[0] if high else each[0])
    return f"{heading}\n{bullets(tell(track) for _, track in _take(ordered, intent.count))}"


def list_explicit(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the top tracks that Spotify marks as explicit."""
    if gap := missing(listener, "tracks"):
        return gap
    known = [track for track in listener.tracks if track.explicit is not None]
    marked = [title(track) for track in known if track.explicit]
    if not known:
        return "I do not know which of your top tracks are marked as explicit."
    part = begin(some_of(len(marked), len(known), "top track"))
    if not marked:
        return f"{part} marked as explicit."
    return f"{part} marked as explicit:\n{bullets(_take(marked, intent.count))}" + _more(
        len(marked), intent
    )


def _more(number: int, intent: Intent) -> str:
    shown = min(intent.count or LISTED, MOST)
    return f"\n\nand {number - shown} more." if number > shown else ""


def list_years(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the top tracks of some years, the oldest or newest, or the decades."""
    if gap := missing(listener, "tracks"):
        return gap
    for concept, heading in ((Concept.OLDEST, "oldest"), (Concept.NEWEST, "newest")):
        if concept in intent.concepts and intent.years is None:
            return _extremes(
                listener,
                intent,
                lambda track: track.year,
                _with_year,
                heading=f"Your {heading} top tracks by year of release:",
                high=concept is Concept.NEWEST,
            ) + f"\n\n{_YEARS}"  # fmt: skip
    dated = [track for track in matching(listener, listener.tracks, intent) if track.year]
    if not dated:
        return "I know the year of release of none of these top tracks."
    if intent.years is None:
        return f"{_decades(dated)} {_YEARS}"
    of_artists = Concept.ARTIST in intent.concepts and Concept.TRACK not in intent.concepts
    return (_BY_RELEASE if of_artists else "") + _of_years(dated, intent)


def _of_years(dated: Sequence[Track], intent: Intent) -> str:
    years = intent.years
    assert years is not None  # noqa: S101 - the caller has looked
    found = [track for track in dated if years.first <= (track.year or 0) <= years.last]
    whose = f" of {enumerate_([named.words for named in intent.names])}" if intent.names else ""
    kind = f"{whose} whose year I know"
    part = some_of(len(found), len(dated), f"top track{kind}", f"top tracks{kind}")
    if not found:
        return f"{begin(part)} {years.words}. {_decades(dated)} {_YEARS}"
    lines = bullets(_with_year(track) for track in _take(found, intent.count))
    return f"{begin(part)} {years.words}:\n{lines}{_more(len(found), intent)}\n\n{_YEARS}"


def _decades(dated: Sequence[Track]) -> str:
    counts = Counter((track.year or 0) // 10 * 10 for track in dated)
    parts = [
        f"{number} {is_are(number)} from the {first}s" for first, number in sorted(counts.items())
    ]
    return f"Of the {count(len(dated), 'top track')} whose year I know, {enumerate_(parts)}."


def _with_year(track: Track) -> str:
    return f"{title(track)} ({track.year})"
