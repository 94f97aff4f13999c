from hypothesis import given, strategies as st

from lyra.cache.keys import KeyMaker
from lyra.spotify.token import LoginToken, Token

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


def test_tokens_that_differ_by_case_or_one_letter_have_own_keys() -> None:
    maker = KeyMaker("s" * 16)
    near = ["anna-token-0001", "Anna-token-0001", "anna-token-0001=", "anna-token-00011"]

    assert len({maker.key(Token(text)) for text in near}) == len(near)


def test_an_account_hash_depends_on_every_word_and_the_secret() -> None:
    maker = KeyMaker("s" * 16)
    near = [("app", "anna"), ("app", "boris"), ("appa", "nna"), ("app", "anna", ""), ("app\ud800",)]

    assert len({maker.identity(*words) for words in near}) == len(near)
    assert maker.identity("app", "anna") == KeyMaker("s" * 16).identity("app", "anna")
    assert maker.identity("app", "anna") != KeyMaker("t" * 16).identity("app", "anna")


def test_an_accounts_tokens_have_one_key() -> None:
    maker = KeyMaker("s" * 16)
    identity = maker.identity("app", "anna")

    first, second = (LoginToken(f"access-token-{n}", identity, 60) for n in range(2))
    assert maker.key(first) == maker.key(second) != maker.key(Token("access-token-0"))
