"""Slots of a question: numbers, years, hours and days, as a listener writes them."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Literal, NamedTuple

from lyra.timezones import Zone

_DAY_H = 24
_NOON = 12
_MOST_RANKED = 50
_EVENING_BEGINS, _NIGHT_ENDS = 18, 5
_FIRST_YEAR, _LAST_YEAR = 1000, 2999
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
            "eleven", "twelve", "thirteen", "fourteen", "fifteen")  # fmt: skip
_LARGE = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "dozen": 12,
    "a couple": 2,
    "hundred": 100,
}
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
             "tenth")  # fmt: skip
_DECADES = {"twenties": 1920, "thirties": 1930, "forties": 1940, "fifties": 1950, "sixties": 1960,
            "seventies": 1970, "eighties": 1980, "nineties": 1990, "noughties": 2000}  # fmt: skip


class Years(NamedTuple):
    """Years of release, both included, and the words for them."""

    first: int
    last: int
    words: str


class Hours(NamedTuple):
    """Full hours of the day from `start` to before `end`, over midnight where that is smaller."""

    start: int
    end: int

    def __contains__(self, hour: object) -> bool:
        """Return whether a play that ended in this hour is meant."""
        return isinstance(hour, int) and (hour - self.start) % _DAY_H < (
            (self.end - self.start) % _DAY_H or _DAY_H
        )

    def lies_in(self, other: "Hours") -> bool:
        """Return whether each of these hours is one of the other's."""
        return all(hour in other for hour in range(_DAY_H) if hour in self)

    def say(self, zone: Zone) -> str:
        """Return the span in words, by the clock of this zone."""
        return f"between {self.start:02}:00 and {self.end:02}:00{zone.suffix}"


class Period(NamedTuple):
    """Days before the day of reading; `kind` is `ranking` for one that plays cannot answer."""

    words: str
    kind: Literal["days", "weekday", "long"]
    first: int = 0  # days ago, or the number of the weekday
    last: int = 0

    def days(self, today: date) -> tuple[date, date]:
        """Return the first and the last day that are meant."""
        if self.kind == "weekday":
            day = today - timedelta((today.weekday() - self.first) % len(_DAYS))
            return day, day
        return today - timedelta(self.first), today - timedelta(self.last)


class Count(NamedTuple):
    """How many are asked for: "top 10"."""

    number: int


class Within(NamedTuple):
    """Of how many of a ranking the question speaks: "in my top 10"."""

    number: int


class Rank(NamedTuple):
    """Which place is asked for: "number 3", "the second"."""

    number: int


SlotValue = Years | Hours | Period | Count | Rank | Within


class Slot(NamedTuple):
    """A slot and where in the text it stands."""

    start: int
    end: int
    value: SlotValue


_NUMBER = "|".join(["[0-9]{1,3}", *_NUMBERS, *_LARGE])
_CLOCK = r"(?:[01]?[0-9]|2[0-4])(?:[:.h][0-5][0-9])?\s*(?:[ap]\.?m\b\.?|o.?clock)?"
_SURE_CLOCK = (
    r"(?:(?:[01]?[0-9]|2[0-4])[:.h][0-5][0-9](?:\s*[ap]\.?m\b\.?)?"
    r"|(?:1[0-2]|0?[1-9])\s*(?:[ap]\.?m\b\.?|o.?clock)|midnight|noon|midday)"
)
_YEAR = "1[0-9]{3}|20[0-9]{2}"
_DECADE = rf"(?:1[0-9]|20)[0-9]0'?s|'?[0-9]0'?s|{'|'.join(_DECADES)}"
_PARTS = {
    "morning": (5, 12), "mornings": (5, 12), "afternoon": (12, 18), "afternoons": (12, 18),
    "evening": (18, 23), "evenings": (18, 23), "night": (22, 5), "nights": (22, 5),
    "late at night": (23, 5), "after dark": (20, 5), "before breakfast": (4, 9),
    "lunch": (11, 14), "lunchtime": (11, 14), "dinner time": (18, 21),
}  # fmt: skip
_PERIODS = {
    "today": (0, 0), "tonight": (0, 0), "yesterday": (1, 1), "this week": (6, 0),
    "last week": (13, 7), "past week": (6, 0), "last seven days": (6, 0), "last 7 days": (6, 0),
    "last few days": (3, 0), "the other day": (3, 1), "this weekend": (6, 0),
    "day before yesterday": (2, 2),
}  # fmt: skip
_LONG = (
    "last month|this month|past month|last year|this year|past year|last summer|last winter|"
    "last spring|last autumn|last fall|this summer|this winter|this spring|of all time|all time|"
    "all-time|last decade|last (?:[0-9]{1,3}|few|two|three|four|six|twelve) (?:months|weeks|years)|"
    "in (?:january|february|march|april|may|june|july|august|september|october|november|december)"
)

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE))
    for name, pattern in (
        ("period", f"(?:{'|'.join(sorted(_PERIODS, key=len, reverse=True))})"),
        ("part_of_day", r"(?P<day>this|last)(?=\s+(?:morning|afternoon|evening|night))"),
        ("weekday", f"(?:last |on |this )?(?P<day>{'|'.join(_DAYS)})s?"),
        ("long", f"(?:{_LONG})"),
        ("years_between", rf"(?:between|from)\s+(?P<a>{_YEAR})\s*(?:and|to|till|until|-)\s*(?P<b>{_YEAR})"),
        ("years_range", rf"(?P<a>{_YEAR})\s*-\s*(?P<b>{_YEAR})"),
        ("years_side", rf"(?P<side>before|until|after|since|older than|newer than)\s+(?:the\s+)?(?:year\s+)?(?P<a>{_DECADE}|{_YEAR})"),
        ("years_onwards", rf"(?:from )?(?:the )?(?P<a>{_DECADE}|{_YEAR})\s+(?:onwards?|or later|and later|or newer)"),
        ("decade", rf"(?P<a>{_DECADE})"),
        ("hours_between", rf"(?:between|from)\s+(?P<a>{_CLOCK})\s*(?:and|to|till|until|-)\s*(?P<b>{_CLOCK})(?:\s*utc)?(?:\s+in the (?P<half>morning|afternoon|evening))?"),
        ("hours_side", rf"(?P<side>before|after)\s+(?P<a>{_SURE_CLOCK})(?:\s*utc)?"),
        ("hour", rf"(?:(?:at|around|about|near|towards?)\s+)?(?P<a>{_SURE_CLOCK})(?:\s*utc)?"),
        ("hour_at", r"(?:around|at about|at)\s+(?P<a>[01]?[0-9]|2[0-3])(?:\s*utc)?"),
        ("part", f"(?<!good )(?P<part>{'|'.join(sorted(_PARTS, key=len, reverse=True))})(?! owl)"),
        ("within", rf"(?:in|of|from|among) my (?:top|first) (?P<n>{_NUMBER})(?! (?:artist|track|song|genre|album|playlist))"),
        ("rank", rf"(?:number|no\.?|nr\.?|place|rank|position)\s*#?(?P<n>{_NUMBER})|#\s?(?P<h>[0-9]{{1,3}})|(?P<o>[0-9]{{1,2}})(?:st|nd|rd|th)"),
        ("ordinal", rf"(?P<word>{'|'.join(_ORDINALS)})(?!\s+(?:{_NUMBER}|few|thing|of all|time)s?\b)"),
        ("year", rf"(?:in |from |of )?(?P<a>{_YEAR})"),
        ("count", rf"(?P<n>{_NUMBER.replace('|one|', '|')})"),
    )
)  # fmt: skip


def find_slots(text: str) -> Iterator[Slot]:
    """Yield the slots of a text that do not overlap; earlier patterns win."""
    taken = bytearray(len(text))
    for name, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if taken.find(1, match.start(), match.end()) >= 0:
                continue
            value = _READERS[name](match)
            if value is not None:
                taken[match.start() : match.end()] = b"\1" * (match.end() - match.start())
                yield Slot(match.start(), match.end(), value)


def _read_period(match: re.Match[str]) -> Period:
    words = match[0].lower()
    return Period(words, "days", *_PERIODS[words])


def _read_part_of_day(match: re.Match[str]) -> Period:
    """Return the day of "this morning" or "last night", whose hours are a slot of their own."""
    night = match["day"].lower() == "last"
    return Period(match[0].lower(), "days", int(night), 0)


def _read_weekday(match: re.Match[str]) -> Period:
    day = match["day"].lower()
    return Period(f"on {day.capitalize()}", "weekday", _DAYS.index(day))


def _read_long(match: re.Match[str]) -> Period:
    return Period(match[0].lower(), "long")


def _read_decade(match: re.Match[str]) -> Years:
    first = _first_year(match["a"])
    return Years(first, first + 9, f"from the {first}s")


def _first_year(words: str) -> int:
    """Return the year, or the first year of the decade."""
    if words.lower() in _DECADES:
        return _DECADES[words.lower()]
    number = int(re.sub("[^0-9]", "", words))
    if number >= 100:  # noqa: PLR2004 - the century is there
        return number
    return number + (2000 if number <= 20 else 1900)  # noqa: PLR2004 - "the 20s" are ours


def _read_year(match: re.Match[str]) -> Years:
    year = int(match["a"])
    return Years(year, year, f"from {year}")


def _read_years_between(match: re.Match[str]) -> Years:
    first, last = sorted((int(match["a"]), int(match["b"])))
    return Years(first, last, f"from {first} to {last}")


def _read_years_side(match: re.Match[str]) -> Years:
    year = _first_year(match["a"])
    if match["side"].lower() in ("before", "until", "older than"):
        return Years(_FIRST_YEAR, year - 1, f"from before {year}")
    last = year + 9 if match["a"].lower().endswith("s") else year
    if match["side"].lower() == "since":
        return Years(year, _LAST_YEAR, f"from {year} or later")
    return Years(last + 1, _LAST_YEAR, f"from after {last}")


def _read_years_onwards(match: re.Match[str]) -> Years:
    year = _first_year(match["a"])
    return Years(year, _LAST_YEAR, f"from {year} or later")


def _read_hours_between(match: re.Match[str]) -> Hours:
    half = re.search(r"[ap](?=\.?m)", match["b"], re.IGNORECASE)
    said = {None: "", "morning": "a"}.get(match["half"] and match["half"].lower(), "p")
    named = half[0].lower() if half else said
    start, end = _clock(match["a"], named), _clock(match["b"], named)
    return Hours(start % _DAY_H, end % _DAY_H)


def _read_hours_side(match: re.Match[str]) -> Hours:
    """Return the hours up to midnight, or from it; "after midnight" is the night."""
    hour = _clock(match["a"]) % _DAY_H
    if match["side"].lower() == "after":
        return Hours(hour, 0 if hour else _NIGHT_ENDS)
    return Hours(0 if hour else _EVENING_BEGINS, hour)


def _read_hour(match: re.Match[str]) -> Hours:
    """Return the hour before and the hour after the moment that is named."""
    hour = _clock(match["a"])
    return Hours((hour - 1) % _DAY_H, (hour + 1) % _DAY_H)


def _clock(words: str, half: str = "") -> int:
    words = words.lower()
    if words in ("midnight", "noon", "midday"):
        return 0 if words == "midnight" else _NOON
    digits = re.match("[0-9]+", words)
    hour = int(digits[0]) if digits else 0
    found = re.search("[ap](?=[.]?m)", words)
    half = found[0] if found else half.lower()
    if half and hour <= _NOON:
        return hour % _NOON + (_NOON if half == "p" else 0)
    return hour


def _read_part(match: re.Match[str]) -> Hours:
    return Hours(*_PARTS[match["part"].lower()])


def _read_rank(match: re.Match[str]) -> Rank:
    return Rank(_number(match["n"] or match["h"] or match["o"]))


def _read_within(match: re.Match[str]) -> Within | None:
    number = _number(match["n"])
    return Within(number) if number < _MOST_RANKED else None  # else it is all that there is


def _read_ordinal(match: re.Match[str]) -> Rank:
    return Rank(_ORDINALS.index(match["word"].lower()) + 1)


def _read_count(match: re.Match[str]) -> Count | None:
    number = _number(match["n"])
    return Count(number) if number else None


def _number(words: str) -> int:
    words = words.lower()
    if words.isdecimal():
        return int(words)
    return _LARGE[words] if words in _LARGE else _NUMBERS.index(words) + 1


_READERS: Mapping[str, Callable[[re.Match[str]], SlotValue | None]] = MappingProxyType(
    {
        "period": _read_period,
        "part_of_day": _read_part_of_day,
        "weekday": _read_weekday,
        "long": _read_long,
        "years_between": _read_years_between,
        "years_range": _read_years_between,
        "years_side": _read_years_side,
        "years_onwards": _read_years_onwards,
        "decade": _read_decade,
        "hours_between": _read_hours_between,
        "hours_side": _read_hours_side,
        "hour": _read_hour,
        "hour_at": _read_hour,
        "part": _read_part,
        "within": _read_within,
        "rank": _read_rank,
        "ordinal": _read_ordinal,
        "year": _read_year,
        "count": _read_count,
    }
)

SLOT_WORDS = frozenset(
    word
    for phrase in (
        *_DAYS,
        *_NUMBERS,
        *_LARGE,
        *_ORDINALS,
        *_DECADES,
        *_PARTS,
        *_PERIODS,
        "noon midnight",
    )
    for word in phrase.split()
)
