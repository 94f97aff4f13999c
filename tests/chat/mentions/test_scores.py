"""Cards over 915 labelled texts: the right item, and no other artist's song."""

from tests.support.documents import ROOT
from tests.support.mention_scores import read_texts, score, table, total

PRECISION, RECALL = 0.93, 0.88


def test_the_set_is_large_and_a_third_of_it_is_kept_aside() -> None:
    texts = read_texts()
    aside = sum(text.kept_aside for text in texts)

    assert len(texts) >= 800
    assert len({(text.listener, text.text) for text in texts}) == len(texts)
    assert 0.25 < aside / len(texts) < 0.4


def test_texts_that_the_rules_were_not_made_on_get_the_right_cards() -> None:
    aside = total(score(kept_aside=True))

    assert aside.precision >= PRECISION
    assert aside.recall >= RECALL


def test_texts_that_the_rules_were_made_on_get_the_right_cards() -> None:
    made_on = total(score(kept_aside=False))

    assert made_on.precision >= PRECISION
    assert made_on.recall >= RECALL


def test_another_artists_song_of_that_title_is_no_card() -> None:
    assert score(kept_aside=False)["another artist"].wrong == 0
    assert score(kept_aside=True)["another artist"].wrong == 0


def test_the_page_tells_the_figures_that_are_counted() -> None:
    assert table() in (ROOT / "docs" / "EVALUATION.md").read_text("utf-8")
