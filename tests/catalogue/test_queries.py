"""The words that a search is asked with."""

from hypothesis import given, strategies as st

from lyra.catalogue.items import Wanted
from lyra.catalogue.queries import MAX_QUERY, Query, plan_queries, query_artist


def test_filters_come_first_then_plain_words() -> None:
    filtered, plain = plan_queries(Wanted("album", "Velnora", "Maps"))

    assert filtered.words == 'album:"Maps" artist:"Velnora"'
    assert plain.words == "Maps Velnora"


def test_plain_words_leave_guests_and_edition_out() -> None:
    _, plain = plan_queries(Wanted("track", "Velnora", "Tide (feat. Marlow) [Remastered]"))

    assert plain.words == "Tide Velnora"


def test_an_artist_is_searched_by_name_alone() -> None:
    filtered, plain = plan_queries(Wanted("artist", "Velnora"))

    assert (filtered.words, plain.words) == ('artist:"Velnora"', "Velnora")


def test_a_quotation_mark_cannot_end_a_filter() -> None:
    filtered, _ = plan_queries(Wanted("track", 'Vel"nora', 'Ti" artist:"x'))

    assert filtered.words == 'track:"Ti artist: x" artist:"Vel nora"'


def test_equal_searches_are_known_by_one_text() -> None:
    assert Query("track", " Low  TIDE ").cache_text == Query("track", "low tide").cache_text
    assert Query("album", "tide").cache_text != Query("track", "tide").cache_text


@given(st.text(max_size=2_000), st.text(min_size=1, max_size=2_000))
def test_no_query_is_too_long(title: str, artist: str) -> None:
    wanted = Wanted("track", artist, title)

    for query in (*plan_queries(wanted), query_artist(wanted)):
        assert len(query.words) <= MAX_QUERY + len('track:"" artist:""')
