import gzip

import pytest

from lyra.compression import inflate

WORDS = b"quiet songs of one evening " * 100


def test_what_was_packed_comes_back() -> None:
    assert inflate(gzip.compress(WORDS), 10_000) == WORDS


def test_no_more_is_unpacked_than_is_asked_for() -> None:
    assert inflate(gzip.compress(bytes(50_000_000)), 1000) == bytes(1000)


def test_the_first_of_many_members_is_all_that_is_read() -> None:
    assert inflate(gzip.compress(WORDS) + gzip.compress(b"") * 100_000, 10_000) == WORDS


@pytest.mark.parametrize(
    "packed",
    [b"", b"no gzip", gzip.compress(WORDS)[:-1], gzip.compress(WORDS)[:-8] + bytes(8)],
    ids=["nothing", "text", "broken off", "wrong sum"],
)
def test_what_cannot_be_unpacked_whole_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"not gzip|breaks off"):
        inflate(packed, 10_000)
