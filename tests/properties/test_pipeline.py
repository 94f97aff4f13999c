"""From five answers to what is kept, shown and told to the model: nothing raises, nothing leaks."""

import unicodedata
from collections.abc import Callable
from typing import TypeVar, get_args

import orjson
from hypothesis import given, strategies as st

from lyra.cache.entry import ContextLevel, Entry, make_entry
from lyra.cache.expiry import Life
from lyra.chat.prompt import make_prompt
from lyra.chat.request_schema import Turn
from lyra.errors import LyraError
from lyra.listening.fetch import fetch_listening
from lyra.listening.models import SECTIONS, Listening, Section, SectionName
from lyra.listening.views import profile_view
from lyra.sandbox.listening_lines import read_lines
from lyra.spotify.failures import MEANINGS, SpotifyFailure
from tests.support.listenings import listenings
from tests.support.spotify_answers import bodies, mostly

T = TypeVar("T")
Answers = dict[SectionName, bytes | SpotifyFailure]

LIFE = Life(
    fetched_at=0.0, refresh_at=2880.0, expires_at=3600.0, stale_until=4200.0, token_seen_at=0.0
)
TURNS = (Turn("user", "What do I like?"),)
LEVELS: tuple[ContextLevel, ...] = get_args(ContextLevel)

failures = st.builds(
    SpotifyFailure,
    st.sampled_from(sorted(MEANINGS)),
    retry_after_s=st.none() | st.floats(0, 86_400),
)
answers: st.SearchStrategy[Answers] = st.fixed_dictionaries(
    {name: mostly(bodies(name), failures, out_of=3) for name in SECTIONS}
)
readable: st.SearchStrategy[Answers] = st.fixed_dictionaries(
    {name: bodies(name) for name in SECTIONS}
)


class Reader:
    """Answers each endpoint with the body or the failure that it was given."""

    def __init__(self, given_answers: Answers) -> None:
        self._answers = given_answers
        self.calls = 0

    async def get(self, endpoint: SectionName, parse: Callable[[bytes], T]) -> T:
        self.calls += 1
        answer = self._answers[endpoint]
        if isinstance(answer, SpotifyFailure):
            raise answer
        return parse(answer)


async def fetched(given_answers: Answers) -> tuple[Listening | LyraError, list[Section]]:
    reported: list[Section] = []
    try:
        found = await fetch_listening(
            Reader(given_answers), now=1_795_348_800.0, report=reported.append
        )
    except LyraError as error:
        return error, reported
    return found, reported


def by_name(section: Section) -> str:
    return section.name


def entry_of(listening: Listening, level: ContextLevel = "full") -> Entry:
    return make_entry(listening, level=level, life=LIFE)


def unsafe(text: str) -> set[str]:
    """Characters that end a line, hide, or turn the reading direction."""
    return {
        char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    } - {"\n"}


@given(answers)
async def test_five_answers_are_a_listener_or_a_typed_error(given_answers: Answers) -> None:
    found, reported = await fetched(given_answers)

    assert len({each.name for each in reported}) == len(reported)
    if isinstance(found, Listening):
        assert sorted(found.sections, key=by_name) == sorted(reported, key=by_name)
        assert sorted(map(by_name, reported)) == sorted(SECTIONS)
        assert any(each.status == "ok" for each in found.sections)


@given(readable)
async def test_whatever_was_read_can_be_kept_shown_and_told(given_answers: Answers) -> None:
    found, _ = await fetched(given_answers)
    if isinstance(found, LyraError):
        return

    for level in LEVELS:
        entry = entry_of(found, level)
        prompt = make_prompt(entry, TURNS, now=0.0)
        shown = orjson.loads(b"{%b}" % entry.init_members)
        assert shown["summary"] == found.summary
        assert prompt.context() == f"<listening_data>\n{entry.context}\n</listening_data>"
        assert entry.listening() == found
    assert orjson.loads(orjson.dumps(profile_view(found)))["summary"] == found.summary


@given(readable, st.sampled_from(LEVELS))
async def test_nothing_read_from_spotify_breaks_out_of_the_fence(
    given_answers: Answers, level: ContextLevel
) -> None:
    found, _ = await fetched(given_answers)
    if isinstance(found, LyraError):
        return
    context = entry_of(found, level).context

    assert read_lines(context)
    assert not set("<>") & set(context)
    assert not unsafe(context)
    assert not unsafe(found.summary)


@given(listenings, st.sampled_from(LEVELS))
def test_no_listening_at_all_breaks_out_of_the_fence(
    listening: Listening, level: ContextLevel
) -> None:
    context = entry_of(listening, level).context

    assert read_lines(context)
    assert not set("<>") & set(context)
    assert not unsafe(context)


@given(listenings)
def test_what_is_packed_is_unpacked_as_it_was(listening: Listening) -> None:
    entry = entry_of(listening)

    assert entry.listening() == listening
    assert entry_of(entry.listening()) == entry


@given(listenings)
def test_the_answer_to_init_says_what_the_listening_says(listening: Listening) -> None:
    shown = orjson.loads(b"{%b}" % entry_of(listening).init_members)

    assert shown["summary"] == listening.summary
    assert shown["profile"]["id"] == listening.profile.id
    assert [each["name"] for each in shown["genre_analysis"]["genres"]] == [
        genre.name for genre in listening.genre_analysis.genres
    ]
    assert set(shown["sections"]) == {section.name for section in listening.sections}
