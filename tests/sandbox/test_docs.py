"""docs/SANDBOX.md names the whole language."""

from pathlib import Path

import pytest

from lyra.sandbox import PERSONAS, REGIMES
from lyra.sandbox.model_call import SCRIPTS
from lyra.sandbox.tokens import RULES

PAGE = Path(__file__).parents[2] / "docs" / "SANDBOX.md"


@pytest.mark.parametrize("word", sorted({*PERSONAS, *REGIMES, *RULES, *SCRIPTS}))
def test_every_word_of_the_language_is_in_the_docs(word: str) -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert any(f"`{word}{end}" in page for end in ("`", "-<"))
