"""Answers from the last plays: lists, hours, repeats, and favourites that are not among them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from lyra.responder.answers.choice import matching
from lyra.responder.intents import Intent
from lyra.responder.listener import Listener, Play, Voice
from lyra.responder.slots import Hours
from lyra.responder.vocabulary import Concept
from lyra.responder.wording import (
    LISTED,
    MOST,
    RANKING,
    begin,
    bullets,
    cell,
    count,
    day,
    enumerate_,
    is_are,
    last_plays,
    minute,
    missing,
    quote,
    times,
    title,
)

_DAY_H = 24
_WINDOW_H = 4
_UNKNOWN = "not known"


def list_plays(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the last plays, or those of some hours, days or names."""
    if gap := missing(listener, "plays"):
        return gap
    if unknown := _unknown_moments(listener, intent):
        return unknown
    plays, when = _chosen(listener, intent, intent.hours[:1])
    if intent.hours[1:]:
        return _compare_hours(listener, intent)
    if when:
        return _of_those(listener, intent, plays, when)
    if Concept.HOW_MANY in intent.concepts:
        return _how_many(listener, intent)
    return _latest(listener, intent)


def _how_many(listener: Listener, intent: Intent) -> str:
    concept = _group(intent)
    if concept is None:
        return f"I have {last_plays(listener)}; how many there were in all Spotify does not tell."
    labels = {
        label for play in listener.plays for label in _labels(play, concept, _genres(listener))
    }
    known = count(len(labels - {_UNKNOWN}), _GROUPS[concept])
    return f"In {last_plays(listener)} there {is_are(len(labels - {_UNKNOWN}))} {known}."


def _compare_hours(listener: Listener, intent: Intent) -> str:
    parts = []
    for hours in intent.hours:
        plays, when = _chosen(listener, intent, [hours])
        parts.append(f"{len(plays) or 'none'} {when}")
    return f"Of {last_plays(listener)}, {enumerate_(parts)}."


def _unknown_moments(listener: Listener, intent: Intent) -> str:
    """Return why the moments that are asked for are not known; empty if they are."""
    if intent.period and intent.period.kind == "long":
        return _too_long_ago(listener, intent)
    if intent.period and not any(play.ended for play in listener.plays):
        return f"The days of {last_plays(listener)} are not known, only their order."
    if intent.period and listener.read_at is None:
        return f"I do not know which day it is today; {_reach(listener)}."
    if intent.hours and all(play.hour is None for play in listener.plays):
        return f"The hours of {last_plays(listener)} are not known, only their order."
    return ""


def _latest(listener: Listener, intent: Intent) -> str:
    if concept := _group(intent):
        grouped = _grouped(listener, listener.plays, intent, concept)
        return f"{begin(last_plays(listener))}, by {_GROUPS[concept]}:\n{grouped}"
    if intent.rank:
        return _one_play(listener, intent.rank)
    shown = [_with_moment(play) for play in listener.plays[: min(intent.count or LISTED, MOST)]]
    heading = "Your latest plays, newest first" if shown[1:] else "Your latest play"
    fewer = f"\n\nI have no more than {last_plays(listener)}."
    return f"{heading}:\n{bullets(shown)}{fewer if (intent.count or 0) > len(shown) else ''}"


def _too_long_ago(listener: Listener, intent: Intent) -> str:
    assert intent.period is not None  # noqa: S101 - the caller has looked
    return (
        f"I cannot tell that for “{intent.period.words}”: {RANKING} is one ranking for all of that "
        f"time, and {_reach(listener)}. Ask for your top artists or tracks, or for your latest plays."
    )


def _reach(listener: Listener) -> str:
    moments = [play.ended for play in listener.plays if play.ended]
    if not moments:
        return f"of {last_plays(listener)} the days are not known"
    return f"{last_plays(listener)} reach back to {day(min(moments))}"


def _chosen(listener: Listener, intent: Intent, spans: Sequence[Hours]) -> tuple[list[Play], str]:
    """Return the plays that the question means, and the words for what they have to be."""
    plays, words = list(listener.plays), []
    if intent.names:
        tracks = {track.key for track in matching(listener, [play.track for play in plays], intent)}
        plays = [play for play in plays if play.track.key in tracks]
        words.append(f"of {enumerate_([named.words for named in intent.names])}")
    ended = []
    for hours in spans:
        plays = [play for play in plays if play.hour in hours]
        ended.append(hours.say(listener.zone))
    if intent.period and listener.read_at:
        first, last = intent.period.days(listener.read_at.date())
        plays = [play for play in plays if play.ended and first <= play.ended.date() <= last]
        ended.append(_days(listener, intent))
    return plays, " ".join([*words, "ended" if ended else "", *ended]).strip()


def _days(listener: Listener, intent: Intent) -> str:
    assert intent.period is not None  # noqa: S101 - the callers have looked
    assert listener.read_at is not None  # noqa: S101
    first, last = intent.period.days(listener.read_at.date())
    when = [
        listener.read_at.replace(year=each.year, month=each.month, day=each.day)
        for each in (first, last)
    ]
    return f"on {day(when[0])}" if first == last else f"from {day(when[0])} to {day(when[1])}"


def _of_those(listener: Listener, intent: Intent, plays: Sequence[Play], when: str) -> str:
    part = f"Of {last_plays(listener)}, {len(plays) or 'none'} {when}"
    if not plays:
        return f"{part}. {_newest(listener)}"
    if len(plays) == 1:
        return f"{part}: {title(plays[0].track)}."
    if intent.rank:
        return f"{part}. {_nth(plays, intent.rank)}"
    if concept := _group(intent):
        return f"{part}, by {_GROUPS[concept]}:\n{_grouped(listener, plays, intent, concept)}"
    return f"{part}:\n\n{_table(plays, intent)}"


def _nth(plays: Sequence[Play], rank: int) -> str:
    if rank > len(plays):
        return f"There is no number {rank} of them."
    return f"Number {rank} of them, the oldest being the first, is {_with_moment(plays[-rank])}."


def _newest(listener: Listener) -> str:
    newest = listener.plays[0]
    return f"The newest play is {_with_moment(newest)}."


def _table(plays: Sequence[Play], intent: Intent) -> str:
    counts = Counter(play.track.key for play in plays)
    tracks = {play.track.key: play.track for play in reversed(plays)}
    rows = [
        f"| {cell(tracks[key].name)} | {cell(enumerate_([one.name for one in tracks[key].credits]))} | {number} |"
        for key, number in counts.most_common(min(intent.count or LISTED, MOST))
    ]
    left = len(counts) - len(rows)
    more = f"\n\nand {count(left, 'more track', 'more tracks')}." if left > 0 else ""
    return "| Track | Artist | Plays |\n|---|---|---|\n" + "\n".join(rows) + more


_GROUPS = {Concept.ARTIST: "artist", Concept.ALBUM: "album", Concept.GENRE: "genre"}


def _group(intent: Intent) -> Concept | None:
    """Return by what the plays are to be counted, if not by track."""
    return next((each for each in _GROUPS if each in intent.concepts), None)


def _grouped(listener: Listener, plays: Sequence[Play], intent: Intent, concept: Concept) -> str:
    names = {credit.key: credit.name for play in plays for credit in play.track.credits}
    counts = Counter(label for play in plays for label in _labels(play, concept, _genres(listener)))
    shown = counts.most_common(min(intent.count or LISTED, MOST))
    return bullets(f"{names.get(label, label)}: {count(number, 'play')}" for label, number in shown)


def _genres(listener: Listener) -> Mapping[str, Sequence[str]]:
    return {artist.key: artist.genres for artist in listener.artists}


def _labels(play: Play, concept: Concept, genres: Mapping[str, Sequence[str]]) -> Collection[str]:
    """Return what the play counts for: keys of artists, or names of albums or genres."""
    keys = dict.fromkeys(credit.key for credit in play.track.credits)
    if concept is Concept.ARTIST:
        return keys
    if concept is Concept.ALBUM:
        return [quote(play.track.album) if play.track.album else _UNKNOWN]
    return dict.fromkeys(each for key in keys for each in genres.get(key, ())) or [_UNKNOWN]


def _one_play(listener: Listener, rank: int) -> str:
    if rank > len(listener.plays):
        return f"I have no number {rank}: there are {last_plays(listener)}."
    return f"Counted back from the newest, play number {rank} is {_with_moment(listener.plays[rank - 1])}."


def _with_moment(play: Play) -> str:
    return f"{title(play.track)} ({minute(play.ended)})" if play.ended else title(play.track)


def list_repeated(listener: Listener, intent: Intent, _: Voice) -> str:
    """List the tracks that come up more than once in the last plays."""
    if gap := missing(listener, "plays"):
        return gap
    counts = Counter(play.track.key for play in listener.plays)
    tracks = {play.track.key: play.track for play in listener.plays}
    again = [(tracks[key], number) for key, number in counts.most_common() if number > 1]
    whole = last_plays(listener)
    if not again:
        return f"Nothing comes up more than once in {whole}. More than these plays I cannot count."
    shown = again[: min(intent.count or LISTED, MOST)]
    more = f"\n\nand {len(again) - len(shown)} more." if len(again) > len(shown) else ""
    lines = bullets(f"{title(track)}: {times(number)}" for track, number in shown)
    return f"In {whole}, {count(len(again), 'track comes', 'tracks come')} up more than once:\n{lines}{more}"


def tell_hours(listener: Listener, _: Intent, __: Voice) -> str:
    """Say in which hours the last plays ended."""
    if gap := missing(listener, "plays"):
        return gap
    by_hour = Counter(play.hour for play in listener.plays if play.hour is not None)
    if not by_hour:
        return f"The hours of {last_plays(listener)} are not known."
    spans = [
        sum(by_hour[(start + step) % _DAY_H] for step in range(_WINDOW_H))
        for start in range(_DAY_H)
    ]
    start = spans.index(max(spans))
    end = (start + _WINDOW_H) % _DAY_H
    busiest, number = max(by_hour.items(), key=lambda each: each[1])
    window, peak = Hours(start, end), Hours(busiest, (busiest + 1) % _DAY_H)
    return (
        f"Of {last_plays(listener)}, {spans[start]} ended {window.say(listener.zone)}; "
        f"no other {_WINDOW_H} hours have more. The busiest hour, "
        f"{peak.say(listener.zone)}, has {number}. Older plays I do not see."
    )


def list_forgotten(listener: Listener, intent: Intent, _: Voice) -> str:
    """List favourites that are not among the last plays."""
    return _not_lately(listener, intent, "")


def recommend(listener: Listener, intent: Intent, voice: Voice) -> str:
    """Name favourites that are not among the last plays, and say that they are not new."""
    return _not_lately(
        listener, intent, f"{voice.limits} I can only name what is in your own lists, nothing new. "
    )


def _not_lately(listener: Listener, intent: Intent, prefix: str) -> str:
    section = "artists" if Concept.ARTIST in intent.concepts else "tracks"
    if gap := missing(listener, section):  # type: ignore[arg-type] # one of two sections
        return prefix + gap
    if "plays" in listener.gaps:
        return f"{prefix}{listener.gaps['plays']} So I cannot tell which of your top {section} you have not played lately."
    if not listener.plays:
        return f"{prefix}{missing(listener, 'plays')} So I cannot tell which of your top {section} you have not played lately."
    if section == "artists":
        heard = {credit.key for play in listener.plays for credit in play.track.credits}
        names = [artist.name for artist in listener.artists if artist.key not in heard]
        whole = len(listener.artists)
    else:
        played = {play.track.key for play in listener.plays}
        chosen = matching(listener, listener.tracks, intent)
        names = [title(track) for track in chosen if track.key not in played]
        whole = len(chosen)
    of = f" of {enumerate_([named.words for named in intent.names])}" if intent.names else ""
    if not whole:
        return f"{prefix}None of your {len(listener.tracks)} top tracks is{of}."
    if not names:
        noun = f"top {section.removesuffix('s')}"
        what = (
            f"Your only {noun}{of} is"
            if whole == 1
            else f"All of your {count(whole, noun)}{of} are"
        )
        return f"{prefix}{what} among {last_plays(listener)}."
    shown = names[: min(intent.count or LISTED, MOST)]
    return (
        f"{prefix}Of your {count(whole, 'top ' + section.removesuffix('s'))}{of}, "
        f"{len(names)} {'is' if len(names) == 1 else 'are'} not among {last_plays(listener)}"
        f"{'; the highest in the ranking' if len(names) > len(shown) else ''}:\n{bullets(shown)}"
    )
