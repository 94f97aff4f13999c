"""One answer as it came over the wire: its parts, and what was counted beside it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from tests.support.answers.catalogue import fold, song
from tests.support.stream_grammar import GrammarError, Stream, read_body

Part = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a question got: `body` are the bytes of the stream, `searches` what Spotify has counted.

    `earlier` is the text of the answer before, in the same conversation.
    """

    question: str
    status: int
    body: bytes
    searches: int = 0
    earlier: str = ""

    @cached_property
    def broken(self) -> str:
        """Why the stream is none, or how it breaks the rules of the wire; empty if it does not."""
        if self.status != 200:
            return f"HTTP {self.status} {self.refused}"
        try:
            read_body(self.body)
        except GrammarError as error:
            return str(error)
        return ""

    @property
    def refused(self) -> str:
        """The code of an answer that never began; empty if it did, or if the body has none."""
        if self.status == 200:
            return ""
        try:
            return str(orjson.loads(self.body)["error"]["code"])
        except (ValueError, TypeError, KeyError):
            return ""

    @cached_property
    def stream(self) -> Stream:
        """The parts of a stream that is not broken; of a broken one none."""
        return Stream([{"type": "finish"}]) if self.broken else read_body(self.body)

    @property
    def text(self) -> str:
        """All words, whatever round they are of."""
        return self.stream.text

    @property
    def cards(self) -> list[Part]:
        """The data of the cards."""
        return [part["data"] for part in self.stream.of("data-track")]

    @property
    def proposal(self) -> Part:
        """The playlist that is proposed in the end; empty where none is."""
        parts = self.stream.of("data-playlist")
        return parts[-1]["data"] if parts else {}

    @property
    def proposed(self) -> list[Part]:
        """The tracks of that playlist."""
        return [*self.proposal.get("tracks", ())]

    @property
    def facts(self) -> list[str]:
        """What the answer is said to rest on."""
        return [fact for part in self.stream.of("data-because") for fact in part["data"]["facts"]]

    @property
    def inputs(self) -> list[Part]:
        """With what the tools were called."""
        return [part["input"] for part in self.stream.of("tool-input-available")]

    @property
    def outputs(self) -> list[Part]:
        """What the tools gave."""
        return [part["output"] for part in self.stream.of("tool-output-available")]

    @cached_property
    def found(self) -> list[Part]:
        """The rows of the catalogue in the tools' outputs: each an `item`, and whether it is `known`."""
        return [*_found(self.outputs)]

    @cached_property
    def read(self) -> list[Part]:
        """The rows of the listener's other lists in the tools' outputs."""
        return [row for output in self.outputs for row in output.get("rows", ())]

    def has_read(self, item: Part) -> bool:
        """Return whether one of those rows is this item, by its names: they have no addresses."""
        artists = {fold(each) for each in item.get("artists", ())}
        return any(
            song(row["name"]) == song(item["name"])
            and (not artists or not artists.isdisjoint(map(fold, row.get("artists", ()))))
            for row in self.read
        ) or any(artist == fold(item["name"]) for artist in self._artists_read)

    @cached_property
    def _artists_read(self) -> frozenset[str]:
        return frozenset(fold(each) for row in self.read for each in row.get("artists", ()))

    @property
    def receipt(self) -> Part:
        """What the ending says of the tools; empty if there were none."""
        receipt: Part = self._ending.get("tools", {})
        return receipt

    @property
    def calls(self) -> int:
        """How many calls of tools were made."""
        calls: int = self.receipt.get("calls", 0)
        return calls

    @property
    def tokens(self) -> int:
        """What all calls of the model together have read and written."""
        usage = self._ending.get("usage", {})
        return sum(value for value in usage.values() if isinstance(value, int))

    @property
    def rounds(self) -> int:
        """How often the model was called."""
        return max(1, len(self.stream.of("start-step")))

    @property
    def _ending(self) -> Part:
        metadata: Part = self.stream.parts[-1].get("messageMetadata", {})
        return metadata


def _found(outputs: list[Part]) -> Iterator[Part]:
    for row in (row for output in outputs for row in output.get("items", ())):
        if "item" in row:
            yield row
        elif "uri" in row:
            yield {"item": row, **{name: row[name] for name in ("known",) if name in row}}
