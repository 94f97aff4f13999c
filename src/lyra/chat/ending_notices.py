"""Sentences for an answer in which the model itself says too little."""

from lyra.chat.parts import FinishReason

EMPTY = "The model gave no answer. Ask again, or in other words."
EMPTY_END = "The model said no more after it had looked things up. Ask again, or in other words."
REFUSED = "The model refused to answer this. Ask in other words, or something else."
REFUSED_MORE = "The model refused to go on. What you see may be incomplete."


def ending_notice(reason: FinishReason, before: str, last: str) -> str | None:
    """Return the sentence for an answer that ended so, or None if it needs none.

    `last` is what was said in the last round, `before` in those before it.
    """
    if reason == "content-filter":
        return REFUSED_MORE if before.strip() or last.strip() else REFUSED
    if last.strip():
        return None
    return EMPTY_END if before.strip() else EMPTY
