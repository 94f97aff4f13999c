"""The lines of docs/OPERATIONS.md for proxies are found, for a whole host and for a path."""

import pytest

from tests.support.proxies import PATH, documented


@pytest.mark.parametrize(
    ("proxy", "whole", "below"),
    [
        ("nginx", "location / {", "location /music/ {"),
        ("Caddy", "reverse_proxy 127.0.0.1:8080 {", "handle_path /music/* {"),
        ("HAProxy", "default_backend lyra", r"http-request replace-path /music(/.*) \1"),
    ],
)
def test_the_document_has_lines_for_a_host_and_for_a_path(
    proxy: str, whole: str, below: str
) -> None:
    assert whole in documented(proxy, "")
    assert below in documented(proxy, PATH)
