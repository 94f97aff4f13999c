"""Sentences for an answer in which the model itself says too little."""

from lyra.chat.parts import FinishReason

EMPTY = "The model gave no answer. Ask again, or in other words."
REFUSED = "The model refused to answer this. Ask in other words, or something else."
REFUSED_MORE = "The model refused to go on. What you see may be incomplete."


def ending_notice(reason: FinishReason, text: str) -> str | None:
    """Return the sentence for an answer that ended so, or None if it needs none."""
    if text.strip():
        return REFUSED_MORE if reason == "content-filter" else None
    return REFUSED if reason == "content-filter" else EMPTY
