"""How long a playlist the listener asks for, read from the request itself. Pure, linear."""

import re
from collections.abc import Iterable
from typing import NamedTuple

_CAP = 2_000  # characters that are looked at
_MOST_MINUTES, _MOST_SONGS = 600, 100
_MINUTES = re.compile(
    r"(?<![\w.,])(\d{1,3})[ \u00a0-]?(?:min\b|mins\b|minut|minuut|minuten|minúto|分|분|мин|dakika|"
    r"دقيقة|דקות)"
)
_HOURS = re.compile(
    r"(?<![\w.,])(\d{1,2}(?:[.,]5)?)[ \u00a0-]?(?:h\b|hours?\b|hrs?\b|stunden?\b|heures?\b|horas?\b|"
    r"ore\b|uur\b|timm|時間|小时|시간|час|saat)"
)
_SONGS = re.compile(
    r"(?<![\w.,])(\d{1,3})[ \u00a0-]?(?:[^\W\d]{1,20} ){0,2}(?:songs?\b|tracks?\b|tunes?\b|lieder|"
    r"titel|stücke|chansons?\b|morceaux|titres?\b|canciones|temas\b|músicas|faixas|brani|canzoni|"
    r"nummers|låtar|曲|首|곡|песен|песн)"
)
_HALF_AN_HOUR = re.compile(
    r"\bhalf[ -](?:an? )?hour|\bhalbe(?:n|r)? stunde|\bdemi-heure|\bmedia hora|\bmeia hora|\bmezz'?ora"
)
_AN_HOUR = re.compile(
    r"\b(?:an|one)[ -]hour|\beine(?:r)? stunde|\bune heure|\buna hora|\buma hora|\bun'ora|\been uur"
)


class RequestedLength(NamedTuple):
    """How many songs and minutes were asked for; None: nothing was said, or two different things."""

    songs: int | None
    minutes: int | None


def read_requested_length(question: str) -> RequestedLength:
    """Return the length that this request names with a number."""
    text = question[:_CAP].casefold()
    minutes = {int(match[1]) for match in _MINUTES.finditer(text)}
    minutes |= {round(60 * float(match[1].replace(",", "."))) for match in _HOURS.finditer(text)}
    if not minutes:
        minutes = {30} if _HALF_AN_HOUR.search(text) else {60} if _AN_HOUR.search(text) else set()
    songs = {int(match[1]) for match in _SONGS.finditer(text)}
    return RequestedLength(_the_one(songs, _MOST_SONGS), _the_one(minutes, _MOST_MINUTES))


def _the_one(numbers: Iterable[int], most: int) -> int | None:
    """Return the number, if there is one alone and it can be meant."""
    match [*numbers]:
        case [number] if 0 < number <= most:
            return number
        case _:
            return None
