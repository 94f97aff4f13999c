import asyncio
import sys
import unicodedata

import pytest
from hypothesis import given, strategies as st

from lyra.listening.sanitize import clean, plain, shorten
from tests.support.steps import steps_of

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=400)
JOINED_TEXT = st.text("\u200c\u200d\ufe0f\u202e\u0301 aمی්ක🌈", max_size=40)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Harbour, Slowly", "Harbour, Slowly"),
        ("  two   spaces ", "two spaces"),
        ("line\nbreak\ttab\u2028and\u2029more", "line break tab and more"),
        ("nul\x00bell\x07", "nulbell"),
        ("\u202eReversed", "Reversed"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("soft\u00adhyphen", "softhyphen"),
        ("filler\u3164\u115f", "filler"),
        ("lone\ud800surrogate", "lonesurrogate"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("凛音楽団 🌧️", "凛音楽団 🌧️"),
        # Joiners are letters: without them these are other words, or several emoji.
        ("نمی\u200cشد", "نمی\u200cشد"),
        ("ශ්\u200dරී", "ශ්\u200dරී"),
        ("क्\u200dष", "क्\u200dष"),
        ("ന്\u200d", "ന്\u200d"),
        ("🏳️\u200d🌈 pride", "🏳️\u200d🌈 pride"),
        ("👩🏽\u200d🎤 singers", "👩🏽\u200d🎤 singers"),
        # Where there is nothing to join they only hide.
        ("in\u200cvis\u200dible", "invisible"),
        ("\u200d\u200c", ""),
        ("نمی\u200c شد\u200d", "نمی شد"),
        ("نمی\u200c\u200c\u200dشد", "نمی\u200cشد"),
        ("نمی\u200c\u202eشد", "نمی\u200cشد"),
        ("<b>stays</b>", "<b>stays</b>"),
        ("", ""),
        ("\u200b", ""),
    ],
)
def test_clean_keeps_what_can_be_seen_on_one_line(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_long_text_ends_in_an_ellipsis_at_the_limit() -> None:
    assert clean("x" * 101) == "x" * 99 + "…"


def test_a_text_of_the_limit_is_whole() -> None:
    assert clean("x" * 100) == "x" * 100


@given(ANY_TEXT, st.integers(1, 120))
def test_clean_text_is_short_composed_encodable_and_visible(text: str, limit: int) -> None:
    shown = clean(text, limit)

    assert len(shown) <= limit
    assert unicodedata.is_normalized("NFC", shown)
    assert shown == " ".join(shown.split())
    seen = shown.replace("\u200c", "").replace("\u200d", "")
    assert not {unicodedata.category(char) for char in seen} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert shown.encode().decode() == shown


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        ("late night &amp; rain", "late night & rain"),
        ('<a href="spotify:playlist:x">more</a> to come', "more to come"),
        ("&lt;script&gt;", "<script>"),
        ("a < b", "a < b"),
        ("&#x202e;reversed", "reversed"),
    ],
)
def test_plain_shows_what_a_reader_of_the_html_would_see(markup: str, shown: str) -> None:
    assert plain(markup) == shown


@given(JOINED_TEXT, st.integers(2, 40))
def test_a_joiner_stays_only_where_it_joins(text: str, limit: int) -> None:
    shown = clean(text, limit)

    assert clean(shown, limit) == shown
    for at, char in enumerate(shown):
        if char in "\u200c\u200d":
            assert shown[at - 1 : at] >= "\u0300"
            assert shown[at - 1] not in "\u200c\u200d"


def test_marks_without_end_are_few() -> None:
    shown = clean("a" + "\u0315\u0300" * 400 + "b", 300)

    assert len(shown) <= 32
    assert shown[-1] == "b"


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"])
def test_all_that_unicode_calls_a_control_is_dropped_but_joiners(joiner: str) -> None:
    every = map(chr, range(sys.maxunicode + 1))
    controls = [char for char in every if unicodedata.category(char) in {"Cc", "Cf", "Cs"}]
    younger = map(chr, range(0x13439, 0x13440))  # than the Unicode of Python 3.11

    assert joiner in controls
    for char in (*controls, *younger):
        assert char.isspace() or char in "\u200c\u200d" or clean(f"ن{char}م") == "نم"
    assert clean(f"ن{joiner}م") == f"ن{joiner}م"


@given(ANY_TEXT | JOINED_TEXT, st.integers(1, 120))
def test_shortened_is_short_encodable_and_visible_whatever_it_was(text: str, limit: int) -> None:
    shown = shorten(text, limit)

    assert len(shown) <= limit
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert shown.encode().decode() == shown


@given(ANY_TEXT | JOINED_TEXT, st.integers(2, 120))
def test_a_clean_text_is_shortened_as_it_would_be_cleaned(text: str, limit: int) -> None:
    whole = clean(text, 300)

    assert shorten(whole, limit) == clean(whole, limit)


def test_a_clean_text_is_not_cleaned_again() -> None:
    whole = clean("ن\u0315\u0300\u200d" * 300, 300)

    async def work() -> None:
        shorten(whole, 100)

    assert asyncio.run(steps_of(work())) <= 100
