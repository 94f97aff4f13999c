import msgspec
import orjson
import pytest
from msgspec.structs import replace

from lyra.listening.context import Level
from lyra.listening.models import Artist, Listening, Profile, Section
from lyra.listening.views import data_view, init_view, profile_view, suggestions

RECOMMEND = "Recommend some music I do not know yet"


def test_the_init_view_has_the_fields_of_the_contract(whole: Listening) -> None:
    view = init_view(whole)

    assert list(view) == ["message", "summary", "profile", "genre_analysis", "sections"]
    assert view["profile"] == {"id": "wenda", "display_name": "Wenda Brisk", "image": None}
    assert view["genre_analysis"]["source"] == "spotify"
    assert view["sections"]["profile"] == {"status": "ok"}
    assert view["sections"]["top_artists"] == {"status": "ok", "count": 3}


def test_a_missing_section_says_why_in_the_view(whole: Listening) -> None:
    gap = Section("playlists", "forbidden", code="missing_scope", message="Grant it.", ms=9)

    view = init_view(replace(whole, sections=(gap,)))

    assert view["sections"] == {
        "playlists": {"status": "forbidden", "code": "missing_scope", "message": "Grant it."}
    }


def test_what_was_left_out_of_a_section_is_in_the_view(whole: Listening) -> None:
    plays = Section("recently_played", "ok", count=2, skipped=48, episodes=47)
    lists = Section("playlists", "ok", count=50, total=1200)

    assert init_view(replace(whole, sections=(plays, lists)))["sections"] == {
        "recently_played": {"status": "ok", "count": 2, "skipped": 48, "episodes": 47},
        "playlists": {"status": "ok", "count": 50, "total": 1200},
    }


def test_too_few_known_genres_are_marked_thin(whole: Listening) -> None:
    assert init_view(whole)["genre_analysis"]["thin"] is True
    assert data_view(msgspec.to_builtins(whole))["genre_analysis"]["thin"] is True


def test_a_question_does_not_compare_a_name_with_itself(whole: Listening) -> None:
    twins = replace(whole, top_artists=tuple(Artist("Ostra", id=id_) for id_ in "ab"))

    assert not any("in common" in question for question in suggestions(twins))


def test_the_profile_view_shows_everything_that_is_kept(whole: Listening) -> None:
    view = profile_view(whole)

    assert view["top_artists"][0]["name"] == "Velmora Dusk"
    assert view["recently_played"][0]["track"]["name"] == "Paper Lighthouse"
    assert (len(view["plays_by_hour"]), sum(view["plays_by_hour"])) == (24, 3)
    assert view["fetched_at"] == 1_795_000_000.0


@pytest.mark.parametrize("view", [init_view, profile_view])
def test_views_are_ready_for_json(whole: Listening, view: object) -> None:
    assert callable(view)
    assert orjson.dumps(view(whole))


def test_suggestions_come_from_the_listeners_data(whole: Listening) -> None:
    questions = suggestions(whole)

    assert len(questions) == 4
    assert "Velmora Dusk" in questions[0]


def test_a_listener_without_data_has_three_suggestions() -> None:
    assert len(suggestions(Listening(Profile(), ()))) == 3


def test_new_music_is_the_first_suggestion_where_it_can_be_looked_up(whole: Listening) -> None:
    questions = suggestions(whole, finds_music=True)

    assert questions == [RECOMMEND, *suggestions(whole)[:3]]
    assert RECOMMEND not in suggestions(whole)


@pytest.mark.parametrize("level", ["full", "minimal", "none"])
def test_a_listener_without_data_may_ask_for_new_music(level: Level) -> None:
    questions = suggestions(Listening(Profile(), ()), level, finds_music=True)

    assert len(questions) == len(set(questions)) == 3
    assert questions[0] == RECOMMEND
