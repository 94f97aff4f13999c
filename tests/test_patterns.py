"""Lyra's regular expressions: none can take the square of its text, by repetitions in or beside another."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import lyra
from lyra.listening.parse import parse_artists, parse_playlists

_parser: Any = importlib.import_module("re._parser")
_compiler: Any = importlib.import_module("re._compiler")
UNBOUNDED = _parser.MAXREPEAT
MANY = 100  # what may be repeated so often is as good as unbounded
LETTERS = [*map(chr, range(128)), *"\u00a0\u0301\u2014\u201céя夜😀"]


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


def letters(parsed: Any) -> set[str]:
    """Return the letters that one repetition may take; of more than a letter, any."""
    if len(parsed) != 1 or str(parsed[0][0]) == "SUBPATTERN":
        return set(LETTERS)
    one = _compiler.compile(parsed)
    return {letter for letter in LETTERS if one.fullmatch(letter)}


def may_be_empty(code: Any, value: Any) -> bool:
    """Whether this part of a pattern may match nothing."""
    kind = str(code)
    if kind.endswith("_REPEAT"):
        return bool(value[0] == 0)
    if kind == "BRANCH":
        return any(all(may_be_empty(*part) for part in branch) for branch in value[1])
    return kind == "AT" or kind.startswith("ASSERT")


def flat(parsed: Any) -> Iterator[Any]:
    """The parts of a pattern in order, those of its groups among them."""
    for code, value in parsed:
        yield from flat(value[-1]) if str(code) == "SUBPATTERN" else [(code, value)]


def side_by_side(parsed: Any) -> bool:
    """Whether two endless repetitions with nothing for certain between them may take the same."""
    before: list[set[str]] = []
    for code, value in flat(parsed):
        kind = str(code)
        if kind == "BRANCH" and any(map(side_by_side, value[1])):
            return True
        endless = kind.endswith("_REPEAT") and value[1] >= MANY
        here = letters(value[2]) if endless else set()
        if any(here & earlier for earlier in before):
            return True
        if not may_be_empty(code, value):
            before = []
        if endless:
            before.append(here)
    return False


@pytest.mark.parametrize(
    "pattern", [r"\s*-?\s*$", "a+a+b", r"\s*(?:x)?\s*", "a*b*a*", "(a*)(b?)(a*)"]
)
def test_two_endless_repetitions_side_by_side_are_seen(pattern: str) -> None:
    assert side_by_side(_parser.parse(pattern))


@pytest.mark.parametrize("pattern", [r"\s*(?:-\s*)?$", "a+b+", r"\s*-\s*", "a{1,9}a*"])
def test_repetitions_that_something_keeps_apart_are_fine(pattern: str) -> None:
    assert not side_by_side(_parser.parse(pattern))


@pytest.mark.parametrize("pattern", list(patterns()))
def test_no_two_endless_repetitions_may_take_the_same(pattern: re.Pattern[Any]) -> None:
    assert not side_by_side(_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))


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
