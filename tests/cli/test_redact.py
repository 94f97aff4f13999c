"""What looks like a secret is black in the log, whoever wrote the line."""

import logging

import pytest

from lyra.cli.logs import JsonStyle, TextStyle
from lyra.cli.redact import Redactor

SECRET = "operators-own-secret-0001"
LINES = [
    "Authorization: Bearer abc.DEF-123_~+/=",
    "{'Authorization': 'Bearer abc.DEF-123_~+/='}",
    "<CIMultiDictProxy('Host': 'x', 'Authorization': 'Bearer abc.DEF-123_~+/=')>",
    "Authorization: Basic abc.DEF-123_~+/=",
    "?access_token=abc.DEF-123_~+/=",
    '{"refresh_token": "abc.DEF-123_~+/="}',
    "code_verifier='abc.DEF-123_~+/='",
    "x-api-key: abc.DEF-123_~+/=",
    "Set-Cookie: abc.DEF-123_~+/=",
    "rediss://lyra:abc.DEF-123_~+=@cache:6379",
    "sk-abc.DEF-123_~+/=".replace(".", "-"),
]


@pytest.mark.parametrize("line", LINES)
def test_what_looks_like_a_secret_is_black(line: str) -> None:
    told = Redactor()(f"before {line} after")

    assert "DEF-123" not in told
    assert "[redacted]" in told
    assert told.startswith("before ")


def test_known_secrets_are_black_wherever_they_stand() -> None:
    assert SECRET not in Redactor((SECRET,))(f"x{SECRET}y")


@pytest.mark.parametrize(
    "line",
    ["POST /lyra/chat 200 12.1 ms", "the event loop stands still in work (a.py:1)", "a: b, c: d"],
)
def test_other_words_stay(line: str) -> None:
    assert Redactor()(line) == line


@pytest.mark.parametrize("style", [TextStyle, JsonStyle])
def test_messages_and_traces_are_redacted(style: type[TextStyle | JsonStyle]) -> None:
    formatter = style(Redactor((SECRET,)))
    failure = ValueError(f"Bearer {SECRET}")
    told = (type(failure), failure, failure.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "", 0, f"broke with {SECRET}", None, told)

    line = formatter.format(record)
    assert SECRET not in line
    assert line.count("[redacted]") == 2
