import pytest
from hypothesis import given, strategies as st

from lyra.spotify.cooldown import MAX_APPS, OUR_APP, QUOTA_PAUSE_S, RATE_PAUSE_S, Cooldown
from lyra.spotify.endpoints import PATHS, Endpoint
from lyra.spotify.failures import SpotifyFailure

A, B = "a1", "b2"  # bearer tokens' names
DAY_S = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cooldown(clock: Clock) -> Cooldown:
    return Cooldown(clock)


def limited(seconds: float | None = None) -> SpotifyFailure:
    return SpotifyFailure("rate_limited", retry_after_s=seconds)


def left(cooldown: Cooldown, endpoint: Endpoint, app: str = A) -> float | None:
    blocked = cooldown.blocking(app, endpoint)
    return blocked.retry_after_s if blocked else None


@pytest.fixture(params=[A, OUR_APP])
def app(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_new_gate_is_open(cooldown: Cooldown, app: str) -> None:
    assert cooldown.blocking(app, "profile") is None


def test_a_rate_limit_closes_every_endpoint(cooldown: Cooldown, app: str) -> None:
    cooldown.start(app, "playlists", limited(30))

    assert left(cooldown, "profile", app) == left(cooldown, "playlists", app) == 30


def test_a_quota_closes_its_own_endpoint_alone(cooldown: Cooldown, app: str) -> None:
    cooldown.start(app, "playlists", SpotifyFailure("quota_exceeded", retry_after_s=40_000))

    assert cooldown.blocking(app, "profile") is None
    blocked = cooldown.blocking(app, "playlists")
    assert blocked is not None
    assert (blocked.code, blocked.retry_after_s) == ("quota_exceeded", 40_000)


def test_the_gate_opens_by_itself(cooldown: Cooldown, clock: Clock, app: str) -> None:
    cooldown.start(app, "profile", limited(30))
    clock.now += 30

    assert cooldown.blocking(app, "profile") is None


def test_a_shorter_pause_does_not_shorten_the_first(cooldown: Cooldown, app: str) -> None:
    cooldown.start(app, "profile", limited(30))
    cooldown.start(app, "profile", limited(2))

    assert left(cooldown, "profile", app) == 30


def test_without_retry_after_a_quota_pauses_longer_than_a_rate(
    cooldown: Cooldown, app: str
) -> None:
    cooldown.start(app, "profile", limited())
    cooldown.start(app, "playlists", SpotifyFailure("quota_exceeded"))

    assert left(cooldown, "profile", app) == RATE_PAUSE_S
    assert left(cooldown, "playlists", app) == QUOTA_PAUSE_S


def test_other_failures_leave_the_gate_open(cooldown: Cooldown, app: str) -> None:
    cooldown.start(app, "profile", SpotifyFailure("server_error", retry_after_s=30))

    assert cooldown.blocking(app, "profile") is None
    assert len(cooldown) == 0


def test_a_pause_of_a_day_is_that_tokens_alone(cooldown: Cooldown, clock: Clock) -> None:
    cooldown.start(A, "profile", limited(DAY_S))
    clock.now += DAY_S - 1

    assert left(cooldown, "profile", A) == 1
    assert left(cooldown, "profile", B) is None
    assert left(cooldown, "profile", OUR_APP) is None


def test_any_number_of_tokens_that_pause_hold_no_other_one_back(cooldown: Cooldown) -> None:
    for number in range(2 * MAX_APPS):
        cooldown.start(f"{number:x}", "profile", limited(DAY_S))

    assert left(cooldown, "profile", "another") is None
    assert left(cooldown, "profile", OUR_APP) is None


def test_a_pause_of_the_operators_app_is_no_bearer_tokens(cooldown: Cooldown) -> None:
    cooldown.start(OUR_APP, "profile", limited(30))

    assert left(cooldown, "profile", A) is None


def test_cooldowns_are_kept_for_a_bounded_number_of_tokens(
    cooldown: Cooldown,
) -> None:
    """The latest ones stay."""
    for number in range(MAX_APPS + 500):
        cooldown.start(f"{number:x}", "profile", limited(DAY_S))

    assert len(cooldown) == MAX_APPS
    assert left(cooldown, "profile", f"{MAX_APPS + 499:x}") == DAY_S


def test_what_is_over_is_let_go_when_another_token_pauses(cooldown: Cooldown, clock: Clock) -> None:
    for number in range(100):
        cooldown.start(f"{number:x}", "profile", limited(10))
    clock.now += 10
    cooldown.start("later", "profile", limited(10))

    assert len(cooldown) == 1


CODES = st.sampled_from(
    ["rate_limited", "quota_exceeded", "server_error", "forbidden", "token_rejected", "timeout"]
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([A, "c3", "d4", OUR_APP]),
        st.sampled_from(sorted(PATHS)),
        CODES,
        st.none() | st.floats(0, DAY_S),
        st.floats(0, 100),
    )
)


@given(STEPS)
def test_a_token_without_a_cooldown_is_never_held_back(steps: object) -> None:
    """And who was told to pause is held back for that pause, not longer."""
    clock = Clock()
    cooldown, until = Cooldown(clock), dict[str, float]()
    for app, endpoint, code, seconds, passing in steps:  # type: ignore[attr-defined]
        cooldown.start(app, endpoint, SpotifyFailure(code, retry_after_s=seconds))
        if code in {"rate_limited", "quota_exceeded"}:
            pause_s = {"rate_limited": RATE_PAUSE_S, "quota_exceeded": QUOTA_PAUSE_S}[code]
            pause = pause_s if seconds is None else seconds
            until[app] = max(until.get(app, 0.0), clock.now + pause)
        for path in PATHS:
            assert cooldown.blocking(B, path) is None
            for who in (A, "c3", "d4", OUR_APP):
                waits = left(cooldown, path, who) or 0.0
                assert clock.now + waits <= max(until.get(who, 0.0), clock.now) + 1e-6
        clock.now += passing
