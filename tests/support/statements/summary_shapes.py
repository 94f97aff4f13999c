"""The sentences of the summary: those with names are made anew and compared, the others counted."""

import re
from collections.abc import Iterator, Sequence

from tests.support.statements.genre_count import GenreCount, fold
from tests.support.statements.raw import LISTS, Item, RawListener, cut, key
from tests.support.statements.shapes import (
    AMONG,
    CLOCK,
    SUMMARY,
    Verdict,
    agrees,
    busiest,
    denominator,
    ended,
    enumerated,
    judge,
    number,
    percent_fits,
    shape,
    tight,
    verdict,
)

_ANOTHER = "(another of this name)"
# What a sentence without anybody's name begins with.
_PLAIN = re.compile(
    r"(?:^| )(?=Genres are not known, |Spotify tells no genres|Genres are known for only |Genres by weight \("
    r"|By the year of the edition, |The last play was |Of the last \d|Of the \d|The last play ended "
    r"|The 1 music play |Spotify lists |\d+ playlists? w|Left out as |Missing: )"
)
Told = tuple[str, Verdict, str]


def judge_summary(raw: RawListener, text: str) -> Iterator[Told]:
    """The kind, verdict and words of each sentence, and of what the summary should say and does not."""
    first = _PLAIN.search(text)
    named = text[: first.start()] if first else text
    yield from _judge_named(raw, named)
    said = set()
    for sentence in filter(None, _PLAIN.split(text[first.start() :] if first else "")):
        kind, verdict_ = judge(raw, sentence, SUMMARY)
        said.add(kind)
        yield kind, verdict_, sentence
    yield from _unsaid(raw, text, said)


def _judge_named(raw: RawListener, text: str) -> Iterator[Told]:
    """Make the sentences anew that should be there: a name may hold any words and signs."""
    artists = apart([cut(each.name, 60) for each in raw.top_artists[:5]])
    tracks = apart([track(each) for each in raw.top_tracks[:3]])
    left = key(text)
    for kind, sentence in (
        ("top artists", f"Among the top artists of the last months: {enumerated(artists)}."),
        ("top tracks", f"Among the top tracks: {enumerated(tracks)}."),
        ("repeated tracks", _repeated(raw)),
    ):
        if (kind == "top artists" and not artists) or (kind == "top tracks" and not tracks):
            continue
        right = left.startswith(key(sentence))
        left = left.removeprefix(key(sentence))
        if sentence:
            yield kind, "true" if right else "false", text
    if left:
        yield "unknown sentence", "false", left


def _repeated(raw: RawListener) -> str:
    most = max(raw.repeats.values(), default=0)
    if most < 2:
        return ""
    # Newest first; of each track the newest play shows the name.
    plays = {play.identity: play for play in reversed(raw.plays)}
    tied = [
        plays[each]
        for each in dict.fromkeys(play.identity for play in raw.plays)
        if raw.repeats[each] == most
    ]
    titles = apart([track(play) for play in tied[:3]])
    if more := len(tied) - len(titles):
        titles.append("1 other track" if more == 1 else f"{more} other tracks")
    often = "twice" if most == 2 else f"{most} times"
    verb, each = ("comes", "") if len(tied) == 1 else ("come", " each")
    last = raw.sent("recently_played")
    return f"{enumerated(titles)} {verb} up {often}{each} in the last {last} plays."


def track(item: Item) -> str:
    """A track with its first artist."""
    by = f" by {cut(item.artists[0][1], 60)}" if item.artists else ""
    return f"“{cut(item.name, 60)}”{by}"


def apart(names: Sequence[str]) -> list[str]:
    """The names; one that looks like another before it has to say so."""
    met: set[str] = set()
    told = []
    for name in names:
        told.append(f"{name} {_ANOTHER}" if key(name) in met else name)
        met.add(key(name))
    return told


def _unsaid(raw: RawListener, text: str, said: set[str]) -> Iterator[Told]:
    """What a reader would take wrongly, as it is not said."""
    wanted: list[tuple[str, bool, Verdict]] = [
        ("episodes", bool(raw.episodes), "misleading"),
        ("playlists in all", raw.total_playlists not in (None, len(raw.playlists)), "misleading"),
        ("rows left out", any(raw.unreadable(each) for each in LISTS), "unclear"),
        ("missing sections", not all(map(raw.read, (*LISTS, "profile"))), "misleading"),
        ("no artists read", not raw.read("top_artists"), "misleading"),
        ("decades", bool(raw.decades), "unclear"),
        ("hours", any(raw.hours), "unclear"),
    ]
    for kind, needed, wrong in wanted:
        if needed and kind not in said and (kind != "playlists in all" or raw.playlists):
            yield f"unsaid: {kind}", wrong, text


@shape(
    "no artists read", r"Genres are not known, since the top artists could not be read\.", SUMMARY
)
def _(raw: RawListener, _: re.Match[str]) -> Verdict:
    return verdict((not raw.read("top_artists"), "false"))


@shape("no genres", r"Spotify tells no genres for these artists\.", SUMMARY)
def _(raw: RawListener, _: re.Match[str]) -> Verdict:
    none = raw.read("top_artists") and not GenreCount(raw).genres_of
    return verdict((none, "false"), (bool(raw.top_artists), "misleading"))


@shape(
    "few known genres",
    r"Genres are known for only (\d+) of (\d+) top (artists?), too little to weigh them: (.+)\.",
    SUMMARY,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    count = GenreCount(raw)
    return verdict(
        ((int(told[1]), int(told[2])) == (len(count.genres_of), count.considered), "false"),
        (in_order(count, told[4]), "false"),
        (count.thin, "false"),
        agrees(int(told[2]), told[3], "artist"),
    )


@shape(
    "genres by weight",
    r"Genres by weight \(known for (\d+) of (\d+) top artists,"
    r" ((?:less than |more than )?\d+%) of the listening by weight\): (.+)\.",
    SUMMARY,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    count = GenreCount(raw)
    return verdict(
        ((int(told[1]), int(told[2])) == (len(count.genres_of), count.considered), "false"),
        (percent_fits(told[3], count.coverage), "false"),
        (in_order(count, told[4]), "false"),
        (not count.thin, "misleading"),
    )


def in_order(count: GenreCount, told: str) -> bool:
    """Whether these are the largest genres, the largest first."""
    # "and" may be part of a genre, as in "drum and bass".
    names = sorted(count.shares.items(), key=lambda each: -each[1])
    forms = [fold(each) for each in re.split(r", | and ", told)]
    joined = "".join(forms)
    shares = []
    while joined:
        fits = [
            (name, share) for name, share in names if joined.startswith(name.replace("and", ""))
        ]
        if not fits:
            return False
        name, share = max(fits, key=lambda each: len(each[0]))
        joined = joined[len(name.replace("and", "")) :]
        shares.append(share)
    largest = [share for _, share in names[: len(shares)]]
    return len(shares) == min(5, len(names)) and all(
        abs(one - other) < 1e-9 for one, other in zip(shares, largest, strict=True)
    )


_YEARS = r"(?P<n>\d+) of (?P<of>\d+) top tracks? with a known year (?P<verb>is|are)"


@shape(
    "decades",
    rf"By the year of the edition, {_YEARS} from the (?P<first>\d{{4}})s(?P<rest>.*)\.",
    SUMMARY,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    rest = re.findall(r"(\d+) from the (\d{4})s", told["rest"])
    pairs = [(int(told["first"]), int(told["n"])), *[(int(at), int(n)) for n, at in rest]]
    counts = [count for _, count in pairs]
    ranked = sorted(raw.decades.values(), reverse=True)
    untold = max((n for at, n in raw.decades.items() if at not in dict(pairs)), default=0)
    return verdict(
        (all(raw.decades[decade] == count for decade, count in pairs), "false"),
        (int(told["of"]) == raw.decades.total(), "false"),
        (counts == ranked[: len(counts)], "misleading"),
        (untold < counts[-1], "unclear"),  # a tie
        agrees(counts[0], told["verb"], "is"),
    )


@shape(
    "decades",
    r"By the year of the edition, (\d+) top tracks with a known year are spread over (\d+) decades\.",
    SUMMARY,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    right = (int(told[1]), int(told[2])) == (raw.decades.total(), len(raw.decades))
    return verdict((right, "false"))


@shape("episodes", r"The last play was an episode\.", SUMMARY)
def _(raw: RawListener, _: re.Match[str]) -> Verdict:
    return verdict((raw.sent("recently_played") == raw.episodes == 1, "false"))


@shape("hours", rf"Of the {AMONG}, (?P<n>\d+) ended {CLOCK}\.", SUMMARY)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    count = int(told["n"])
    return verdict(
        ended(raw, told, count), denominator(raw, told), tight(raw, told), busiest(raw, count)
    )


@shape("hours", rf"The (?:last play|1 music play among the last \d+) ended {CLOCK}\.", SUMMARY)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    return verdict((len(raw.plays) == 1, "false"), ended(raw, told, 1), tight(raw, told))


_OWNERS = (
    r"(?:(?P<own>\d+) the listener's own(?:,| and) (?P<followed>\d+) followed(?: and )?)?"
    r"(?:(?P<unknown>\d+) of an unknown owner)?"
)


@shape(
    "playlists in all",
    rf"Spotify lists (?P<all>[\d,]+) playlists?, of which (?P<n>\d+) (?P<verb>was|were) read: {_OWNERS}\.",
    SUMMARY,
)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    count = int(told["n"])
    return verdict(
        ((number(told["all"]), count) == (raw.total_playlists, len(raw.playlists)), "false"),
        agrees(count, told["verb"], "was"),
        owners(raw, told),
    )


@shape("playlists", rf"(?P<n>\d+) (?P<noun>playlists?) (?:was|were) read: {_OWNERS}\.", SUMMARY)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    count = int(told["n"])
    return verdict(
        (count == len(raw.playlists), "false"),
        (raw.total_playlists in (None, count), "misleading"),
        agrees(count, told["noun"], "playlist"),
        owners(raw, told),
    )


def owners(raw: RawListener, told: re.Match[str]) -> tuple[bool, Verdict]:
    """Whether own, followed and unknown lists are told as they are."""
    whose = [each.owner if raw.listener else None for each in raw.playlists]
    unknown = whose.count(None)
    own = sum(each == raw.listener for each in whose if each)
    counted = (own, len(whose) - own - unknown, unknown)
    return counted == tuple(
        int(told[each] or 0) for each in ("own", "followed", "unknown")
    ), "false"


@shape("nothing listed", r"Spotify lists nothing under (?P<names>.+)\.", SUMMARY)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    empty = [each.replace("_", " ") for each in LISTS if raw.read(each) and not raw.sent(each)]
    return verdict((told["names"] == enumerated(empty), "false"))


@shape("rows left out", r"Left out as nameless, empty or listed twice: (?P<parts>.+)\.", SUMMARY)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    parts = [
        f"{raw.unreadable(each)} of {raw.sent(each)} under {each.replace('_', ' ')}"
        for each in LISTS
        if raw.unreadable(each)
    ]
    return verdict((bool(parts) and told["parts"] == enumerated(parts), "false"))


@shape("missing sections", r"Missing: (?P<parts>.+)\.", SUMMARY)
def _(raw: RawListener, told: re.Match[str]) -> Verdict:
    missing = [each.replace("_", " ") for each in ("profile", *LISTS) if not raw.read(each)]
    named = re.findall(r"([a-z ]+?) \([a-z ]+\)(?:, | and |$)", told["parts"])
    return verdict((named == missing, "false"))
