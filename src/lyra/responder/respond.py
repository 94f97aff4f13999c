"""The whole way from a question to its answer."""

from lyra.responder.answers import ANSWERS
from lyra.responder.intents import Intent, understand
from lyra.responder.listener import Listener, Voice
from lyra.responder.names import Names
from lyra.responder.reading import common_words
from lyra.responder.wording import enumerate_, quote

_EXPLAINED = ("unclear", "denied")  # they name themselves what they did not understand


def respond(question: str, listener: Listener, voice: Voice) -> str:
    """Return the answer to a question; what it does not take into account, it says first.

    The same question about the same data always gets the same answer.
    """
    intents = understand(question, Names(listener, common_words()))
    answers = [ANSWERS[intent.kind](listener, intent, voice) for intent in intents]
    missed = [
        word for intent in intents if intent.kind not in _EXPLAINED for word in intent.unheeded
    ]
    return "\n\n".join([*_caveat(missed), *dict.fromkeys(answers)])


def _caveat(missed: list[str]) -> list[str]:
    words = [quote(word) for word in dict.fromkeys(missed)]
    return (
        [f"This does not take {enumerate_(words, 'or')} into account, which I cannot judge."]
        if words
        else []
    )


def kinds_of(question: str, listener: Listener) -> tuple[Intent, ...]:
    """Return what the question is understood as."""
    return understand(question, Names(listener, common_words()))
