"""A title taken apart: the song itself, and which edition or performance of it. Pure and linear.

Spotify writes both into one name: "Song - Remastered 2011", "Song (feat. Guest) [Live in Oslo]".
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from lyra.catalogue.folding import fold

_CAP = 300
_KEPT = 2_048  # titles whose parts are kept: the same are looked at again and again
_GROUPS = 6  # at the end of one title; what stands before them belongs to the song
_GROUP = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]\s*$")
_DASH = re.compile(r"\s[-\u2013\u2014]\s([^\u2013\u2014]*)$")
_GUESTS = re.compile(r"(?:feat|ft|featuring|with)\b.*")
_BARE_GUESTS = re.compile(r"\s+(?:feat\.|ft\.|featuring)\s.*$", re.IGNORECASE)
# The same recording, in another sound, length or sleeve.
_ISSUE = re.compile(
    r"\b(?:remaster(?:ed|izado|isé)?|mono|stereo|(?:single|album|radio|short|full|original|extended) "
    r"(?:version|edit|mix)|radio edit|edit|deluxe|expanded|anniversary|bonus track|explicit|clean|"
    r"original|edition|reissue|from|soundtrack|ost|digital|version \d{4}|\d{4} (?:version|mix))\b"
)
# Another performance by the same artist, each kind apart from the others.
_PERFORMANCES = {
    "live": re.compile(r"\b(?:live|unplugged|en vivo|en directo|ao vivo|in concert|session)\b"),
    "acoustic": re.compile(r"\b(?:acoustic|acústico|stripped|piano version)\b"),
    "remix": re.compile(r"\b(?:remix(?:ed)?|rework|vip|dub|mix|bootleg|mashup)\b"),
    "demo": re.compile(r"\b(?:demo|outtake|rough|early take|take \d+|alternate|alternative)\b"),
    "instrumental": re.compile(r"\b(?:instrumental|a cappella|acappella|karaoke|backing track)\b"),
    "altered": re.compile(r"\b(?:sped up|slowed|nightcore|8d|8 bit|lofi|lo fi|reverb)\b"),
    "rerecorded": re.compile(r"\b(?:re recorded|rerecorded|re recording|new version)\b"),
}
# Somebody else's performance, whoever the artist is said to be.
_IMITATION = re.compile(
    r"\b(?:karaoke|tribute|cover(?:ed)?|in the style of|originally performed|made famous|as made|"
    r"lullaby (?:version|rendition)|8 bit|string quartet|backing track|sound ?alike|rendition)\b"
)


@dataclass(frozen=True, slots=True)
class Title:
    """A title's parts, folded.

    `song`: without guests and edition. `short`: without anything in brackets, where that differs.
    `performances`: none for the usual recording. `imitated`: it says that it is somebody else's.
    """

    song: str
    short: str
    issue: str
    performances: frozenset[str]
    imitated: bool


@lru_cache(_KEPT)
def take_apart(title: str) -> Title:
    """Return the parts of a title."""
    rest, groups = _split(title)
    issues: list[str] = []
    performances: set[str] = set()
    for text in groups:
        kinds = _performances(text)
        performances |= kinds
        if not (kinds or _GUESTS.fullmatch(text)):
            issues.append(text)
    song, short = fold(rest), fold(_without_brackets(rest))
    imitated = any(_IMITATION.search(text) for text in groups)
    return Title(song, short, " ".join(issues), frozenset(performances), imitated)


def song_title(title: str) -> str:
    """Return a title without guests and edition, spelt as it is."""
    return _split(title)[0].strip() or title


def _split(title: str) -> tuple[str, list[str]]:
    """Return the song's own title, and the folded groups of words that stand behind it."""
    rest = _BARE_GUESTS.sub("", title[:_CAP])
    groups: list[str] = []
    for _ in range(_GROUPS):
        group = _GROUP.search(rest) or _DASH.search(rest)
        if group is None or not rest[: group.start()].strip():
            break
        text = fold(group[1])
        known = _IMITATION.search(text) or _performances(text) or _ISSUE.search(text)
        if not (known or _GUESTS.fullmatch(text)):
            break
        groups.insert(0, text)
        rest = rest[: group.start()]
    return rest, groups


def _performances(text: str) -> frozenset[str]:
    if _ISSUE.search(text) and not re.search(r"\b(?:live|remix|demo|acoustic)\b", text):
        return frozenset()  # "Original Mix", "Radio Mix", "2005 Mix" are issues
    return frozenset(kind for kind, words in _PERFORMANCES.items() if words.search(text))


def _without_brackets(title: str) -> str:
    return re.sub(r"[(\[][^()\[\]]*[)\]]", " ", title)
