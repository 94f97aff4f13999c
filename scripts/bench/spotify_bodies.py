"""Bodies that somebody made to cost more than they weigh, as Spotify's answers and as names."""

import gzip
from collections.abc import Mapping
from typing import Any

import orjson

SIZES = 1536 * 1024, 384 * 1024  # the most that is read, and the most that is read in one go
PATHS = "", "top/artists", "top/tracks", "player/recently-played", "playlists"
_NAME, _ROWS, _CREDITS, _GENRES = 900, 50, 20, 20

_REPEATED: Mapping[str, tuple[str, str, str]] = {
    "empty items": ('{"items":[', "{},", "{}]}"),
    "null items": ('{"items":[', "null,", "null]}"),
    "items of numbers": ('{"items":[', "1,", "1]}"),
    "items of texts": ('{"items":[', '"",', '""]}'),
    "items of lists": ('{"items":[', "[],", "[]]}"),
    "a bad item first": ('{"items":[{"name":1},', "{},", "{}]}"),
    "a bad item last": ('{"items":[', "{},", '{"name":1}]}'),
    "named items": ('{"items":[', '{"name":"a"},', "{}]}"),
    "items with an album each": ('{"items":[', '{"album":{}},', "{}]}"),
    "plays of both shapes": ('{"items":[', '{"item":{},"track":{}},', "{}]}"),
    "pages in a page": ("{", '"items":[' + "{}," * 49 + "{}],", '"items":[{"name":"a"}]}'),
    "empty pages in a page": ("{", '"items":[],', '"items":[{"name":"a"}]}'),
    "unknown members of a page": ('{"id":"x",', '"":1,', '"items":[]}'),
    "unknown members of an item": ('{"items":[{"name":"a"', ',"":1', "}]}"),
    "escaped member names": ('{"items":[{"name":"a"', ',"\\n":1', "}]}"),
    "one member over and over": ('{"id":"x","items":[{"name":"a"', ',"id":"ab"', "}]}"),
    "albums over and over": ('{"items":[{"name":"a"', ',"album":{}', "}]}"),
    "tracks over and over": ('{"items":[{"name":"a"', ',"track":{}', "}]}"),
    "pictures over and over": ('{"items":[{"name":"a"', ',"images":[' + "{}," * 7 + "{}]", "}]}"),
    "pictures": ('{"items":[{"name":"a","images":[', "{},", "{}]}]}"),
    "pictures that are none": (
        '{"items":[{"name":"a","images":[',
        '{"url":"https://a b"},',
        "{}]}]}",
    ),
    "an album's pictures": ('{"items":[{"name":"a","album":{"images":[', "{},", "{}]}}]}"),
    "genres": ('{"items":[{"name":"a","genres":[', '"ab",', '"b"]}]}'),
    "artists": ('{"items":[{"name":"a","artists":[', "{},", "{}]}]}"),
    "a play's artists": ('{"items":[{"track":{"name":"a","artists":[', "{},", "{}]}}]}"),
    "lists where a number is due": ('{"items":[{"name":"a","popularity":[', "[],", "1]}]}"),
    "objects where a number is due": ('{"id":"x","followers":[', "{},", "{}]}"),
    "floats at the end of their range": (
        '{"items":[{"images":[{"width":0',
        ',"width":1.7976931348623157e308',
        "}]}]}",
    ),
    "floats where a number is due": (
        '{"items":[{"popularity":[',
        "2.2250738585072011e-308,",
        "1]}]}",
    ),
    "a number of a million digits": ('{"items":[{"name":"a","duration_ms":', "9", "}]}"),
    "numbers of 4,000 digits": ('{"items":[{"name":"a","popularity":[', "9" * 4000 + ",", "1]}]}"),
    "lists in lists": (
        '{"items":[{"name":"a","popularity":[',
        "[" * 900 + "]" * 900 + ",",
        "1]}]}",
    ),
    "lists without an end": ('{"items":[{"name":"a","popularity":', "[", ""),
    "a long name": ('{"items":[{"name":"', "a", '"}]}'),
    "escapes": ('{"items":[{"name":"', "\\u0041", '"}]}'),
    "whole pairs and a half one": ('{"items":[{"name":"', "\\ud83d\\ude00", '\\ud800"}]}'),
    "half pairs": ('{"items":[{"name":"', "\\ud800", '"}]}'),
    "backslashes and half a pair": ('{"items":[{"name":"\\ud800', "\\\\", '"}]}'),
    "spaces": ('{"items":[', " ", '{"name":"a"}]}'),
    "what breaks off": ('{"items":[{"name":"a","images":[', "{},", "{}]}"),
}
NAMES: Mapping[str, str] = {
    "letters": "ab ",
    "joiners": "\u200d",
    "joined letters": "ن\u200d",
    "joined letters with marks": "ن" + "\u0315\u0300" * 7 + "\u200d",
    "joined pictures": "👩\u200d",
    "thirty marks on a letter": "a" + "\u0315\u0300" * 15,
    "marks without end": "\u0315\u0300",
    "signs that stand for eighteen letters": "\ufdfa",
    "control characters": "a\x01",
    "entities": "&CounterClockwiseContourIntegral",
    "tags": "<b>",
}


def hostile(size: int) -> dict[str, bytes]:
    """Bodies of this size, by what they are made of."""
    found = {name: _filled(*parts, size) for name, parts in _REPEATED.items()}
    item = '{{"name":"a","images":[{}{{}}]}}'.format("{}," * (size // 160))
    found["fifty items full of pictures"] = f'{{"items":[{",".join([item] * _ROWS)}]}}'.encode()
    for name, byte in (("bytes that are no characters", b"\xff"), ("half characters", b"\xe2\x82")):
        row = b'{"name":"%b"}' % (byte * (size // 55 // len(byte)))
        found[name] = b'{"items":[%b]}' % b",".join([row] * _ROWS)
    return found


def bomb() -> bytes:
    """A gigabyte of nothing, as it travels."""
    return gzip.compress(bytes(2**30), 9)


def listener(unit: str, size: int = SIZES[0]) -> dict[str, bytes]:
    """The five bodies of a listener whose every text is made of this."""
    room = min(_NAME, size // (_ROWS * (_CREDITS + 4) * len(unit.encode()) // len(unit) + 1))

    def text(at: int, most: int = room) -> str:
        return f"{at} " + (unit * most)[: most - 5]

    def row(kind: str, at: int) -> dict[str, Any]:
        return {"id": f"{kind}{at}", "uri": f"spotify:{kind}:{at}", "name": text(at)}

    def track(at: int) -> dict[str, Any]:
        by = [{"id": f"a{at}{number}", "name": text(number)} for number in range(_CREDITS)]
        return {**row("track", at), "artists": by, "album": {"name": text(at)}}

    genres = [[text(at * _GENRES + each, 60) for each in range(_GENRES)] for at in range(_ROWS)]
    pages: list[list[dict[str, Any]]] = [
        [{**row("artist", at), "genres": genres[at]} for at in range(_ROWS)],
        [track(at) for at in range(_ROWS)],
        [{"track": track(at + _ROWS)} for at in range(_ROWS)],
        [{**row("playlist", at), "description": text(at) * 3} for at in range(_ROWS)],
    ]
    answers: list[dict[str, Any]] = [{"id": "x", "display_name": text(0)}]
    answers += [{"items": rows} for rows in pages]
    return dict(zip(PATHS, map(orjson.dumps, answers), strict=True))


def _filled(begin: str, unit: str, end: str, size: int) -> bytes:
    return (begin + unit * ((size - len(begin) - len(end)) // len(unit)) + end).encode()
