from hypothesis import given, strategies as st

from lyra.cache.keys import KeyMaker
from lyra.spotify.token import Token

TOKENS = st.from_regex(r"[A-Za-z0-9\-._~+/]{8,60}=*", fullmatch=True)


def test_two_servers_with_one_secret_agree() -> None:
    token = Token("anna-token-0001")

    assert KeyMaker("s" * 16).key(token) == KeyMaker("s" * 16).key(token)


def test_another_secret_gives_another_key() -> None:
    token = Token("anna-token-0001")

    assert KeyMaker("s" * 16).key(token) != KeyMaker("t" * 16).key(token)
    assert KeyMaker().key(token) != KeyMaker().key(token)


@given(TOKENS)
def test_a_key_holds_nothing_of_its_token(text: str) -> None:
    key = KeyMaker("s" * 16).key(Token(text))

    assert len(key) == 40
    assert text not in key


def test_tokens_that_differ_in_case_or_by_a_letter_have_keys_of_their_own() -> None:
    maker = KeyMaker("s" * 16)
    near = ["anna-token-0001", "Anna-token-0001", "anna-token-0001=", "anna-token-00011"]

    assert len({maker.key(Token(text)) for text in near}) == len(near)
