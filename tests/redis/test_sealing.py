"""A value in Redis opens only for the token, the key and the secret it was sealed with."""

from typing import NamedTuple

import pytest
from hypothesis import given, strategies as st

from lyra.redis.sealing import open_sealed, seal
from tests.redis.conftest import KEY, OTHER

SECRET = "an-invented-secret-of-a-server"
TOKEN = "an-invented-token-of-a-listener"


class Box(NamedTuple):
    secret: str = SECRET
    token: str = TOKEN
    key: str = KEY


PLAIN = b"what Vesna listens to"


@given(plain=st.binary(max_size=200), token=st.text(st.characters(codec="ascii"), min_size=8))
def test_what_is_sealed_comes_back(plain: bytes, token: str) -> None:
    box = Box(token=token)

    assert open_sealed(*box, seal(*box, plain)) == plain


@pytest.mark.parametrize("box", [Box(token=TOKEN + "x"), Box(key=OTHER), Box(secret=SECRET + "x")])
def test_nothing_else_opens_it(box: Box) -> None:
    assert open_sealed(*box, seal(*Box(), PLAIN)) is None


def test_a_changed_byte_anywhere_is_noticed() -> None:
    sealed = seal(*Box(), PLAIN)

    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        assert open_sealed(*Box(), changed) is None


@pytest.mark.parametrize("cut", range(40))
def test_a_part_of_it_is_refused(cut: int) -> None:
    assert open_sealed(*Box(), seal(*Box(), PLAIN)[:cut]) is None


def test_foreign_bytes_are_refused() -> None:
    for foreign in (b"", b"\x80\x04K*.", b"{}", b"\x01" + bytes(60)):
        assert open_sealed(*Box(), foreign) is None


def test_neither_the_value_nor_the_token_is_to_be_seen() -> None:
    sealed = seal(*Box(), PLAIN)

    for hidden in (PLAIN, TOKEN.encode(), SECRET.encode(), KEY.encode()):
        assert hidden not in sealed


def test_the_same_value_looks_different_each_time() -> None:
    assert seal(*Box(), PLAIN) != seal(*Box(), PLAIN)
