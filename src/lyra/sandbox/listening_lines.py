"""The lines of a `<listening_data>` block, read back to the values that they were written from.

The layout is that of docs/SANDBOX.md. Whatever does not belong to it is an error: a line that a name
could forge would be one.
"""

import re
from collections.abc import Callable
from typing import Any

Data = dict[str, Any]

FIELD = " | "
_HOURS = 24
_TODAY = "the day of the plays that follow"
_HEADING = re.compile(
    r"# (summary|genres|top artists|top tracks|recent plays|plays by hour|playlists|missing|withheld)"
    r"(?:[ ,:].*)?"
)
_COUNTS = re.compile(r"# playlists, (\d+) (?:of (\d+)|read),")
_EPISODES = re.compile(r"# recent plays, newest first without (\d+) of podcasts:")
_KNOWN = re.compile(r"# genres.*: (?:known for )?(\d+ of \d+ top artists), ")
_RANKED = re.compile(r"(\d+)\. (.*)")
_SHARE = re.compile(r"(\d+\.\d)% (.*)")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d) \w+day|day unknown")
_PLAY = re.compile(r"(?:(\d\d):(\d\d)|--:--) (.*)")
_HOUR = re.compile(r"(\d\d)h (\d+)")
_REFERENCE = re.compile(r"#(\d+)")
_GAP = re.compile(r"- (\w+): (.*)")
_PLAYLIST_URI = re.compile(r"spotify:playlist:[0-9A-Za-z]{22}")
_CODE = re.compile(r"\\u([0-9a-f]{4})")


def read_lines(block: str) -> Data:
    """The values, by section; sections that the block has not are not among them.

    Raises:
        ValueError: A line is none of the layout.
    """
    data: Data = {}
    read: Callable[[Data, str], None] = _nothing
    for line in block.strip("\n").split("\n"):
        if heading := _HEADING.fullmatch(line):
            read = _READERS[heading[1]]
            _begin(data, heading[1], line)
        else:
            _read_row(read, data, line)
    data.pop(_TODAY, None)
    return data


def _read_row(read: Callable[[Data, str], None], data: Data, line: str) -> None:
    try:
        read(data, line)
    except LookupError:
        raise ValueError(f"a row that refers to nothing: {line!r}") from None


def _begin(data: Data, name: str, heading: str) -> None:
    """Take what the heading itself says; a section without rows is an empty list."""
    if name in ("genres", "top artists", "top tracks", "recent plays", "playlists"):
        data[name.replace(" ", "_")] = []
    if counts := _COUNTS.match(heading):
        data["playlists_total"] = int(counts[2]) if counts[2] else None
    if episodes := _EPISODES.match(heading):
        data["recent_episodes"] = int(episodes[1])
    if known := _KNOWN.match(heading):
        data["genre_coverage"] = known[1]


def _nothing(_: Data, line: str) -> None:
    raise ValueError(f"a line under no heading: {line!r}")


def _summary(data: Data, line: str) -> None:
    data["summary"] = _text(_after("- ", line))


def _withheld(data: Data, line: str) -> None:
    data["withheld"] = _text(_after("- ", line))


def _genre(data: Data, line: str) -> None:
    if share := _SHARE.fullmatch(line):
        data["genres"].append({"name": _text(share[2]), "share": float(share[1]) / 100})
    else:
        data["genres"].append({"name": _text(_after("- ", line))})


def _artist(data: Data, line: str) -> None:
    rank, row = _groups(_RANKED, line)
    name, genres = _fields(row, 2)
    artist = {"rank": int(rank), "name": _text(name), "genres": _parts(genres)}
    data["top_artists"].append(artist)


def _track(data: Data, line: str) -> None:
    rank, row = _groups(_RANKED, line)
    name, artists, album, year = _fields(row, 4)
    track: Data = {"rank": int(rank), "name": _text(name), "artists": _parts(artists)}
    if album:
        track["album"] = _text(album)
    if year:
        track["year"] = int(year)
    data["top_tracks"].append(track)


def _play(data: Data, line: str) -> None:
    if day := _DAY.fullmatch(line):
        data[_TODAY] = day[1]
        return
    hour, minute, row = _groups(_PLAY, line)
    name, artists = _fields(row, 2)
    play: Data = {"track": _text(name)}
    if rank := _REFERENCE.fullmatch(artists):
        known = {each["rank"]: each for each in data["top_tracks"]}[int(rank[1])]
        play = {"track": known["name"], "artists": known["artists"], "rank": known["rank"]}
    else:
        play["artists"] = _parts(artists)
    if hour:
        play |= {"day": data[_TODAY], "time": f"{hour}:{minute}", "hour_utc": int(hour)}
    data["recent_plays"].append(play)


def _hours(data: Data, line: str) -> None:
    counts = dict.fromkeys(range(_HOURS), 0)
    for told in _after("- ", line).split(", "):
        hour, count = _groups(_HOUR, told)
        counts[int(hour)] = int(count)
    data["plays_by_hour_utc"] = list(counts.values())


def _playlist(data: Data, line: str) -> None:
    fields = _after("- ", line).split(FIELD)
    uris = [each for each in fields[1:] if _PLAYLIST_URI.fullmatch(each)]
    name, total, owned, description = _fields(FIELD.join(f for f in fields if f not in uris), 4)
    playlist: Data = {"name": _text(name)}
    if uris:
        playlist["uri"] = uris[0]
    if total:
        playlist["total"] = int(total)
    if owned:
        playlist["owned"] = {"own": True, "other": False}[owned]
    if description:
        playlist["description"] = _text(description)
    data["playlists"].append(playlist)


def _gap(data: Data, line: str) -> None:
    section, sentence = _groups(_GAP, line)
    data.setdefault("missing", {})[section] = _text(sentence)


_READERS: dict[str, Callable[[Data, str], None]] = {
    "summary": _summary,
    "genres": _genre,
    "top artists": _artist,
    "top tracks": _track,
    "recent plays": _play,
    "plays by hour": _hours,
    "playlists": _playlist,
    "missing": _gap,
    "withheld": _withheld,
}


def _after(start: str, line: str) -> str:
    if not line.startswith(start):
        raise ValueError(f"a row that begins with something else: {line!r}")
    return line[len(start) :]


def _groups(layout: re.Pattern[str], line: str) -> tuple[str, ...]:
    match = layout.fullmatch(line)
    if match is None:
        raise ValueError(f"a row of another layout: {line!r}")
    return match.groups("")


def _fields(row: str, most: int) -> list[str]:
    fields = row.split(FIELD)
    if len(fields) > most:
        raise ValueError(f"a row of too many fields: {row!r}")
    return fields + [""] * (most - len(fields))


def _parts(field: str) -> list[str]:
    return [_text(part) for part in field.split("; ")] if field else []


def _text(field: str) -> str:
    if set("<>|") & set(field):
        raise ValueError(f"a sign of the layout in a text: {field!r}")
    return _CODE.sub(lambda code: chr(int(code[1], 16)), field)
