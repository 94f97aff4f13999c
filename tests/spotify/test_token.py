import copy
import pickle

import pytest

from lyra.spotify.token import Token

CANARY = "canary-canary-canary"


def test_a_token_shows_itself_to_reveal_alone() -> None:
    token = Token(CANARY)

    assert token.reveal() == CANARY
    assert CANARY not in f"{token!r}{token}"


@pytest.mark.parametrize(
    "text", ["", "short", "with a space", "line\nbreak", "x" * 2000, "naïve-é"]
)
def test_a_malformed_token_is_refused_without_being_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a bearer token$"):
        Token(text)


def test_a_token_is_neither_pickled_nor_copied() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Token(CANARY))
    with pytest.raises(TypeError):
        copy.copy(Token(CANARY))
