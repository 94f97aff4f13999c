"""One request at a time is given to the parser, however the bytes come."""

from collections.abc import Iterable

import pytest
from hypothesis import given, strategies as st

from lyra.web.http.framing import Framing

MOST = 200
HEAD = b"POST /lyra/init HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"5\r\nab\r\n\r\r\n2\r\n\r\n\r\n0\r\n\r\n"  # an empty line within it, and at its end

Request = tuple[bytes, bytes, int | None]  # head, body, its length if that is told

WHOLE = st.sampled_from(
    [
        (HEAD, b"", 0),
        (b"GET / HTTP/1.1\r\n\r\n", b"", 0),
        (HEAD, b"x", 1),
        (HEAD, b"\r\n\r\n", 4),
        (HEAD, b"GET / HTTP/1.1\r\n\r\n", 18),
        (HEAD, CHUNKED, None),
    ]
)


class Server:
    """Takes up and answers what it is given, as soon as it is there; checks that it is its turn."""

    def __init__(self, requests: Iterable[Request], *, early: bool) -> None:
        self.framing = Framing(MOST)
        self.todo = list(requests)
        self.early = early  # answers before the body has come
        self.given: list[bytes] = [b""]

    def come(self, data: bytes) -> None:
        self.framing.feed(data)
        while piece := self.framing.next_piece():
            self.given[-1] += piece
            self._look()

    def _look(self) -> None:
        head, body, length = self.todo[0]
        got = self.given[-1]
        if got == head:
            assert self.framing.waits
            assert self.framing.next_piece() == b"", "a request that is begun has its turn"
            self.framing.begin_request(length)
            if self.early or not body:
                self.framing.end_response()
        elif self.framing.end_unknown:
            self.framing.note_body_progress()
        if got == head + body:
            if self.framing.end_unknown:
                self.framing.end_body()
            if body and not self.early:
                assert self.framing.waits
                self.framing.end_response()
            self.todo.pop(0)
            self.given.append(b"")


@given(st.lists(WHOLE, min_size=1, max_size=4), st.data(), st.booleans())
def test_requests_cut_anywhere_are_delivered_whole_and_in_order(
    requests: list[Request], data: st.DataObject, early: bool
) -> None:
    server = Server(requests, early=early)
    wire = b"".join(head + body for head, body, _ in requests)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=len(wire) - 1)))
    for begin, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        server.come(wire[begin:end])

    assert server.given == [*(head + body for head, body, _ in requests), b""]
    assert (server.framing.held, server.framing.head_bytes) == (0, 0)
    assert server.framing.head_due


def test_what_comes_behind_a_request_waits_for_its_answer() -> None:
    framing = Framing(MOST)
    framing.feed(HEAD + b"GET /he")
    assert framing.next_piece() == HEAD
    framing.begin_request(0)

    assert (framing.next_piece(), framing.held, framing.head_bytes) == (b"", 7, 7)
    framing.end_response()
    assert (framing.next_piece(), framing.held, framing.head_bytes) == (b"GET /he", 0, 7)


@pytest.mark.parametrize("body", [1, None], ids=["length", "chunks"])
def test_the_next_head_waits_for_a_body_that_nobody_reads(body: int | None) -> None:
    framing = Framing(MOST)
    framing.feed(HEAD)
    assert framing.next_piece() == HEAD
    framing.begin_request(body)
    framing.end_response()

    assert framing.body_due
    assert not framing.head_due


def test_a_head_is_as_long_as_it_may_be_and_no_byte_longer() -> None:
    fits, longer = Framing(len(HEAD)), Framing(len(HEAD) - 1)
    for framing in (fits, longer):
        framing.feed(HEAD)

    assert (fits.next_piece(), fits.too_long) == (HEAD, False)
    assert (longer.next_piece(), longer.too_long) == (b"", True)


def test_a_head_that_drips_has_the_same_bound() -> None:
    framing, fed = Framing(MOST), 0
    while not framing.too_long:
        framing.feed(b"x")
        fed += len(framing.next_piece())

    assert fed == MOST


def test_chunk_framing_has_a_bound_and_the_body_has_none() -> None:
    """Sizes, extensions and line ends between the pieces of a body count; the body has a bound elsewhere."""
    framing = Framing(MOST)
    framing.feed(HEAD)
    framing.next_piece()
    framing.begin_request(None)
    framing.feed(b"x" * 10 * MOST)
    assert len(framing.next_piece()) == 10 * MOST
    framing.note_body_progress()

    assert not framing.too_long
    framing.feed(b"X-Trailer: " + b"x" * MOST)
    framing.next_piece()
    assert framing.too_long


def test_line_breaks_before_a_head_are_nothing() -> None:
    framing = Framing(MOST)
    for _ in range(3):
        framing.feed(b"\r\n\r\n\n")
    assert (framing.next_piece(), framing.held, framing.head_bytes) == (b"", 0, 0)
    framing.feed(b"\r\n" + HEAD)
    assert framing.next_piece() == HEAD
    framing.begin_request(0)
    framing.feed(b"\r\n")

    assert framing.held == 0
