from email.utils import formatdate

import pytest
from hypothesis import given, strategies as st

from lyra.spotify.decipher import decipher, retry_after
from lyra.spotify.failures import MEANINGS, SpotifyFailure

NOW = 1_795_000_000.0


def fail(status: int, body: bytes = b"", **headers: str) -> SpotifyFailure:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(SpotifyFailure) as caught:
        decipher(status, named, body, now=NOW)
    return caught.value


def told(status: int, message: str, reason: str = "") -> bytes:
    return f'{{"error":{{"status":{status},"message":"{message}","reason":"{reason}"}}}}'.encode()


def test_a_200_gives_its_body() -> None:
    assert decipher(200, {}, b'{"items":[]}', now=NOW) == b'{"items":[]}'


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (200, b"", "invalid", "empty"),
        (200, b" \n", "invalid", "empty"),
        (204, b"", "invalid", "empty"),
        (302, b"", "unavailable", "redirected"),
        (400, b"", "invalid", "bad_request"),
        (400, told(400, "Invalid limit"), "invalid", "bad_request"),
        (
            400,
            told(400, "Only valid bearer authentication supported"),
            "rejected",
            "token_rejected",
        ),
        (400, b"Only valid bearer authentication supported", "rejected", "token_rejected"),
        (400, told(400, "Invalid access token"), "rejected", "token_rejected"),
        (400, told(400, "No token provided"), "rejected", "token_rejected"),
        (400, b'{"error":"invalid_token","error_description":"?"}', "rejected", "token_rejected"),
        (401, told(401, "Missing/invalid/expired access token"), "rejected", "token_rejected"),
        (401, told(401, "The access token expired"), "rejected", "token_rejected"),
        (401, b"", "rejected", "token_rejected"),
        (401, told(401, "Permissions missing"), "forbidden", "missing_scope"),
        (403, told(403, "Insufficient client scope"), "forbidden", "missing_scope"),
        (403, b"User not registered in the Developer Dashboard", "forbidden", "not_registered"),
        (403, b"Check settings, the user may not be registered.", "forbidden", "not_registered"),
        (
            403,
            told(403, "Active premium subscription required for the owner of the app."),
            "forbidden",
            "owner_not_premium",
        ),
        (403, told(403, "Forbidden"), "forbidden", "forbidden"),
        (403, b"\xff\xfe", "forbidden", "forbidden"),
        (404, told(404, "Resource not found"), "not_found", "not_found"),
        (408, b"", "timeout", "timeout"),
        (418, b"", "unavailable", "unexpected_status"),
        (429, b"", "rate_limited", "rate_limited"),
        (429, b"Too many requests", "rate_limited", "rate_limited"),
        (429, told(429, "Too many requests", "QUOTA_EXCEEDED"), "rate_limited", "quota_exceeded"),
        (500, b"", "unavailable", "server_error"),
        (502, b"<html>502 Bad Gateway</html>", "unavailable", "server_error"),
        (503, b"", "unavailable", "server_error"),
        (504, b"", "unavailable", "server_error"),
        (599, b"", "unavailable", "unexpected_status"),
    ],
)
def test_status_and_reason_decide_the_failure(
    status: int, body: bytes, kind: str, code: str
) -> None:
    failure = fail(status, body)

    assert (failure.kind, failure.code) == (kind, code)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_will_not_change_is_never_retried(status: int) -> None:
    assert not fail(status).retryable


def test_a_failure_says_nothing_of_the_body() -> None:
    failure = fail(403, told(403, "somebody's words"))

    assert "somebody" not in f"{failure!r}{failure}{vars(failure)}"


def test_a_failure_carries_the_pause_that_was_asked_for() -> None:
    assert fail(429, retry_after="48925").retry_after_s == 48_925


def test_a_body_nested_without_end_is_no_more_than_a_403() -> None:
    assert fail(403, b'{"error":' + b"[" * 100_000).code == "forbidden"


def test_every_sentence_ends_as_a_sentence() -> None:
    assert all(meaning.sentence.endswith(".") for meaning in MEANINGS.values())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("3", 3),
        (" 7 ", 7),
        ("-5", 0),
        ("86401", 86_400),
        ("9" * 5000, 86_400),
        ("abc", None),
        ("1e9", None),
        ("", None),
        ("1.5", 1.5),
        ("٣", None),
        ("--3", None),
        (formatdate(NOW + 90, usegmt=True), 90),
        (formatdate(NOW - 90, usegmt=True), 0),
        (formatdate(NOW + 10**8, usegmt=True), 86_400),
        ("Sun, 99 Nov 2026 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_read_and_clamped(text: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": text}, NOW) == seconds


def test_the_name_of_the_header_may_be_in_lower_case() -> None:
    assert retry_after({"retry-after": "4"}, NOW) == 4


def test_without_the_header_the_pause_is_unknown() -> None:
    assert retry_after({}, NOW) is None


@given(st.text())
def test_any_retry_after_is_a_second_to_a_day_or_unknown(text: str) -> None:
    pause = retry_after({"retry-after": text}, NOW)

    assert pause is None or 0 <= pause <= 86_400


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_answer_is_a_body_or_a_failure(status: int, body: bytes) -> None:
    try:
        assert decipher(status, {}, body, now=NOW) == body
    except SpotifyFailure as failure:
        assert failure.code in MEANINGS  # noqa: PT017  # either outcome is right
