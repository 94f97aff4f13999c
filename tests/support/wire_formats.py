"""What the tests of the other two wires share."""

import re
from typing import Any

import orjson

from tests.conftest import Service
from tests.support.calls import Answer, call

ASKED = "Which artists do I listen to most?"
USER: dict[str, Any] = {"role": "user", "content": ASKED}

# Faults of the model after its first words, and the code that the answer then ends with.
BROKEN = {
    "errmid": "llm_unavailable",
    "errmid-rate_limit_error": "llm_rate_limited",
    "drop": "llm_interrupted",
    "eof": "llm_truncated",
    "malformed": "llm_interrupted",
}
# Faults before them, on a warm listener: the code of the HTTP status.
REFUSED = {"err-401": "llm_misconfigured", "err-429-3600": "llm_rate_limited"}


async def post(service: Service, path: str, body: Any, token: str | None = None) -> Answer:
    return await call(service, "POST", path, json=body, headers=service.headers(token))


def data_of(body: bytes) -> list[bytes]:
    """What the frames of a stream hold; a frame of any other kind is refused."""
    *frames, rest = body.split(b"\n\n")
    assert rest == b""
    shown = [
        re.sub(rb"^id: run_[0-9a-f]{16}\.\d+\n", b"", each) for each in frames if each != b": ka"
    ]
    assert all(each.startswith(b"data: ") and b"\n" not in each for each in shown)
    return [each.removeprefix(b"data: ") for each in shown]


def documents(data: list[bytes]) -> list[dict[str, Any]]:
    return [orjson.loads(each) for each in data]
