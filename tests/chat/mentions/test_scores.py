"""Cards over 1,015 labelled texts: the right item, and no other artist's song."""

from collections import Counter

import pytest

from tests.support.documents import ROOT
from tests.support.mention_scores import Part, read_texts, score, table, total

PRECISION, RECALL = 0.93, 0.88


def test_the_set_is_large_and_a_third_of_it_is_kept_aside() -> None:
    texts = read_texts()
    parts = Counter(text.part for text in texts)

    assert len(texts) >= 1_000
    assert len({(text.listener, text.text) for text in texts}) == len(texts)
    assert 0.25 < parts[Part.KEPT_ASIDE] / len(texts) < 0.4
    assert parts[Part.UNSEEN] >= 100


@pytest.mark.parametrize("part", Part)
def test_texts_get_the_right_cards(part: Part) -> None:
    whole = total(score(part).values())

    assert whole.precision >= PRECISION
    assert whole.recall >= RECALL


@pytest.mark.parametrize("part", [Part.MADE_ON, Part.KEPT_ASIDE])
def test_another_artists_song_of_that_title_is_no_card(part: Part) -> None:
    assert score(part)["another artist"].wrong == 0


def test_the_page_tells_the_figures_that_are_counted() -> None:
    assert table() in (ROOT / "docs" / "EVALUATION.md").read_text("utf-8")
