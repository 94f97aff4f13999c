import pytest

from lyra.spotify.endpoints import Endpoint
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.gate import QUOTA_PAUSE_S, RATE_PAUSE_S, Gate


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate(clock)


def left(gate: Gate, endpoint: Endpoint) -> float | None:
    blocked = gate.check(endpoint)
    return blocked.retry_after_s if blocked else None


def test_a_new_gate_is_open(gate: Gate) -> None:
    assert gate.check("profile") is None


def test_a_rate_limit_closes_every_endpoint(gate: Gate) -> None:
    gate.close("playlists", SpotifyFailure("rate_limited", retry_after_s=30))

    assert left(gate, "profile") == left(gate, "playlists") == 30


def test_a_quota_closes_its_own_endpoint_alone(gate: Gate) -> None:
    gate.close("playlists", SpotifyFailure("quota_exceeded", retry_after_s=40_000))

    assert gate.check("profile") is None
    blocked = gate.check("playlists")
    assert blocked is not None
    assert (blocked.code, blocked.retry_after_s) == ("quota_exceeded", 40_000)


def test_the_gate_opens_by_itself(gate: Gate, clock: Clock) -> None:
    gate.close("profile", SpotifyFailure("rate_limited", retry_after_s=30))
    clock.now += 30

    assert gate.check("profile") is None


def test_a_shorter_pause_does_not_shorten_the_first(gate: Gate) -> None:
    gate.close("profile", SpotifyFailure("rate_limited", retry_after_s=30))
    gate.close("profile", SpotifyFailure("rate_limited", retry_after_s=2))

    assert left(gate, "profile") == 30


def test_without_a_header_a_rate_limit_pauses_a_little_and_a_quota_longer(gate: Gate) -> None:
    gate.close("profile", SpotifyFailure("rate_limited"))
    gate.close("playlists", SpotifyFailure("quota_exceeded"))

    assert (left(gate, "profile"), left(gate, "playlists")) == (RATE_PAUSE_S, QUOTA_PAUSE_S)


def test_other_failures_leave_the_gate_open(gate: Gate) -> None:
    gate.close("profile", SpotifyFailure("server_error", retry_after_s=30))

    assert gate.check("profile") is None
