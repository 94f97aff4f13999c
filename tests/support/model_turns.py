"""Turns of a model that calls tools, drawn at random: whole ones, cut ones, and ones that break.

What has to become of a turn is told from what was drawn: nothing of Lyra's reading is used.
"""

import asyncio
import re
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson
from aiohttp import web

from tests.support.scripted_model import event, opened

Block = dict[str, Any]
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_WORDS = (
    "Let me look. ",
    "Well, ",
    "**Low Tide**",
    "\n\n",
    " ",
    "\U0001f3b5",
    "caf\u00e9 ",
    "1. One\n",
    "",
)
_NAMES = (
    "find_music",
    "find_music",
    "find_music",
    "search_catalogue",
    "get_listening",
    "delete_all",
    "",
)
_BROKEN = ('{"items":', "[1]", "7", '"x"', "null", '{"items": [{"artist"', "{}{}", "nonsense")
_STATUSES = (400, 401, 429, 500, 503, 529)
_SECTIONS = ("top_artists", "top_tracks", "playlist")
_CUTS = ("max_tokens", "refusal", "model_context_window_exceeded")
_WHOLE = ("tool_use", "tool_use", "end_turn", "stop_sequence", "pause_turn", "")
_ERRORS = ("overloaded_error", "api_error", "rate_limit_error", "invalid_request_error")


@dataclass
class DrawnTurn:
    """One reply: its status, its events, and what they say.

    `blocks` are to be replayed, with None for a call's id that no server would take back.
    `breaks`: it ends without its end mark, whose text is only certain up to there.
    """

    status: int = 200
    frames: list[bytes] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    text: str = ""
    usage: dict[str, int] = field(default_factory=dict)
    breaks: bool = False
    dropped: bool = False
    cut: bool = False

    @property
    def calls(self) -> int:
        return sum(block["type"] == "tool_use" for block in self.blocks)

    @property
    def whole(self) -> bool:
        return self.status == 200 and not self.breaks


def draw_turn(rng: Random, songs: list[dict[str, str]], *, most_calls: int = 12) -> DrawnTurn:
    """A turn; one in eight comes to nothing."""
    if rng.random() < 0.06:
        return DrawnTurn(status=rng.choice(_STATUSES))
    turn = DrawnTurn()
    usage = {"input_tokens": rng.randrange(1, 300), "output_tokens": 1}
    turn.frames.append(event("message_start", message={"usage": usage}))
    for _ in range(rng.choice((0, 1, 1, 2))):
        _add_thinking(turn, rng)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        _add_text(turn, rng)
        if rng.random() < 0.3:
            turn.frames.append(event("ping"))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, most_calls))):
        _add_call(turn, rng, songs)
        if rng.random() < 0.15:
            _add_text(turn, rng)
    _end(turn, rng, usage)
    return turn


def _end(turn: DrawnTurn, rng: Random, usage: dict[str, int]) -> None:
    if rng.random() < 0.08:
        turn.breaks = True
        turn.dropped = rng.random() < 0.4
        if not turn.dropped and rng.random() < 0.6:
            turn.frames.append(event("error", error={"type": rng.choice(_ERRORS), "message": "no"}))
        return
    turn.cut = rng.random() < 0.1
    reason = rng.choice(_CUTS if turn.cut else _WHOLE)
    usage["output_tokens"] = rng.randrange(1, 200)
    delta = {"stop_reason": reason or None}
    turn.frames += [
        event("message_delta", delta=delta, usage={"output_tokens": usage["output_tokens"]}),
        event("message_stop"),
    ]
    turn.usage = usage


def _index(turn: DrawnTurn) -> int:
    return sum(b"content_block_start" in frame for frame in turn.frames)


def _block(turn: DrawnTurn, start: Block, deltas: list[Block]) -> None:
    index = _index(turn)
    turn.frames.append(event("content_block_start", index=index, content_block=start))
    turn.frames += [event("content_block_delta", index=index, delta=each) for each in deltas]
    turn.frames.append(event("content_block_stop", index=index))


def _pieces(rng: Random, text: str) -> list[str]:
    pieces: list[str] = []
    while text:
        size = rng.choice((1, 3, 10, 100))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def _add_text(turn: DrawnTurn, rng: Random) -> None:
    text = "".join(rng.choice(_WORDS) for _ in range(rng.randrange(4)))
    deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(rng, text)]
    _block(turn, {"type": "text", "text": ""}, deltas)
    turn.text += text
    if text.strip():
        turn.blocks.append({"type": "text", "text": text})


def _add_thinking(turn: DrawnTurn, rng: Random) -> None:
    if rng.random() < 0.2:
        hidden = {"type": "redacted_thinking", "data": f"c2VjcmV0{rng.randrange(99)}"}
        _block(turn, hidden, [])
        turn.blocks.append(hidden)
        return
    thought, signature = (
        rng.choice(("Hm.", "One, two \u2014 \u97f3.", "")),
        f"c2ln{rng.randrange(99)}",
    )
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(rng, thought)]
    deltas.append({"type": "signature_delta", "signature": signature})
    _block(turn, {"type": "thinking", "thinking": "", "signature": ""}, deltas)
    turn.blocks.append({"type": "thinking", "thinking": thought, "signature": signature})


def _add_call(turn: DrawnTurn, rng: Random, songs: list[dict[str, str]]) -> None:
    name = rng.choice(_NAMES)
    call_id = rng.choice((f"toolu_{rng.randrange(10**9)}", f"toolu_{rng.randrange(3)}", None))
    if rng.random() < 0.1:
        call_id = rng.choice(("", "a b", "x" * 100, 7, f"toolu_lyra_{rng.randrange(4)}"))  # type: ignore[assignment]
    value: Block = rng.choice(({}, {"a": {"b": [1, 2.5, "\u97f3", None]}}, {"items": songs[:13]}))
    if rng.random() < 0.6:
        value = _arguments(rng, name, songs)
    written, early = orjson.dumps(value).decode(), rng.random() < 0.1
    if not early and rng.random() < 0.15:
        value, written = {}, rng.choice(_BROKEN)
    deltas = [{"type": "input_json_delta", "partial_json": each} for each in _pieces(rng, written)]
    start = {"type": "tool_use", "id": call_id, "name": name, "input": value if early else {}}
    _block(turn, start, [] if early else deltas)
    known = isinstance(call_id, str) and _ID.fullmatch(call_id)
    turn.blocks.append(
        {
            "type": "tool_use",
            "id": call_id if known else None,
            "name": name or "unknown",
            "input": value,
        }
    )


def _arguments(rng: Random, name: str, songs: list[dict[str, str]]) -> Block:
    """What this tool may be called with."""
    match name:
        case "search_catalogue":
            artist = songs[0]["artist"]
            return {"query": f'artist:"{artist}"', "kind": rng.choice(("track", "artist"))}
        case "get_listening":
            section, span = rng.choice(_SECTIONS), rng.choice(("short_term", "long_term"))
            return {"section": section, "range": span}
        case _:
            return {"items": rng.sample(songs, rng.randrange(1, 4))}


class DrawnModel:
    """Sends the turns of one answer, in arbitrary pieces of bytes; keeps the requests."""

    def __init__(self) -> None:
        self.begin([], Random(0))

    def begin(self, turns: list[DrawnTurn], rng: Random) -> None:
        """Send these from now on, the last one again and again."""
        self.turns = turns
        self.rng = rng
        self.requests: list[bytes] = []
        self.served: list[DrawnTurn] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.read())
        turn = self.turns[min(len(self.served), len(self.turns) - 1)]
        self.served.append(turn)
        if turn.status != 200:
            kind = {"type": "error", "error": {"type": "api_error", "message": "no"}}
            return web.json_response(kind, status=turn.status)
        response = await opened(request)
        await self._send(response, b"".join(turn.frames))
        if turn.dropped and request.transport is not None:
            request.transport.abort()
        return response

    async def _send(self, response: web.StreamResponse, body: bytes) -> None:
        most = self.rng.choice((7, 100, 1_000, 100_000))
        most = max(most, len(body) // 60)
        while body:
            size = self.rng.randint(1, most)
            await response.write(body[:size])
            body = body[size:]
            await asyncio.sleep(self.rng.choice((0, 0, 0, 0.001)))
