"""Which deadline a connection has, as a function of what has happened to it and of nothing else."""

from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from lyra.web.http.deadlines import Deadlines, Limits, Phase

LIMITS = Limits(head_s=10, idle_s=75, write_s=20, linger_s=0.5)

Event = Callable[[Deadlines, float], object]

EVENTS: dict[str, Event] = {
    "part": lambda it, now: it.begin_head(now),
    "whole": lambda it, now: it.end_head(now),
    "begun": lambda it, _: it.begin_request(),
    "ready": lambda it, now: it.begin_response(now),
    "answered": lambda it, now: it.end_response(now, body_due=False, part_of_head=False),
    "answered, body due": lambda it, now: it.end_response(now, body_due=True, part_of_head=False),
    "answered, head behind": lambda it, now: it.end_response(
        now, body_due=False, part_of_head=True
    ),
    "body": lambda it, now: it.end_body(now, part_of_head=False),
    "body, head behind": lambda it, now: it.end_body(now, part_of_head=True),
    "refused": lambda it, now: it.refuse(now),
}


def after(*events: str, step: float = 1) -> Deadlines:
    """A connection made at 100, to which one of these happens in each second from 101 on."""
    it = Deadlines(LIMITS, 100)
    for number, event in enumerate(events, 1):
        EVENTS[event](it, 100 + number * step)
    return it


@pytest.mark.parametrize(
    ("events", "phase", "at"),
    [
        ((), Phase.AWAITING_HEAD, 110),
        (("part", "part", "part"), Phase.AWAITING_HEAD, 110),
        (("part", "whole"), Phase.BEGINNING, 112),
        (("whole", "begun"), Phase.UNDER_WAY, None),
        (("whole", "begun", "part", "part"), Phase.UNDER_WAY, None),
        (("whole", "begun", "ready"), Phase.ANSWERING, 123),
        (("whole", "begun", "ready", "part"), Phase.ANSWERING, 123),
        (("whole", "begun", "ready", "answered"), Phase.IDLE, 179),
        (("whole", "begun", "ready", "answered, head behind"), Phase.AWAITING_HEAD, 114),
        (("whole", "begun", "ready", "answered", "part", "part"), Phase.AWAITING_HEAD, 115),
        (("whole", "begun", "ready", "answered, body due"), Phase.LINGERING, 104.5),
        (("whole", "begun", "ready", "answered, body due", "part"), Phase.LINGERING, 104.5),
        (("whole", "begun", "ready", "answered, body due", "body"), Phase.IDLE, 180),
        (
            ("whole", "begun", "ready", "answered, body due", "body, head behind"),
            Phase.AWAITING_HEAD,
            115,
        ),
        (("whole", "begun", "ready", "answered", "whole"), Phase.BEGINNING, 115),
        (("refused",), Phase.LINGERING, 101.5),
        (("refused", "part", "whole"), Phase.LINGERING, 101.5),
        (("ready", "answered"), Phase.IDLE, 177),  # a head that is malformed before its end
    ],
)
def test_each_state_has_its_deadline(
    events: tuple[str, ...], phase: Phase, at: float | None
) -> None:
    it = after(*events)

    assert (it.phase, it.at) == (phase, at)


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=30))
def test_only_a_request_under_way_has_no_deadline(events: list[str]) -> None:
    it = after(*events)

    assert (it.at is None) == (it.phase is Phase.UNDER_WAY)


@given(st.lists(st.sampled_from(["part", "whole", "body"]), max_size=30))
def test_bytes_never_give_a_request_under_way_a_deadline(events: list[str]) -> None:
    assert after("whole", "begun", *events).at is None


@given(st.integers(1, 1000))
def test_who_drips_has_no_more_time_than_who_is_silent(pieces: int) -> None:
    assert after(*["part"] * pieces, step=0.001).at == 110


def test_it_ends_at_its_deadline_and_not_before() -> None:
    it = after("part")

    assert not it.has_passed(109.9, progress=False)
    assert it.has_passed(110, progress=False)


def test_a_reader_who_takes_something_has_more_time_for_the_rest() -> None:
    it = after("whole", "begun", "ready")

    assert not it.has_passed(123, progress=True)
    assert it.at == 143
    assert it.has_passed(143, progress=False)


def test_progress_gives_a_head_no_more_time() -> None:
    assert after("part").has_passed(110, progress=True)
