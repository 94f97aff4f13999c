"""The folded form of a name, which must stay small whatever the name is."""

from hypothesis import given, strategies as st

from lyra.catalogue.folding import fold


def test_a_sign_that_stands_for_many_letters_does_not_make_a_longer_form() -> None:
    sign = "\ufdfa"  # eighteen letters in their usual form

    assert fold(sign) == fold("صلى الله عليه وسلم")
    assert len(fold(300 * sign)) <= 300


WORDS = st.sampled_from(
    ["low", "Tide", "AND", "y", "Part", "II", "i", "vol", "the", "No", "e", "x", "a", "Op", "iv"]
)


@given(st.lists(WORDS, min_size=1, max_size=8), st.sampled_from([" ", "  ", "\t"]))
def test_plain_names_are_folded_as_all_others_are(words: list[str], gap: str) -> None:
    name = gap.join(words)

    assert fold(name) == fold(f"{name}'")  # a mark that is not heard, and takes the long way
