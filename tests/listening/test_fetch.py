"""fetch_listening over a reader that answers by script: partial answers and whole failures."""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import TypeVar, cast

import orjson
import pytest

from lyra.errors import (
    LyraError,
    SpotifyForbiddenError,
    SpotifyQuotaExceededError,
    SpotifyRateLimitedError,
    SpotifyTimeoutError,
    SpotifyTokenRejectedError,
    SpotifyUnavailableError,
)
from lyra.listening.fetch import fetch_listening
from lyra.listening.models import SECTIONS, Listening, Section, SectionName
from lyra.listening.parse import Page
from lyra.loop_throttle import LoopThrottle
from lyra.spotify.failures import FailureCode, SpotifyFailure

T = TypeVar("T")
TRACK = {"name": "Paper Lighthouse", "id": "t1", "artists": [{"name": "Velmora Dusk", "id": "a1"}]}
PAGES: dict[SectionName, bytes] = {
    "profile": b'{"id":"wenda"}',
    "top_artists": orjson.dumps({"items": [{"name": "Velmora Dusk", "id": "a1"}, None]}),
    "top_tracks": orjson.dumps({"items": [TRACK]}),
    "recently_played": orjson.dumps({"items": [{"track": TRACK}]}),
    "playlists": orjson.dumps(
        {
            "items": [
                {"name": "Own", "id": "p1", "owner": {"id": "wenda"}, "items": {"total": 0}},
                {"name": "Other", "id": "p2", "owner": {"id": "somebody"}, "items": {"total": 0}},
                {"name": "Nobody's", "id": "p3", "owner": None},
                {
                    "name": "Shared",
                    "id": "p4",
                    "owner": {"id": "somebody"},
                    "collaborative": True,
                    "items": {"total": 0},
                },
            ]
        }
    ),
}


class FakeReader:
    """Gives `PAGES`, but for the sections in `script`, which fail so."""

    def __init__(self, script: dict[SectionName, BaseException] | None = None) -> None:
        self.script = script or {}
        self.asked: list[SectionName] = []

    @property
    def calls(self) -> int:
        return len(self.asked)

    async def get(self, endpoint: SectionName, parse: Callable[[bytes], T]) -> T:
        self.asked.append(endpoint)
        if endpoint in self.script:
            raise self.script[endpoint]
        return parse(PAGES[endpoint])


def failing(code: FailureCode, *names: SectionName, after_s: float | None = None) -> FakeReader:
    return FakeReader({name: SpotifyFailure(code, retry_after_s=after_s) for name in names})


async def fetch(reader: FakeReader) -> Listening:
    return await fetch_listening(reader, now=1_795_000_000.0, report=lambda _: None)


async def error_of(reader: FakeReader) -> LyraError:
    with pytest.raises(LyraError) as caught:
        await fetch(reader)
    return caught.value


def section(listening: Listening, name: SectionName) -> Section:
    return next(each for each in listening.sections if each.name == name)


async def test_a_listener_is_five_calls() -> None:
    reader = FakeReader()

    listening = await fetch(reader)

    assert sorted(reader.asked) == sorted(SECTIONS)
    assert [each.status for each in listening.sections] == ["ok"] * 5
    assert (listening.profile.id, listening.fetched_at) == ("wenda", 1_795_000_000.0)
    assert listening.summary


async def test_sections_tell_their_count_and_what_was_skipped() -> None:
    listening = await fetch(FakeReader())

    artists = section(listening, "top_artists")
    assert (artists.count, artists.skipped) == (1, 1)
    assert section(listening, "profile").count is None


async def test_each_section_is_reported_once() -> None:
    reported: list[Section] = []

    listening = await fetch_listening(
        failing("timeout", "playlists"), now=0.0, report=reported.append
    )

    assert sorted(each.name for each in reported) == sorted(SECTIONS)
    assert set(reported) == set(listening.sections)


async def test_ownership_is_told_where_both_ids_are_known() -> None:
    listening = await fetch(FakeReader())

    assert [each.owned for each in listening.playlists] == [True, False, None, False]


async def test_an_empty_list_of_somebody_elses_has_an_unknown_size() -> None:
    listening = await fetch(FakeReader())

    assert [each.total for each in listening.playlists] == [0, None, None, 0]


async def test_the_regime_is_what_the_sections_speak_for_together() -> None:
    assert (await fetch(FakeReader())).regime == "restricted"


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("missing_scope", "forbidden"),
        ("forbidden", "forbidden"),
        ("rate_limited", "rate_limited"),
        ("quota_exceeded", "rate_limited"),
        ("server_error", "unavailable"),
        ("timeout", "timeout"),
        ("unexpected_shape", "invalid"),
        ("not_found", "not_found"),
    ],
)
async def test_a_section_that_fails_leaves_the_other_four(
    name: SectionName, code: FailureCode, status: str
) -> None:
    listening = await fetch(failing(code, name))

    failed = section(listening, name)
    assert (failed.status, failed.code, failed.count) == (status, code, None)
    assert failed.message
    assert sum(each.status == "ok" for each in listening.sections) == 4


@pytest.mark.parametrize(
    "lost", [names for n in range(1, 5) for names in combinations(SECTIONS, n)], ids="-".join
)
async def test_any_sections_may_be_lost_but_all(lost: tuple[SectionName, ...]) -> None:
    listening = await fetch(failing("server_error", *lost))

    assert {each.name for each in listening.sections if each.status != "ok"} == set(lost)


async def test_a_missing_scope_is_named() -> None:
    listening = await fetch(failing("missing_scope", "recently_played"))

    assert "user-read-recently-played" in (section(listening, "recently_played").message or "")


async def test_without_the_profile_the_listener_is_nameless() -> None:
    listening = await fetch(failing("timeout", "profile"))

    assert listening.profile.id == ""
    assert {each.owned for each in listening.playlists} == {None}


async def test_a_401_on_one_section_is_that_sections_fault() -> None:
    listening = await fetch(failing("token_rejected", "top_tracks"))

    failed = section(listening, "top_tracks")
    assert (failed.status, failed.code) == ("unavailable", "token_rejected")


@pytest.mark.parametrize("names", [("profile",), SECTIONS])
async def test_a_401_on_the_profile_rejects_the_token(names: tuple[SectionName, ...]) -> None:
    error = await error_of(failing("token_rejected", *names))

    assert isinstance(error, SpotifyTokenRejectedError)


async def filled(reader: FakeReader) -> Listening:
    """A second fetch, for what a first one could not read."""
    held = await fetch(failing("server_error", "playlists"))
    return await fetch_listening(reader, now=0.0, report=lambda _: None, held=held)


async def test_only_what_is_missing_is_asked_for_again() -> None:
    reader = FakeReader()
    listening = await filled(reader)

    assert reader.asked == ["playlists"]
    assert [each.status for each in listening.sections] == ["ok"] * 5


async def test_a_401_while_a_gap_is_filled_asks_the_profile_about_the_token() -> None:
    reader = failing("token_rejected", "playlists", "profile")
    with pytest.raises(SpotifyTokenRejectedError):
        await filled(reader)

    assert reader.asked == ["playlists", "profile"]


@pytest.mark.parametrize("profile", [None, "server_error", "timeout"])
async def test_a_401_on_a_gap_alone_is_that_sections_fault(profile: FailureCode | None) -> None:
    reader = failing("token_rejected", "playlists")
    if profile:
        reader.script["profile"] = SpotifyFailure(profile)
    listening = await filled(reader)

    assert reader.asked == ["playlists", "profile"]
    assert section(listening, "playlists").code == "token_rejected"
    assert (section(listening, "profile").status, listening.profile.id) == ("ok", "wenda")


@pytest.mark.parametrize("code", ["not_registered", "owner_not_premium"])
async def test_what_the_apps_owner_must_mend_is_told_by_reason(code: FailureCode) -> None:
    error = await error_of(failing(code, "profile"))

    assert isinstance(error, SpotifyForbiddenError)
    assert error.reason == code


async def test_all_scopes_missing_is_forbidden() -> None:
    error = await error_of(failing("missing_scope", *SECTIONS))

    assert isinstance(error, SpotifyForbiddenError)
    assert error.reason == "missing_scope"


async def test_all_forbidden_for_no_known_reason_is_forbidden() -> None:
    error = await error_of(failing("forbidden", *SECTIONS))

    assert isinstance(error, SpotifyForbiddenError)
    assert error.reason is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("rate_limited", SpotifyRateLimitedError),
        ("quota_exceeded", SpotifyQuotaExceededError),
        ("timeout", SpotifyTimeoutError),
        ("connection", SpotifyUnavailableError),
        ("unexpected_shape", SpotifyUnavailableError),
    ],
)
async def test_all_five_lost_is_a_failure_of_their_kind(
    code: FailureCode, kind: type[LyraError]
) -> None:
    assert type(await error_of(failing(code, *SECTIONS))) is kind


async def test_the_soonest_pause_is_told() -> None:
    reader = failing("rate_limited", *SECTIONS, after_s=90)
    reader.script["playlists"] = SpotifyFailure("quota_exceeded", retry_after_s=40_000)

    error = await error_of(reader)

    assert isinstance(error, SpotifyRateLimitedError)
    assert error.retry_after_s == 90


async def test_a_mixture_of_faults_is_unavailable() -> None:
    reader = failing("timeout", *SECTIONS)
    reader.script["profile"] = SpotifyFailure("server_error")

    assert isinstance(await error_of(reader), SpotifyUnavailableError)


async def test_a_bug_in_one_section_is_not_taken_for_a_fault() -> None:
    with pytest.raises(KeyError):
        await fetch(FakeReader({"playlists": KeyError("a bug")}))


async def test_an_error_carries_no_cause() -> None:
    error = await error_of(failing("token_rejected", "profile"))

    assert (error.__cause__, error.__context__) == (None, None)


class _Slow:
    """Refuses the token in a moment; every other answer never comes."""

    calls = 0

    def __init__(self, *, refuses: bool) -> None:
        self.ended: list[str] = []
        self._refuses = refuses

    async def get(self, endpoint: SectionName, parse: Callable[[bytes], T]) -> T:
        if endpoint == "profile" and self._refuses:
            await asyncio.sleep(0)
            raise SpotifyFailure("token_rejected")
        try:
            return parse(await asyncio.get_running_loop().create_future())
        finally:
            self.ended.append(endpoint)


async def test_a_token_that_me_refuses_ends_the_other_calls_at_once() -> None:
    reader = _Slow(refuses=True)
    with pytest.raises(SpotifyTokenRejectedError) as refused:
        await fetch_listening(reader, now=0.0, report=lambda _: None)

    assert len(reader.ended) == 4
    assert refused.value.__context__ is None


async def test_a_refusal_does_not_leave_its_caller_marked_as_cancelled() -> None:
    with pytest.raises(SpotifyTokenRejectedError):
        await fetch_listening(_Slow(refuses=True), now=0.0, report=lambda _: None)

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_fetch_that_is_cancelled_is_no_refusal() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await fetch_listening(_Slow(refuses=False), now=0.0, report=lambda _: None)


class SlowPages:
    """Gives pages each item of which takes two milliseconds, and notes when each was wanted."""

    calls = 0

    def __init__(self) -> None:
        self.turn = 0
        self.when: list[int] = []

    async def get(self, endpoint: SectionName, parse: Callable[[bytes], T]) -> T:
        page = parse(PAGES[endpoint])
        assert isinstance(page, Page)
        rows = list(page.trimmed)
        return cast("T", Page(map(self._slowly, rows * (20 // len(rows))), page.done))

    def _slowly(self, row: object) -> object:
        clock = asyncio.get_running_loop().time
        until = clock() + 0.002
        while clock() < until:
            pass
        self.when.append(self.turn)
        return row

    async def count(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.turn += 1


async def test_items_that_take_long_are_trimmed_in_a_turn_of_the_loop_each() -> None:
    pages, turns = SlowPages(), LoopThrottle()
    async with asyncio.TaskGroup() as group:
        counting = group.create_task(pages.count())
        fetches = [
            fetch_listening(pages, now=0, report=lambda _: None, throttle=turns) for _ in range(3)
        ]
        await asyncio.gather(*fetches)
        counting.cancel()

    assert len(pages.when) == 3 * 5 * 20
    # The five sections of three listeners begin at once; from then on, one item has a turn.
    assert max(Counter(pages.when[15:]).values()) <= 2
