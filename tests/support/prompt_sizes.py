"""How large the listener's part of the prompt is, beside what it was as JSON objects.

`python -m tests.support.prompt_sizes` prints the table of docs/EVALUATION.md.
"""

import asyncio
import math
import re
from typing import NamedTuple

from lyra.listening.context import listening_context
from tests.support.invented_listeners import read_invented

SEEDS = (7, 8, 9)
# Of listeners with these seeds, at a Spotify that tells genres: UTF-8 bytes, and tokens of the first.
# As JSON objects, up to version 0.1.0: no genre of an artist, no album, day, description or total.
FORMER: dict[str, tuple[tuple[int, int, int], int]] = {
    "typical": ((10_313, 10_040, 11_390), 4_085),
    "heavy": ((11_884, 15_954, 12_954), 4_789),
    "new": ((1_744, 1_836, 2_919), 708),
    "one_artist": ((12_514, 6_376, 4_737), 4_905),
    "odd": ((12_949, 11_528, 12_849), 5_234),
    "classical": ((21_713, 20_988, 22_017), 8_694),
    "podcast": ((10_445, 10_286, 9_394), 4_158),
    "local_files": ((14_409, 9_802, 9_986), 5_780),
    "private_session": ((6_501, 9_077, 9_036), 2_684),
    "huge_library": ((11_874, 11_811, 13_459), 4_765),
    "no_scope_top": ((5_381, 5_952, 5_202), 2_116),
    "no_scope_recent": ((7_024, 7_219, 9_528), 2_849),
    "no_scope_playlists": ((9_177, 9_906, 10_570), 3_587),
    "revoked_midway": ((10_658, 12_001, 10_515), 4_211),
}
_PIECES = re.compile(r"[^\W\d_]+|\d|[^\w\s]+|_")
_WORD_BYTES = 3


class PromptSize(NamedTuple):
    """Bytes and estimated tokens of one listener's data, before and now."""

    listener: str
    former_bytes: int
    bytes: int
    former_tokens: int
    tokens: int


def estimate_tokens(text: str) -> int:
    """One for each digit, each run of other signs, and every three bytes begun of a word."""
    return sum(map(_tokens, _PIECES.findall(text)))


def _tokens(piece: str) -> int:
    return math.ceil(len(piece.encode()) / _WORD_BYTES) if piece[0].isalpha() else 1


async def context_of(persona: str, seed: int) -> str:
    """The lines about this listener of the sandbox."""
    return listening_context(await read_invented(seed, persona), "full")


async def prompt_sizes() -> list[PromptSize]:
    """The sizes for one listener of each kind, in a second or two."""
    sizes = []
    for persona, (former_bytes, former_tokens) in FORMER.items():
        context = await context_of(persona, SEEDS[0])
        now = len(context.encode()), estimate_tokens(context)
        sizes.append(PromptSize(persona, former_bytes[0], now[0], former_tokens, now[1]))
    return sizes


def as_markdown(sizes: list[PromptSize]) -> str:
    """The sizes as the table of docs/EVALUATION.md."""
    head = "| listener | bytes before | bytes | tokens before | tokens |\n|---|---:|---:|---:|---:|"
    rows = (
        f"| {one.listener} | {one.former_bytes:,} | {one.bytes:,} "
        f"| {one.former_tokens:,} | {one.tokens:,} |"
        for one in sizes
    )
    return "\n".join((head, *rows))


if __name__ == "__main__":
    print(as_markdown(asyncio.run(prompt_sizes())))  # noqa: T201 - what it is for
