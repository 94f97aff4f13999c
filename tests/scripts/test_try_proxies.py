"""`scripts/try_proxies.py`, as far as no proxy is needed for it."""

import pytest

from tests.scripts.conftest import RunScript

SCRIPT = "try_proxies.py"


async def test_it_installs_nothing_and_says_what_is_missing(run_script: RunScript) -> None:
    ran = await run_script(SCRIPT, "caddy")

    assert (ran.code, ran.err) == (2, "")
    assert "apt-get install caddy" in ran.out


@pytest.mark.parametrize(
    ("proxy", "whole", "below"),
    [
        ("nginx", "location / {", "location /music/ {"),
        ("caddy", "reverse_proxy 127.0.0.1:8080 {", "handle_path /music/* {"),
        ("haproxy", "default_backend lyra", r"http-request replace-path /music(/.*) \1"),
    ],
)
async def test_it_finds_the_lines_of_the_document_for_a_host_and_for_a_path(
    run_script: RunScript, proxy: str, whole: str, below: str
) -> None:
    ran = await run_script(SCRIPT, proxy, "--show")

    assert (ran.code, ran.err) == (0, "")
    assert whole in ran.out
    assert below in ran.out
