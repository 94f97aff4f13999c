"""Cards: which of the items that a text names are found, and what is found beside them.

The texts and their listeners are invented, and labelled by hand: `tests/data/mentions_texts.txt` and,
by another hand, `tests/data/mentions_more.jsonl`. A third of them, chosen by a hash of the text, is
kept aside: it is counted, and not looked at when the rules are changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from lyra.chat.mentions.cards import Mention, find_mentions
from lyra.listening.models import Artist, Listening, Playlist, Profile, Track

FOLDER = Path(__file__).parents[1] / "data"
_KEPT_ASIDE = 3  # one of so many


@dataclass(frozen=True)
class Text:
    """One labelled text about a listener; `named` are the labels of the items that it means."""

    kind: str
    text: str
    named: frozenset[str]
    listener: str

    @property
    def kept_aside(self) -> bool:
        """Whether it belongs to the third that the rules were not made on."""
        return sha256(self.text.encode()).digest()[0] % _KEPT_ASIDE == 0


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
    return [*_read_lines(), *_read_more()]


def _read_lines() -> Iterator[Text]:
    kind = ""
    for line in (FOLDER / "mentions_texts.txt").read_text("utf-8").splitlines():
        if line.startswith("## ") and "=>" not in line:
            kind = line.removeprefix("## ")
        elif "=>" in line:
            text, _, labels = line.rpartition(" =>")
            named = frozenset(label.strip() for label in labels.split(";") if label.strip())
            yield Text(kind, text.replace("\\n", "\n"), named, "vesna")


def _read_more() -> Iterator[Text]:
    for line in (FOLDER / "mentions_more.jsonl").read_bytes().splitlines():
        text = orjson.loads(line)
        named = frozenset(map(_short_label, text["expected"]))
        yield Text(f"{text['kind']}, by another hand", text["text"], named, text["listener"])


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


def score(*, kept_aside: bool) -> dict[str, Score]:
    """Return the counts by kind, of the part kept aside or of the other."""
    listeners = read_listeners()
    labels = {name: dict(_labels(each)) for name, each in listeners.items()}
    scores: dict[str, Score] = {}
    for text in read_texts():
        if text.kept_aside is kept_aside:
            mentions = find_mentions(text.text, listeners[text.listener])
            found = frozenset(labels[text.listener][_uri(each)] for each in mentions)
            scores.setdefault(text.kind, Score()).add(text, found)
    return scores


def total(scores: dict[str, Score]) -> Score:
    """Return the counts of all kinds together."""
    whole = Score()
    for each in scores.values():
        whole.texts += each.texts
        whole.whole += each.whole
        whole.right += each.right
        whole.wrong += each.wrong
        whole.missed += each.missed
    return whole


def table() -> str:
    """Return the figures as a table in Markdown: all texts by kind, and the two parts."""
    made_on, aside = score(kept_aside=False), score(kept_aside=True)
    rows = [
        "| kind | texts | as labelled | wrong cards | missed | precision | recall |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in made_on | aside:
        both = total({"a": made_on.get(kind, Score()), "b": aside.get(kind, Score())})
        rows.append(_row(kind, both))
    rows.append(_row("**the rules were made on**", total(made_on)))
    rows.append(_row("**kept aside**", total(aside)))
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
