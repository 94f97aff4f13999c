"""A conversation with the sandbox's model over a socket, in which a test plays the client."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from lyra.sandbox.rng import spotify_id

TOOLS = [
    {"name": name, "description": name, "input_schema": {"type": "object", "properties": {}}}
    for name in ("find_music", "search_catalogue", "get_listening")
]
SYSTEM = """Rules.
<listening_data>
# top artists, ranked by Spotify: name | genres
1. Cyve Orave
2. Ostul Misha
# top tracks, ranked by Spotify: title | artists | album | year of this edition
1. Folded Cathedral II | Ostul Misha
# playlists, 2 of 2, in Spotify's order: name | tracks | own or other's | description
- Quiet desk | 3 | own | spotify:playlist:0123456789abcdefghABCD
- Kitchen | 2 | own
</listening_data>"""


@dataclass
class Message:
    """What the model sent: its blocks as they have to be replayed, and the events they came in."""

    blocks: list[dict[str, Any]]
    stop_reason: str | None
    events: list[dict[str, Any]]
    inputs: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(block["text"] for block in self.blocks if block["type"] == "text")

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [block for block in self.blocks if block["type"] == "tool_use"]


class ModelChat:
    """Asks with tools, reads the stream, and answers calls with the results that a test gives."""

    def __init__(self, ask: Callable[..., Any], model: str = "sandbox-model") -> None:
        self._ask = ask
        self.fields: dict[str, Any] = {"model": model, "system": SYSTEM, "tools": TOOLS}
        self.messages: list[dict[str, Any]] = []

    async def say(self, content: Any, **fields: Any) -> Message:
        """Send the user's words or blocks, and return what the model says."""
        self.messages.append({"role": "user", "content": content})
        async with self._ask(
            messages=self.messages, max_tokens=50_000, **{**self.fields, **fields}
        ) as answer:
            body = await answer.read()
            assert answer.status == 200, body
        message = read_stream(body)
        self.messages.append({"role": "assistant", "content": message.blocks})
        return message

    async def answer(self, message: Message, *values: Any, **fields: Any) -> Message:
        """Send one result for each call of the message; a text is an error's."""
        results = [
            {"type": "tool_result", "tool_use_id": call["id"], **_content(value)}
            for call, value in zip(message.calls, values, strict=True)
        ]
        return await self.say(results, **fields)


def _content(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"content": value, "is_error": True}
    return {"content": orjson.dumps(value).decode()}


def read_stream(body: bytes) -> Message:
    """Return the message of a stream, put together as a client does."""
    frames = [frame.partition(b"data: ")[2] for frame in body.split(b"\n\n") if frame]
    events = [orjson.loads(frame) for frame in frames]
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    stop_reason = None
    for event in events:
        match event["type"]:
            case "content_block_start":
                blocks[event["index"]] = {**event["content_block"]}
            case "content_block_delta":
                _extend(blocks[event["index"]], event["delta"], inputs, event["index"])
            case "message_delta":
                stop_reason = event["delta"]["stop_reason"]
            case _:
                pass
    for index, json in inputs.items():
        try:
            blocks[index]["input"] = orjson.loads(json or "{}")
        except orjson.JSONDecodeError:
            blocks[index]["input"] = {}
    return Message([*blocks.values()], stop_reason, events, [*inputs.values()])


def _extend(
    block: dict[str, Any], delta: dict[str, Any], inputs: dict[int, str], index: int
) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] += delta["signature"]
        case "input_json_delta":
            inputs[index] = inputs.get(index, "") + delta["partial_json"]
        case _:
            pass


def found(item: dict[str, Any], known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the result of one item that was looked up."""
    uri = f"spotify:track:{spotify_id(item['artist'], item['title'])}"
    shown = {"uri": uri, "name": item["title"], "artists": [item["artist"]], "year": 1999}
    return {"asked": item, "found": True, "item": shown, "known": known}


def not_found(item: dict[str, Any], reason: str = "not_found") -> dict[str, Any]:
    """Return the result of one item that is not there, or was not looked up."""
    return {"asked": item, "found": False, "reason": reason, "message": "No such item."}
