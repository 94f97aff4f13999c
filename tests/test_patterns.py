"""Lyra's regular expressions: none can take the square of its text by repeating a repetition."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import lyra
from lyra.listening.parse import parse_artists, parse_playlists

_parser: Any = importlib.import_module("re._parser")
UNBOUNDED = _parser.MAXREPEAT
MANY = 100  # what may be repeated so often is as good as unbounded


def patterns() -> Iterator[Any]:
    for module in pkgutil.walk_packages(lyra.__path__, "lyra."):
        if not module.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    yield pytest.param(value, id=f"{module.name}.{name}")


def repeated(parsed: Any, *, inside: bool = False) -> bool:
    """Whether something that may be repeated without end is in something else that may."""
    for code, value in parsed:
        endless = str(code).endswith("_REPEAT") and value[1] >= MANY
        if endless and inside:
            return True
        parts = value if isinstance(value, (tuple, list)) else [value]
        for part in parts:
            for one in part if isinstance(part, list) else [part]:
                if isinstance(one, _parser.SubPattern) and repeated(one, inside=inside or endless):
                    return True
    return False


@pytest.mark.parametrize("pattern", ["(a+)+", "(?:a*b?)*", "(x|a+)*c", "(?:[ab]{2,}){3,}"])
def test_a_repeated_repetition_is_seen(pattern: str) -> None:
    assert repeated(_parser.parse(pattern))


@pytest.mark.parametrize("pattern", list(patterns()))
def test_nothing_repeated_is_repeated(pattern: re.Pattern[Any]) -> None:
    assert not repeated(_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))


@pytest.mark.parametrize("tail", ["x" * 2_000, '\\"', " ", "\\u007f"])
def test_addresses_are_short_or_none(tail: str) -> None:
    page = (
        '{"items":[{"name":"a","uri":"spotify:artist:%s","images":[{"url":"https://a.example/%s"}],'
        '"external_urls":{"spotify":"https://open.spotify.com/%s"}}]}'
    )
    [kept] = parse_artists((page % (tail, tail, tail)).encode()).items

    assert (kept.uri, kept.url, kept.image) == (None, None, None)


def test_of_a_description_only_the_beginning_is_looked_at() -> None:
    page = '{"items":[{"name":"a","description":"%s"}]}'
    seen, unseen = "<b>" * 800 + "words", "<b>" * 1_100 + "words"

    assert parse_playlists((page % seen).encode()).items[0].playlist.description == "words"
    assert parse_playlists((page % unseen).encode()).items[0].playlist.description is None
