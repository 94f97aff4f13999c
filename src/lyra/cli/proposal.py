"""A proposed playlist in the terminal: how it is listed, and what `/save` says of it."""

import re
from typing import Any, NamedTuple

import msgspec

from lyra.cli.below_answer import count_noun, one_line
from lyra.cli.client import ChatError

_DASH = "\u2013"
_MINUTE_MS = 60_000
_USAGE = "Type /save, /save 1 3 2 or /save as <name>; numbers and a name may stand together."
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


class _Track(msgspec.Struct):
    uri: str
    name: str
    artists: tuple[str, ...] = ()
    duration_ms: int | None = None
    new: bool = False


class _Extended(msgspec.Struct):
    name: str


class Proposal(msgspec.Struct):
    """A playlist that may be saved, as the server shows it."""

    id: str
    name: str
    tracks: tuple[_Track, ...]
    minutes: int | None = None
    notes: tuple[str, ...] = ()
    extends: _Extended | None = None


class Choice(NamedTuple):
    """What is to be saved; None: as it was proposed."""

    name: str | None
    uris: list[str] | None

    @property
    def body(self) -> dict[str, Any]:
        """The body of the request that saves it."""
        return {name: value for name, value in self._asdict().items() if value is not None}


def read_proposal(data: object) -> Proposal | None:
    """Return the proposal, None where this version does not know such a one."""
    try:
        proposal = msgspec.convert(data, Proposal)
    except msgspec.ValidationError:
        return None
    return proposal if _ID.fullmatch(proposal.id) else None


def proposal_lines(proposal: Proposal) -> list[str]:
    """Return the lines that show it: what it is, its numbered tracks, its notes, what can be done."""
    songs = count_noun(len(proposal.tracks), "song")
    length = "" if proposal.minutes is None else f", {proposal.minutes} min"
    what = f"More for {one_line(proposal.name)}" if proposal.extends else one_line(proposal.name)
    rows = [_row(number, track) for number, track in enumerate(proposal.tracks, 1)]
    notes = [one_line(note) for note in proposal.notes]
    return [
        f"Proposed: {what} ({songs}{length})",
        *rows,
        *notes,
        "/save keeps it, /save 1 3 2 these in this order, /save as <name>; /dismiss drops it.",
    ]


def _row(number: int, track: _Track) -> str:
    artists = one_line(", ".join(track.artists))
    named = f"{one_line(track.name)} {_DASH} {artists}" if artists else one_line(track.name)
    length = "" if track.duration_ms is None else f" {_clock(track.duration_ms)}"
    return f"{number:3}. {named}{length}{' (new)' if track.new else ''}"


def _clock(ms: int) -> str:
    return f"{ms // _MINUTE_MS}:{ms % _MINUTE_MS // 1000:02}"


def read_choice(words: str, proposal: Proposal) -> Choice:
    """Return what `/save <words>` chooses: numbers of tracks in their order, `as` a name, or both.

    Raises:
        ChatError: it says something else, or a number that is none of the list's or stands there twice.
    """
    listed, named, name = f" {words} ".partition(" as ")
    if named and not name.strip():
        raise ChatError(_USAGE)
    places = {str(place): place for place in range(1, len(proposal.tracks) + 1)}
    chosen: list[str] = []
    for number in listed.replace(",", " ").split():
        place = places.get(number)
        if place is None:
            unknown = f"There is no song number {one_line(number)} in the list."
            raise ChatError(unknown if number.isdecimal() else _USAGE)
        uri = proposal.tracks[place - 1].uri
        if uri in chosen:
            raise ChatError(f"Song number {place} stands there twice.")
        chosen.append(uri)
    return Choice(name.strip() or None, chosen or None)
