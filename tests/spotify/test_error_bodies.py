"""A refusal of Spotify's is what its status says, whether or not its body comes."""

import pytest

from lyra.sandbox import CLIENT_ID
from lyra.settings import Settings
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.oauth import GrantError, open_accounts
from lyra.spotify.token import Token
from tests.spotify.conftest import Opener
from tests.support.fault_kit import Step, scripted

TIMEOUT_S = 10.0
BODIES: dict[str, tuple[Step, ...]] = {
    "none comes": (b"Content-Length: 100\r\n\r\n", "hang"),
    "the rest does not come": (b'Content-Length: 100\r\n\r\n{"error":', "hang"),
    "it is cut": (b"Content-Length: 100\r\n\r\n{", "close"),
    "it breaks": (b"Content-Length: 100\r\n\r\n{", "reset"),
    "it is not packed": (b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",),
}
STATUSES = [
    (401, "token_rejected", None),
    (403, "forbidden", None),
    (404, "not_found", None),
    (429, "rate_limited", 3600),
    (503, "server_error", 3600),
]


def refusing(status: int, body: str) -> tuple[Step, ...]:
    head, *rest = BODIES[body]
    assert isinstance(head, bytes)
    pause = b"Retry-After: 3600\r\n" if status in (429, 503) else b""
    return (b"HTTP/1.1 %d X\r\n%b%b" % (status, pause, head), *rest)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("status", "code", "pause_s"), STATUSES)
async def test_a_read_that_is_refused_is_judged_by_its_status(
    open_client: Opener, status: int, code: str, pause_s: float | None, body: str
) -> None:
    async with (
        scripted(refusing(status, body)) as server,
        open_client(TIMEOUT_S, server.url) as client,
    ):
        with pytest.raises(SpotifyFailure) as failed:
            await client.reader(Token("a-token-of-nobody")).get("profile", bytes)

    assert (failed.value.code, failed.value.retry_after_s) == (code, pause_s)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", BODIES)
async def test_a_log_in_that_is_refused_keeps_its_pause(body: str) -> None:
    async with scripted(refusing(429, body)) as server:
        settings = Settings(
            spotify_accounts_url=server.url,
            spotify_client_id=CLIENT_ID,
            spotify_timeout_s=TIMEOUT_S,
        )
        async with open_accounts(settings) as accounts:
            assert accounts is not None
            with pytest.raises(GrantError) as failed:
                await accounts.refresh("AQ-a-token-of-nobody")

    assert (failed.value.kind, failed.value.retry_after_s) == ("unavailable", 3600)
