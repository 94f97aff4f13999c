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


def test_spotify_is_asked_for_genres_of_top_artists_alone() -> None:
    analysis = analyse_genres([artist("a", "dub"), artist("b")], [track("c"), track("d")], [])

    assert (analysis.artists_known, analysis.artists_considered) == (1, 2)


def test_coverage_is_the_part_of_the_listening_by_weight() -> None:
    even = analyse_genres([artist("a", "dub"), artist("b")], [], [])
    guests = analyse_genres([artist("a", "dub")], [track("a", "guest")], [])

    assert even.coverage == pytest.approx(1 / (1 + 2**-0.5), abs=1e-4)
    assert guests.coverage == pytest.approx((3 + 1) / (3 + 2), abs=1e-4)


@pytest.mark.parametrize(
    ("known", "unknown", "thin"),
    [(4, 0, True), (5, 0, False), (5, 8, False), (6, 90, True), (0, 0, True)],
)
def test_few_known_artists_or_little_coverage_are_thin(
    known: int, unknown: int, thin: bool
) -> None:
    artists = [artist(f"a{n}", "dub") for n in range(known)]
    artists += [artist(f"b{n}") for n in range(unknown)]

    assert analyse_genres(artists, [], []).thin is thin


def test_a_rank_weighs_by_spotifys_place_where_rows_were_left_out() -> None:
    second = Artist("b", id="b", genres=("ska",), rank=4)
    analysis = analyse_genres([artist("a", "dub"), second], [], [])

    first, other = analysis.genres
    assert first.share / other.share == pytest.approx(2, rel=1e-3)


def test_without_any_genre_the_source_is_none() -> None:
    analysis = analyse_genres([Artist("a", id="a")], [track("a")], [])

    assert (analysis.source, analysis.coverage, analysis.genres) == ("none", 0.0, ())
    assert analysis.artists_considered == 1


def test_nothing_at_all_is_analysed_too() -> None:
    assert analyse_genres([], [], []).artists_considered == 0


def test_an_artist_without_id_is_known_by_name() -> None:
    local = Track("Local", artists=("A",), artist_ids=(None,))

    analysis = analyse_genres([Artist("a", genres=("dub",))], [local], [])

    assert (analysis.artists_considered, analysis.coverage) == (1, 1.0)


def test_a_local_file_is_of_the_known_artist_of_its_name() -> None:
    local = Track("Local", artists=("OSTRA VEY",), artist_ids=(None,))
    known = Artist("Ostra Vey", id="a", genres=("dub",))

    assert analyse_genres([known], [local], [Play(local)]).coverage == 1.0


def test_a_local_file_is_of_nobody_known_where_two_have_its_name() -> None:
    local = Track("Local", artists=("Ostra Vey",), artist_ids=(None,))
    artists = [
        Artist("Ostra Vey", id=id_, genres=(genre,)) for id_, genre in (("a", "dub"), ("b", "ska"))
    ]

    analysis = analyse_genres(artists, [local], [])

    assert analysis.coverage == pytest.approx(3 / 5, abs=1e-4)


def test_two_spellings_of_one_artist_are_one_part() -> None:
    analysis = analyse_genres([artist("a", "Hip-Hop", "hip hop", "dub")], [], [])

    assert [(genre.name, genre.share) for genre in analysis.genres] == [
        ("dub", 0.5),
        ("hip-hop", 0.5),
    ]


@pytest.mark.parametrize("blank", ["", " ", "-", "\u2013 _"])
def test_what_has_no_letter_is_no_genre(blank: str) -> None:
    assert analyse_genres([artist("a", blank)], [], []).source == "none"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hip hop", "hip-hop"),
        ("Hip Hop", "hiphop"),
        ("R&B", "r & b"),
        ("R&B", "rnb"),
        ("drum and bass", "Drum & Bass"),
        ("synth\u2010pop", "synth-pop"),
        ("synthpop", "synth-pop"),
        ("k-pop", "KPop"),
        ("postpunk", "post-punk"),
        ("trip hop", "triphop"),
        ("d&b", "drum and bass"),
        ("liquid dnb", "liquid drum & bass"),
        ("drum'n'bass", "drum and bass"),
        ("Drum \u2019n\u2019 Bass", "dnb"),
        ("r'n'b", "r&b"),
        ("R + B", "r and b"),
        ("contemporary rnb", "contemporary r&b"),
        ("rock 'n' roll", "rock and roll"),
        ("rock & roll", "rock n roll"),
        ("lofi hip hop", "lo-fi hip-hop"),
        ("chanson fran\u00e7aise", "chanson francaise"),
        ("chanson franc\u0327aise", "chanson francaise"),
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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("r&b", "rb"),
        ("pop", "k-pop"),
        ("\u30d0\u30f3\u30c9", "\u30cf\u30f3\u30c8"),
        ("band", "b n d"),
        ("rock", "rocks"),
    ],
)
def test_two_genres_stay_two(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@given(st.lists(st.lists(st.sampled_from(["dub", "ska", "techno", "Dub"]), max_size=3), max_size=9))
def test_shares_are_parts_of_one_in_falling_order(given_genres: list[list[str]]) -> None:
    artists = [artist(f"a{place}", *genres) for place, genres in enumerate(given_genres)]

    shares = [genre.share for genre in analyse_genres(artists, [], []).genres]

    assert shares == sorted(shares, reverse=True)
    assert not shares or sum(shares) == pytest.approx(1, abs=0.01)
