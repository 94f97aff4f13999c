"""Cards: which of the items that a text names are found, and what is found beside them.

The texts and their listeners are invented, and labelled by hand; see `Part` for what each says.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from lyra.chat.mentions.cards import Mention, find_mentions
from lyra.listening.models import Artist, Listening, Playlist, Profile, Track

FOLDER = Path(__file__).parents[1] / "data"
_KEPT_ASIDE = 3  # one of so many


class Part(StrEnum):
    """What a text tells of the rules: less, the more of it was known when they were made."""

    MADE_ON = "the rules were made on"
    KEPT_ASIDE = "kept aside"  # a third, chosen by a hash of the text: counted, and not looked at
    UNSEEN = "written after the rules"  # by another hand; nobody has looked at what fails


@dataclass(frozen=True)
class Text:
    """One labelled text about a listener; `named` are the labels of the items that it means."""

    kind: str
    text: str
    named: frozenset[str]
    listener: str
    unseen: bool = False

    @property
    def part(self) -> Part:
        """Return the part that it belongs to."""
        if self.unseen:
            return Part.UNSEEN
        aside = sha256(self.text.encode()).digest()[0] % _KEPT_ASIDE == 0
        return Part.KEPT_ASIDE if aside else Part.MADE_ON


@dataclass
class Score:
    """Counts of one kind of text."""

    texts: int = 0
    whole: int = 0
    right: int = 0
    wrong: int = 0
    missed: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """The part of the cards that belong to an item the text means."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """The part of the meant items that have a card."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    def add(self, text: Text, found: frozenset[str]) -> None:
        """Count one text."""
        self.texts += 1
        self.whole += found == text.named
        self.right += len(found & text.named)
        self.wrong += len(found - text.named)
        self.missed += len(text.named - found)
        if found != text.named:
            wrong, missed = sorted(found - text.named), sorted(text.named - found)
            self.failures.append(f"{text.text!r}: wrong {wrong}, missed {missed}")


def read_texts() -> list[Text]:
    """Return the labelled texts, in their order."""
    return [
        *_read_lines(),
        *_read_objects("mentions_more.jsonl", "by another hand"),
        *_read_objects("mentions_unseen.jsonl", Part.UNSEEN, unseen=True),
    ]


def _read_lines() -> Iterator[Text]:
    kind = ""
    for line in (FOLDER / "mentions_texts.txt").read_text("utf-8").splitlines():
        if line.startswith("## ") and "=>" not in line:
            kind = line.removeprefix("## ")
        elif "=>" in line:
            text, _, labels = line.rpartition(" =>")
            named = frozenset(label.strip() for label in labels.split(";") if label.strip())
            yield Text(kind, text.replace("\\n", "\n"), named, "vesna")


def _read_objects(file: str, suffix: str, *, unseen: bool = False) -> Iterator[Text]:
    for line in (FOLDER / file).read_bytes().splitlines():
        text = orjson.loads(line)
        named = frozenset(map(_short_label, text["expected"]))
        yield Text(f"{text['kind']}, {suffix}", text["text"], named, text["listener"], unseen)


def _short_label(label: str) -> str:
    kind, _, name = label.partition(":")
    return f"{kind[0]}:{name.replace('/', '@') if kind == 'track' else name}"


def read_listeners() -> dict[str, Listening]:
    """Return the listeners whose data the texts are about, by name."""
    listeners = orjson.loads((FOLDER / "mentions_listeners.json").read_bytes())
    return {name: _listening(data) for name, data in listeners.items()}


def _listening(data: dict[str, Any]) -> Listening:
    return Listening(
        Profile("listener"),
        (),
        top_artists=tuple(
            Artist(name, uri=f"spotify:artist:{place}")
            for place, name in enumerate(data["artists"])
        ),
        top_tracks=tuple(
            Track(title, artists=tuple(artists), uri=f"spotify:track:{place}")
            for place, (title, *artists) in enumerate(data["tracks"])
        ),
        playlists=tuple(
            Playlist(name, uri=f"spotify:playlist:{place}")
            for place, name in enumerate(data["playlists"])
        ),
    )


def score(part: Part) -> dict[str, Score]:
    """Return the counts of one part by kind."""
    listeners = read_listeners()
    labels = {name: dict(_labels(each)) for name, each in listeners.items()}
    scores: dict[str, Score] = {}
    for text in read_texts():
        if text.part is part:
            mentions = find_mentions(text.text, listeners[text.listener])
            found = frozenset(labels[text.listener][_uri(each)] for each in mentions)
            scores.setdefault(text.kind, Score()).add(text, found)
    return scores


def total(scores: Iterable[Score]) -> Score:
    """Return the counts together."""
    whole = Score()
    for each in scores:
        whole.texts += each.texts
        whole.whole += each.whole
        whole.right += each.right
        whole.wrong += each.wrong
        whole.missed += each.missed
    return whole


def table() -> str:
    """Return the figures as a table in Markdown: all texts by kind, and each part."""
    parts = {part: score(part) for part in Part}
    kinds = dict.fromkeys(kind for scores in parts.values() for kind in scores)
    rows = [
        "| kind | texts | as labelled | wrong cards | missed | precision | recall |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in kinds:
        of_kind = [scores[kind] for scores in parts.values() if kind in scores]
        rows.append(_row(kind, total(of_kind)))
    rows += [_row(f"**{part}**", total(scores.values())) for part, scores in parts.items()]
    return "\n".join(rows)


def _row(name: str, one: Score) -> str:
    counts = f"{one.texts} | {one.whole} | {one.wrong} | {one.missed}"
    if not one.right:
        return f"| {name} | {counts} | - | - |"  # nothing is meant in such texts
    return f"| {name} | {counts} | {one.precision:.2f} | {one.recall:.2f} |"


def _uri(mention: Mention) -> str:
    return str(mention.item.uri)


def _labels(listener: Listening) -> Iterator[tuple[str, str]]:
    """Yield the label of each item by its address; a track's names its first artist, too."""
    for track in listener.top_tracks:
        yield str(track.uri), f"t:{track.name}@{track.artists[0]}"
    for artist in listener.top_artists:
        yield str(artist.uri), f"a:{artist.name}"
    for playlist in listener.playlists:
        yield str(playlist.uri), f"p:{playlist.name}"
