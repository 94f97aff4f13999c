import pytest
from hypothesis import given, strategies as st

from lyra.listening.genres import MAX_GENRES, analyse_genres, normalise
from lyra.listening.models import Artist, Play, Track


def artist(name: str, *genres: str) -> Artist:
    return Artist(name, id=name, genres=genres)


def track(*artists: str) -> Track:
    return Track("Anything", artists=artists, artist_ids=artists)


def test_the_share_falls_with_the_root_of_the_rank() -> None:
    analysis = analyse_genres([artist("a", "shoegaze"), artist("b", "techno")], [], [])

    first, second = analysis.genres
    assert (first.name, second.name) == ("shoegaze", "techno")
    assert first.share / second.share == pytest.approx(2**0.5, rel=1e-3)


def test_an_artist_of_two_genres_gives_half_to_each() -> None:
    analysis = analyse_genres([artist("a", "dub", "ska")], [], [])

    assert [genre.share for genre in analysis.genres] == [0.5, 0.5]


def test_tracks_and_plays_weigh_through_artists_known_by_id() -> None:
    artists = [artist("a", "shoegaze"), artist("b", "techno")]

    analysis = analyse_genres(artists, [track("b")], [Play(track("b"))])

    assert analysis.genres[0].name == "techno"


def test_a_tracks_weight_is_split_among_its_artists() -> None:
    artists = [artist("a", "dub"), artist("b", "ska")]

    even = analyse_genres(artists, [track("a", "b")], [])
    alone = analyse_genres(artists, [], [])

    assert even.genres[0].share < alone.genres[0].share


def test_coverage_counts_the_artists_with_a_genre_among_all_weighed() -> None:
    analysis = analyse_genres([artist("a", "dub"), artist("b")], [track("c"), track("d")], [])

    assert (analysis.artists_known, analysis.artists_considered, analysis.coverage) == (1, 4, 0.25)


def test_without_any_genre_the_source_is_none() -> None:
    analysis = analyse_genres([Artist("a", id="a")], [track("a")], [])

    assert (analysis.source, analysis.coverage, analysis.genres) == ("none", 0.0, ())
    assert analysis.artists_considered == 1


def test_nothing_at_all_is_analysed_too() -> None:
    assert analyse_genres([], [], []).artists_considered == 0


def test_an_artist_without_id_is_known_by_name() -> None:
    local = Track("Local", artists=("A",), artist_ids=(None,))

    analysis = analyse_genres([Artist("a", genres=("dub",))], [local], [])

    assert analysis.artists_considered == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hip hop", "hip-hop"),
        ("Hip Hop", "hiphop"),
        ("R&B", "r & b"),
        ("R&B", "rnb"),
        ("drum and bass", "Drum & Bass"),
        ("synth\u2010pop", "synth-pop"),
        ("\uff34\uff45\uff43\uff48\uff4e\uff4f", "techno"),
    ],
)
def test_spellings_of_one_genre_are_one(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)

    analysis = analyse_genres([artist("a", one), artist("b", other)], [], [])
    assert [(genre.name, genre.share) for genre in analysis.genres] == [(one.casefold(), 1.0)]


def test_only_the_largest_are_kept_and_shares_are_of_all() -> None:
    analysis = analyse_genres([artist("a", *(f"genre {n}" for n in range(20)))], [], [])

    assert len(analysis.genres) == MAX_GENRES
    assert analysis.genres[0].share == 0.05


@given(st.lists(st.lists(st.sampled_from(["dub", "ska", "techno", "Dub"]), max_size=3), max_size=9))
def test_shares_are_parts_of_one_in_falling_order(given_genres: list[list[str]]) -> None:
    artists = [artist(f"a{place}", *genres) for place, genres in enumerate(given_genres)]

    shares = [genre.share for genre in analyse_genres(artists, [], []).genres]

    assert shares == sorted(shares, reverse=True)
    assert not shares or sum(shares) == pytest.approx(1, abs=0.01)
