"""The sandbox model's words: what the responder says of the listening data in the prompt.

The same question about the same data always gets the same answer.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lyra.responder.listener import Voice
from lyra.responder.respond import respond
from lyra.sandbox.model_listener import read_listener

VOICE = Voice(
    introduction=(
        "I am the invented model of this demo: no language model, but fixed rules that count and "
        "list what the prompt says of an invented listener."
    ),
    limits="In this demo, without a real language model,",
    privacy="This is a demo: the listener and all of the music are invented.",
)
_TOLD_NOTHING = (
    "I was told nothing about what you listen to, so I can only speak in general. "
    "Connect your listening data and ask me again."
)


def answer(question: str, data: Mapping[str, Any] | None, now: datetime | None = None) -> str:
    """A few sentences or lines; every name in them is in the data. It is asked at `now`.

    Of messages that were merged the last is answered.
    """
    if data is None:
        return _TOLD_NOTHING
    if isinstance(data.get("withheld"), str):
        return f"I know nothing of your listening. {data['withheld']}"
    return respond(last_of(question), read_listener(data, now), VOICE)


def last_of(question: str) -> str:
    """Return the last of messages that were merged, since the ones before had no answer."""
    return question.rpartition("\n\n")[2]
