"""What a reader sees of an answer, and what is set apart in it."""

import pytest
from hypothesis import given, strategies as st

from lyra.chat.mentions.visible_text import BREAK, read_visible


def seen(markdown: str) -> str:
    return read_visible(markdown).text.replace(BREAK, "").strip()


def marked(markdown: str) -> set[tuple[str, str]]:
    visible = read_visible(markdown)
    return {(mark.kind, visible.text[mark.start : mark.end].strip()) for mark in visible.marks}


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("plain", "plain"),
        ("**bold** and *slanted*", "bold and slanted"),
        ("snake_case_name", "snake_case_name"),
        (r"A\$AP and 2\*3", "A$AP and 2*3"),
        ("Reed &amp; Marlow", "Reed & Marlow"),
        (r"Reed \u0026 Marlow", "Reed & Marlow"),
        ("`code` stays out", "stays out"),
        ("```\ncode\n```\nafter", "after"),
        ("<b>tags</b> go", "tags go"),
        ("<script>all of it</script> goes", "goes"),
        ("<STYLE>a{}</style> and <!-- a note --> go", "and  go"),
        ("<script> <!-- open --> is not closed", "is not closed"),
        ("write to name@x.example now", "write to  now"),
        ("[label](https://x.example/name)", "label"),
        ('[label](https://x.example/name "title")', "label"),
        ("![picture](x.png) only", "only"),
        ("https://x.example/name is an address", "is an address"),
        ("# Heading", "Heading"),
        ("> quoted", "quoted"),
        ("a\u200bb", "ab"),
    ],
)
def test_a_reader_sees_the_text_without_its_signs(markdown: str, text: str) -> None:
    assert seen(markdown) == text


@pytest.mark.parametrize(
    ("markdown", "kind", "text"),
    [
        ("**bold**", "strong", "bold"),
        ("a __b__ c", "strong", "b"),
        ("say \u201cthis\u201d now", "quote", "this"),
        ('say "this" now', "quote", "this"),
        ("\u00abthis\u00bb", "quote", "this"),
        ("\u201ethis\u201c", "quote", "this"),
        ("\u300cthis\u300d", "quote", "this"),
        ("'this' and that", "quote", "this"),
        ("- a row", "row", "a row"),
        ("12. a row", "row", "a row"),
        ("- [x] done", "row", "done"),
        ("| a | b |", "cell", "a"),
    ],
)
def test_what_is_set_apart_is_known_by_its_kind(markdown: str, kind: str, text: str) -> None:
    assert (kind, text) in marked(markdown)


def test_an_apostrophe_is_no_quotation() -> None:
    assert marked("don't and Velnora's and rock 'n' roll") <= {("quote", "n")}


@given(st.text(alphabet="ab *_`\"'\u201c\u201d[]()<>&;|-#\n\\", max_size=300))
def test_every_mark_lies_within_the_text(markdown: str) -> None:
    visible = read_visible(markdown)

    assert all(0 <= mark.start <= mark.end <= len(visible.text) for mark in visible.marks)
    assert all(start <= end for start, end in visible.lines)
