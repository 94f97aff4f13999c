"""The lines under an answer on a terminal: its cards, and what it has cost."""

import re
from typing import Any

import msgspec

from lyra.cli.client import strip_controls

_ITEM = re.compile(r"spotify:(track|album|artist|playlist):([A-Za-z0-9]{1,64})")
_DASH = "\u2013"
_LONGEST = 200  # characters of a name, a row of artists or a sentence


class _Cache(msgspec.Struct):
    spotify_calls: int = 0


class _Tools(msgspec.Struct):
    searches: int = 0
    refused: int = 0
    refusal: str = ""


class _Usage(msgspec.Struct, rename="camel"):
    output_tokens: int = 0


class _Metadata(msgspec.Struct):
    """What an ending tells of the answer's cost."""

    duration_ms: float
    cache: _Cache
    usage: _Usage
    first_token_ms: float | None = None
    tools: _Tools | None = None


class _Card(msgspec.Struct):
    """An item that the answer names."""

    name: str
    uri: str = ""
    artists: tuple[str, ...] = ()
    new: bool = False


def card_line(data: dict[str, Any]) -> str:
    """Return a card on one line: its name, its artists, whether it is new, and where it is at Spotify.

    It is empty where this version does not know such a card.
    """
    try:
        card = msgspec.convert(data, _Card)
    except msgspec.ValidationError:
        return ""
    artists = one_line(", ".join(card.artists))
    named = f"{one_line(card.name)} {_DASH} {artists}" if artists else one_line(card.name)
    item = _ITEM.fullmatch(card.uri)
    address = f": https://open.spotify.com/{item[1]}/{item[2]}" if item else ""
    return f"{named}{' (new)' if card.new else ''}{address}"


def receipt_lines(metadata: Any) -> list[str]:
    """Return what was not looked up, if anything, and what the answer has cost."""
    try:
        cost = msgspec.convert(metadata, _Metadata)
    except msgspec.ValidationError:
        return []
    refused = []
    if cost.tools is not None and cost.tools.refused:
        told = f"Not looked up: {count_noun(cost.tools.refused, 'item')}. {one_line(cost.tools.refusal)}"
        refused.append(told.rstrip())
    return [*refused, ", ".join(_receipt(cost))]


def _receipt(cost: _Metadata) -> list[str]:
    told = []
    if cost.cache.spotify_calls or cost.tools is None:  # a search is a call, too
        told.append(count_noun(cost.cache.spotify_calls, "Spotify call"))
    if cost.tools is not None and cost.tools.searches:
        told.append(count_noun(cost.tools.searches, "Spotify search", "es"))
    if cost.first_token_ms is not None:
        told.append(f"first word {_time(cost.first_token_ms)}")
    told.append(_time(cost.duration_ms))
    if cost.usage.output_tokens:
        told.append(count_noun(cost.usage.output_tokens, "token"))
    return told


def count_noun(count: int, noun: str, more: str = "s") -> str:
    """Return the number with its noun, in the plural where it is not one."""
    return f"{count} {noun}{'' if count == 1 else more}"


def _time(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"  # noqa: PLR2004 - ms of a second


def one_line(text: str) -> str:
    """Return the text on one line, cut where it is very long, without what controls a terminal."""
    return " ".join(strip_controls(text[: 2 * _LONGEST]).split())[:_LONGEST]
