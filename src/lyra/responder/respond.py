"""The whole way from a question to its answer."""

from lyra.responder.answers import ANSWERS
from lyra.responder.intents import understand
from lyra.responder.listener import Listener, Voice
from lyra.responder.rules import UNKNOWN
from lyra.responder.wording import enumerate_, quote

_MAX_NAMED = 5


def respond(question: str, listener: Listener, voice: Voice) -> str:
    """Return the answer to a question; what it does not take into account, it says first.

    The same question about the same data always gets the same answer.
    """
    intents = understand(question, listener)
    answers = [ANSWERS[intent.kind](listener, intent, voice) for intent in intents]
    # An answer that says what was not understood names it itself.
    heard = [intent for intent in intents if intent.kind not in UNKNOWN]
    missed = dict.fromkeys(word for intent in heard for word in intent.unheeded)
    return "\n\n".join([*_caveat(list(missed)), *dict.fromkeys(answers)])


def _caveat(missed: list[str]) -> list[str]:
    if not missed:
        return []
    words = enumerate_([quote(word) for word in missed[:_MAX_NAMED]], "or")
    return [f"This does not take {words} into account, which I cannot judge."]
