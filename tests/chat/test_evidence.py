"""Facts are about what the question asks or the answer names, and are counted by id."""

import pytest

from lyra.chat.evidence import MAX_FACTS, find_evidence
from lyra.chat.mentions.cards import Mention, find_mentions
from lyra.listening.models import (
    Artist,
    Genre,
    GenreAnalysis,
    Listening,
    Play,
    Playlist,
    Profile,
    Section,
    Track,
)


def track(name: str, *artists: str, number: int = 0, year: int | None = None) -> Track:
    return Track(
        name,
        artists=artists,
        artist_ids=tuple(f"id of {each}" for each in artists),
        id=f"t{number}{name}",
        uri=f"spotify:track:{name}{number}",
        released=year,
    )


def artist(name: str, *genres: str, id_: str | None = None, rank: int = 0) -> Artist:
    id_ = id_ or f"id of {name}"
    return Artist(name, id=id_, uri=f"spotify:artist:{id_}", genres=genres, rank=rank)


HOME = track("Home", "Ostra Vey", year=1994)
HARBOUR = track("Harbour Lights", "Nightglass", year=2011)
NIGHTGLASS = artist("Nightglass", "dream pop")
SOFT = Playlist("Soft Mornings", uri="spotify:playlist:s", total=31, owner="vesna")
LISTENER = Listening(
    Profile("vesna"),
    (Section("playlists", "ok", count=1, total=80),),
    top_artists=(NIGHTGLASS, artist("Ostra Vey")),
    top_tracks=(HARBOUR, track("Café", "Mirelle Ando"), HOME),
    recently_played=(
        Play(HOME, "2026-11-20T10:10:00Z"),
        Play(HARBOUR, "2026-11-20T10:20:00Z"),
        Play(HOME, "2026-11-20T13:30:00Z"),
    ),
    playlists=(SOFT,),
    genre_analysis=GenreAnalysis(
        (Genre("dream pop", 0.4), Genre("dub", 0.3)), 0.5, "spotify", 6, 9
    ),
)


def told(answer: str = "", question: str = "", listener: Listening = LISTENER) -> list[str]:
    return find_evidence(listener, find_mentions(answer, listener), question)


def told_of(item: Track | Artist, listener: Listening) -> list[str]:
    mention = Mention(0, item, "artist" if isinstance(item, Artist) else "track")
    return find_evidence(listener, [mention])


def test_facts_about_what_is_named_are_counted_from_the_data() -> None:
    assert told("Play “Home”, then Nightglass, then Soft Mornings.") == [
        "“Home” is number 3 of your 3 top tracks.",
        "“Home” is among your last 3 plays twice.",
        "Nightglass is number 1 of your 2 top artists.",
        "1 of your last 3 plays is by Nightglass.",
        "Spotify files Nightglass under dream pop.",
        "“Soft Mornings” is a playlist of 31 tracks.",
    ]


@pytest.mark.parametrize(
    "question", ["Hi!", "hello there", "Good morning, Lyra", "Hey hey", "¡Hola!", "Thank you!"]
)
def test_a_greeting_rests_on_nothing(question: str) -> None:
    assert told("Hello! You love Nightglass.", question) == []


@pytest.mark.parametrize("question", ["Tell me a joke.", "What is jazz?", "", "¿Qué tal?"])
def test_what_neither_asks_nor_names_has_no_facts(question: str) -> None:
    assert told("Here is something of general interest.", question) == []


@pytest.mark.parametrize(
    ("question", "facts"),
    [
        (
            "Which genres do I like?",
            [
                (
                    "dream pop is 40% of the listening whose genre is known"
                    " (6 of 9 top artists, 50% of the listening by weight)."
                ),
                (
                    "dub is 30% of the listening whose genre is known"
                    " (6 of 9 top artists, 50% of the listening by weight)."
                ),
            ],
        ),
        (
            "Where in my listening does dream pop show?",
            [
                "Spotify files 1 of your 2 top artists under dream pop, Nightglass.",
                (
                    "dream pop is 40% of the listening whose genre is known"
                    " (6 of 9 top artists, 50% of the listening by weight)."
                ),
            ],
        ),
        (
            "Which of my top tracks are on editions from the 1990s?",
            ["1 of 2 top tracks with a known year is on editions from the 1990s."],
        ),
        ("When do I listen?", ["3 of your last 3 plays ended between 10:00 and 14:00 UTC."]),
        (
            "What did I play between 13:00 and 14:00 UTC?",
            ["1 of your last 3 plays ended between 13:00 and 14:00 UTC."],
        ),
        ("How many playlists do I have?", ["1 of your 80 playlists was read."]),
        (
            "Where does Nightglass stand?",
            [
                "Nightglass is number 1 of your 2 top artists.",
                "1 of your last 3 plays is by Nightglass.",
                "Spotify files Nightglass under dream pop.",
            ],
        ),
    ],
)
def test_what_is_asked_is_told(question: str, facts: list[str]) -> None:
    assert told("I have looked.", question) == facts


def test_there_are_six_facts_at_most() -> None:
    names = " ".join(f"“{each.name}”" for each in LISTENER.top_tracks)

    assert len(told(f"{names}, Nightglass and Ostra Vey", "Which genres, when?")) == MAX_FACTS


def test_a_share_of_a_few_artists_is_not_told() -> None:
    few = GenreAnalysis((Genre("dub", 1.0),), 0.9, "spotify", 1, 9)
    listener = Listening(Profile("me"), (), genre_analysis=few)

    assert told("", "Which genres?", listener) == ["Genres are known for only 1 of 9 top artists."]


def test_what_was_not_read_is_told_where_it_is_asked_for() -> None:
    gap = Section("recently_played", "forbidden", code="missing_scope")
    listener = Listening(Profile("me"), (gap,))

    assert told("", "What did I play last?", listener) == [
        "Not read from Spotify: recently played."
    ]
    assert told("", "Which genres?", listener) == []


def test_two_artists_of_one_name_are_counted_apart() -> None:
    first, second = artist("Nevra", id_="a", rank=1), artist("Nevra", id_="b", rank=2)
    plays = [
        Play(Track(n, ("Nevra",), (id_,), id=n)) for n, id_ in (("x", "a"), ("y", "b"), ("z", "a"))
    ]
    listener = Listening(
        Profile("me"), (), top_artists=(first, second), recently_played=tuple(plays)
    )

    assert told_of(first, listener) == [
        "Nevra is number 1 of your 2 top artists.",
        "2 of your last 3 plays are by Nevra (number 1 of your top artists).",
    ]
    assert told_of(second, listener)[1:] == [
        "1 of your last 3 plays is by Nevra (number 2 of your top artists)."
    ]


def test_a_local_file_counts_for_the_artist_of_its_name_and_for_its_own_title() -> None:
    files = [Track("Intro", (by,), (None,)) for by in ("Nightglass", "Ostra Vey")]
    listener = Listening(
        Profile("me"),
        (),
        top_artists=(NIGHTGLASS,),
        recently_played=tuple(map(Play, [*files, files[1]])),
    )

    assert "1 of your last 3 plays is by Nightglass." in told_of(NIGHTGLASS, listener)
    assert told_of(files[1], listener) == ["“Intro” by Ostra Vey is among your last 3 plays twice."]


def test_a_rank_is_spotifys_where_rows_were_left_out() -> None:
    second = artist("Nightglass", rank=2)
    rows = Section("top_artists", "ok", count=1, skipped=1)
    listener = Listening(Profile("me"), (rows,), top_artists=(second,))

    assert told_of(second, listener) == ["Nightglass is number 2 of your 2 top artists."]


def test_episodes_and_unreadable_rows_among_the_plays_are_said() -> None:
    rows = Section("recently_played", "ok", count=1, skipped=49, episodes=47)
    listener = Listening(
        Profile("me"), (rows,), top_artists=(NIGHTGLASS,), recently_played=(Play(HARBOUR),)
    )

    assert told_of(HARBOUR, listener) == [
        "“Harbour Lights” is among your last 50 plays once (47 were episodes, 2 could not be read)."
    ]
    assert "47 of your last 50 plays were episodes." in told(
        "", "What did I hear lately?", listener
    )


def test_one_of_a_kind_is_told_in_the_singular() -> None:
    listener = Listening(
        Profile("me"),
        (),
        top_artists=(NIGHTGLASS,),
        top_tracks=(HARBOUR,),
        recently_played=(Play(HARBOUR, "2026-11-20T10:10:00Z"),),
    )

    assert told_of(HARBOUR, listener) == [
        "“Harbour Lights” is your only top track.",
        "“Harbour Lights” is your last play.",
    ]
    assert told_of(NIGHTGLASS, listener)[:2] == [
        "Nightglass is your only top artist.",
        "Your last play is by Nightglass.",
    ]
    assert told("", "When?", listener) == ["Your last play ended between 10:00 and 11:00 UTC."]
