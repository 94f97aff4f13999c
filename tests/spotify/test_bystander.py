"""Whatever Spotify says to other tokens, in any order: who it serves is served."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from lyra.circuit_breaker import MIN_OWNERS
from lyra.metrics import Metrics
from lyra.spotify.client import SpotifyClient
from lyra.spotify.endpoints import PATHS, Endpoint
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import LoginToken, Token
from lyra.spotify.transport import AttemptCounter, RawResponse, Transport
from tests.spotify.conftest import NoJitter

GOOD = RawResponse(200, {}, b'{"items":[]}')
QUOTA = b'{"error":{"status":429,"message":"?","reason":"QUOTA_EXCEEDED"}}'
# What a stranger's token can be told at will; the waits are those that nobody sits out.
FORGED = (
    RawResponse(429, {"Retry-After": "86400"}, b""),
    RawResponse(429, {"Retry-After": "3600"}, b"Too many requests"),
    RawResponse(429, {"Retry-After": "50000"}, QUOTA),
    RawResponse(400, {}, b""),
    RawResponse(401, {}, b""),
    RawResponse(403, {}, b""),
    RawResponse(404, {}, b""),
    RawResponse(204, {}, b""),
)
OUTAGES = (
    RawResponse(500, {}, b""),
    RawResponse(503, {"Retry-After": "3600"}, b""),
    RawResponse(418, {}, b""),
)


class ScriptedWire(Transport):
    """Answers a token as `told` says, else well."""

    def __init__(self) -> None:
        self.told: dict[str, RawResponse] = {}

    async def send(
        self,
        endpoint: Endpoint,  # noqa: ARG002 - all five alike
        token: Token,
        *,
        tally: AttemptCounter,
        deadline: float,  # noqa: ARG002 - nothing takes time here
        params: Mapping[str, str] | None = None,  # noqa: ARG002 - nothing is searched for
        playlist: str | None = None,  # noqa: ARG002 - nor read
        body: bytes | None = None,  # noqa: ARG002 - nor written
    ) -> RawResponse:
        tally.sent += 1
        return self.told.get(token.reveal(), GOOD)

    _clock = staticmethod(lambda: 1_795_000_000.0)


def client_of(wire: Transport) -> SpotifyClient:
    nobody: Any = None
    return SpotifyClient(wire, nobody, Metrics(), timeout_s=10, rng=NoJitter())


async def served(client: SpotifyClient, token: Token, rng: Random) -> bool:
    try:
        await client.reader(token).get(rng.choice(list(PATHS)), bytes)
    except SpotifyFailure:
        return False
    return True


@pytest.mark.parametrize("seed", range(25))
async def test_bystanders_are_served_whatever_others_are_told(seed: int) -> None:
    """Strangers bring any number of tokens of their own apps, and a few to whom Spotify is down."""
    rng, wire = Random(seed), ScriptedWire()
    client = client_of(wire)
    bystanders = [Token("bystander-one"), LoginToken("access-of-two", "account:two", 3600)]
    unlucky = [Token(f"unlucky-token-{number}") for number in range(MIN_OWNERS - 1)]
    for step in range(200):
        if rng.random() < 0.5:
            stranger = rng.choice([*unlucky, Token(f"stranger-token-{rng.randrange(50)}")])
            kinds = FORGED + OUTAGES if stranger in unlucky else FORGED
            wire.told[stranger.reveal()] = rng.choice(kinds)
            await served(client, stranger, rng)
        for bystander in bystanders:
            assert await served(client, bystander, rng), f"step {step}"

    assert client.describe()["state"] in {"ok", "failing"}


@pytest.mark.parametrize("seed", range(25))
async def test_a_log_ins_cooldown_holds_back_log_ins_alone(seed: int) -> None:
    """The documented condition under which a bystander waits: all log-ins are one app's."""
    rng, wire = Random(seed), ScriptedWire()
    client = client_of(wire)
    logins = [LoginToken(f"access-of-{n}", f"account:{n}", 3600) for n in range(10)]
    wire.told[logins[0].reveal()] = FORGED[rng.randrange(2)]
    assert not await served(client, logins[0], rng)

    assert [await served(client, each, rng) for each in logins] == [False] * 10
    assert await served(client, Token("bystander-one"), rng)
    assert client.describe()["state"] == "paused"
