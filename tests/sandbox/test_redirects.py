"""Which addresses an app may register, and which are taken for the registered one."""

import pytest

from lyra.sandbox import Sandbox
from lyra.sandbox.redirects import matches, secure


@pytest.mark.parametrize(
    ("uri", "fine"),
    [
        ("https://app.invalid/callback", True),
        ("http://127.0.0.1/callback", True),
        ("http://127.0.0.1:8080/callback", True),
        ("http://[::1]:8080/callback", True),
        ("http://localhost/callback", False),
        ("https://localhost/callback", False),
        ("http://LOCALHOST:8080/callback", False),
        ("http://app.invalid/callback", False),
        ("http://127.0.0.2/callback", False),
        ("https://app.invalid/callback#part", False),
        ("javascript:alert(1)", False),
        ("//app.invalid/callback", False),
        ("http://127.0.0.1:port/callback", False),
        ("http://[::1/callback", False),
        ("", False),
    ],
)
def test_an_address_is_https_or_a_loopback_number(uri: str, *, fine: bool) -> None:
    assert secure(uri) is fine


@pytest.mark.parametrize(
    ("uri", "registered", "same"),
    [
        ("https://app.invalid/callback", "https://app.invalid/callback", True),
        ("https://app.invalid/callback/", "https://app.invalid/callback", False),
        ("https://app.invalid/Callback", "https://app.invalid/callback", False),
        ("https://app.invalid:8443/callback", "https://app.invalid/callback", False),
        ("http://127.0.0.1:51234/callback", "http://127.0.0.1/callback", True),
        ("http://[::1]:51234/callback", "http://[::1]/callback", True),
        ("http://127.0.0.1:51234/other", "http://127.0.0.1/callback", False),
        ("http://127.0.0.1:51234/callback?x=1", "http://127.0.0.1/callback", False),
        ("http://127.0.0.1:51234/callback", "http://127.0.0.1:8080/callback", False),
        ("http://me@127.0.0.1:51234/callback", "http://127.0.0.1/callback", False),
        ("http://[::1]:51234/callback", "http://127.0.0.1/callback", False),
        ("https://127.0.0.1:51234/callback", "http://127.0.0.1/callback", False),
        ("http://127.0.0.1:port/callback", "http://127.0.0.1/callback", False),
    ],
)
def test_an_address_matches_to_the_letter_but_for_a_loopback_port(
    uri: str, registered: str, *, same: bool
) -> None:
    assert matches(uri, registered) is same


def test_a_client_cannot_be_registered_with_localhost() -> None:
    with pytest.raises(ValueError, match="loopback"):
        Sandbox(clients={"app": ["http://localhost:8080/callback"]})
