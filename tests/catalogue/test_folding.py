"""The folded form of a name, which must stay small whatever the name is."""

from lyra.catalogue.folding import fold


def test_a_sign_that_stands_for_many_letters_does_not_make_a_longer_form() -> None:
    sign = "\ufdfa"  # eighteen letters in their usual form

    assert fold(sign) == fold("صلى الله عليه وسلم")
    assert len(fold(300 * sign)) <= 300
