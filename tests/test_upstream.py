"""Whatever an upstream says of a pause, it is a bounded number of seconds or nothing."""

import math

import aiohttp
import pytest
from hypothesis import given, strategies as st

from lyra.upstream import epoch, error_body, pause
from tests.support.fault_kit import scripted

NOW = 1_795_000_000.0
NUMBERS = st.one_of(
    st.floats().map(repr), st.integers().map(str), st.integers(300, 10_000).map(lambda n: "9" * n)
)
DATES = st.builds(
    "Sun, {} {} {} {}:{}:{} {}".format,
    *[st.one_of(st.integers(0, 99), st.integers())] * 1,
    st.sampled_from(["Jan", "Nov", "Foo"]),
    st.one_of(st.integers(0, 9999), st.integers()),
    *[st.one_of(st.integers(0, 99), st.integers())] * 3,
    st.one_of(st.just("GMT"), st.integers().map("{:+05d}".format), st.text(max_size=5)),
)
ANYTHING = st.one_of(st.text(st.characters()), NUMBERS, DATES)


@given(ANYTHING, ANYTHING)
def test_any_two_headers_make_a_pause_of_a_day_at_most_or_none(said: str, date: str) -> None:
    seconds = pause(said, epoch(date))

    assert seconds is None or 0 <= seconds <= 86_400


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0.5", 0.5),
        ("9" * 5000, 86_400),
        ("-" + "9" * 5000, 0),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("1e400", None),
        ("1_0", None),
        ("\u0663", None),
        ("\udcff", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 86_400),
        ("Fri, 31 Dec 9999 23:59:59 +" + "9" * 30, None),
        ("Fri, 31 Dec " + "9" * 30 + " 23:59:59 GMT", None),
    ],
)
def test_a_pause_is_read_and_clamped(said: str, seconds: float | None) -> None:
    assert pause(said, NOW) == seconds


def test_a_date_without_the_servers_own_says_nothing() -> None:
    assert pause("Sun, 22 Nov 2026 10:00:30 GMT", None) is None
    assert math.isfinite(epoch("Sun, 22 Nov 2026 10:00:30 GMT") or math.nan)


async def test_a_refusals_body_that_hangs_is_waited_for_no_longer_than_told() -> None:
    refused = b"HTTP/1.1 503 X\r\nContent-Length: 100\r\n\r\nhalf of it"
    no_deadline = aiohttp.ClientTimeout()
    async with (
        scripted((refused, "hang")) as server,
        aiohttp.ClientSession(timeout=no_deadline) as http,
        http.get(server.url) as response,
    ):
        body = await error_body(response, most=1000, within_s=0.05)

    assert body == b"half of it"
