"""The one shape that errors have, whatever the code."""

from typing import Any

from lyra.errors import LyraError, TokenError
from tests.support.calls import Answer

_MEMBERS = {"code", "message", "retryable", "action", "reason", "retry_after_s", "request_id"}


def check_error(answer: Answer, code: str) -> dict[str, Any]:
    """The error object, once everything around it is as promised for this code."""
    kind = ERRORS_BY_CODE[code]
    assert (answer.status, answer.code) == (kind.status, code)
    assert set(answer.json) == {"success", "error"}
    assert answer.json["success"] is False
    error: dict[str, Any] = answer.json["error"]
    assert {"code", "message", "retryable", "request_id"} <= set(error) <= _MEMBERS
    assert error["retryable"] is kind.retryable
    assert error.get("action") == kind.action
    assert error["request_id"] == answer.headers["X-Request-Id"] != "-"
    assert error["message"].endswith(".")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers.get("Retry-After") == (
        str(error["retry_after_s"]) if "retry_after_s" in error else None
    )
    is_about_token = "Bearer" if issubclass(kind, TokenError) else None
    assert answer.headers.get("WWW-Authenticate") == is_about_token
    return error


def _by_code(root: type[LyraError] = LyraError) -> dict[str, type[LyraError]]:
    kinds = {root.code: root}
    for kind in root.__subclasses__():
        for code, each in _by_code(kind).items():
            kinds.setdefault(code, each)
    return kinds


ERRORS_BY_CODE = _by_code()
