"""Answers that propose a playlist: what the model is told, and what the listener is shown."""

from typing import Any

import orjson
import pytest

from lyra.sandbox import sandbox_token
from lyra.sandbox.catalogue import artist, track
from tests.chat.test_rounds import answered, asking, find, listening, results, saying, sent
from tests.conftest import Service, Start
from tests.support.calls import call, chat
from tests.support.scripted_model import ScriptedModel, scripted_model, tool_use
from tests.support.stream_grammar import Stream, read_stream

NEW = [(1500 + number, 0) for number in range(10)]  # artists whom no listener of these tests plays
SONGS = [{"artist": artist(each[0]).name, "title": track(each).name} for each in NEW]
URIS = [f"spotify:track:{track(each).id}" for each in NEW]
FOREIGN = f"spotify:track:{'z' * 22}"


def propose(*uris: str, index: int = 1, **more: Any) -> bytes:
    return tool_use(
        "propose_playlist", {"name": "Slow Tides", "uris": [*uris], **more}, index=index
    )


async def proposing(start: Start, *calls: bytes, question: str = "A playlist!") -> Any:
    """The stream of an answer that finds ten new songs and makes these calls, and the model."""
    turns = (asking(find(*SONGS)), asking(*calls), saying("Here it is."))
    async with scripted_model(*turns) as model:
        service = await start(llm_base_url=model.url)
        return read_stream(await chat(service, body={"message": question})), model, service


def proposed(stream: Stream) -> dict[str, Any]:
    """The proposal that the answer shows at its end."""
    data: dict[str, Any] = stream.of("data-playlist")[-1]["data"]
    return data


def told(model: ScriptedModel, number: int = 2) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(results(sent(model)[number])[0]["content"])
    return content


async def test_a_proposal_is_shown_with_its_tracks_in_order(start: Start) -> None:
    stream, model, _ = await proposing(start, propose(*URIS[:3], description="For the sea."))

    view = proposed(stream)
    assert (view["name"], view["description"], view["state"]) == (
        "Slow Tides",
        "For the sea.",
        "open",
    )
    assert view["uris"] == [each["uri"] for each in view["tracks"]] == URIS[:3]
    assert view["count"] == 3
    assert [each["name"] for each in view["tracks"]] == [song["title"] for song in SONGS[:3]]
    assert all(each["new"] for each in view["tracks"])
    length_ms = sum(each["duration_ms"] for each in view["tracks"])
    assert view["minutes"] == round(length_ms / 60_000)
    assert told(model)["proposed"] == {
        "id": view["id"],
        "name": "Slow Tides",
        "count": 3,
        "minutes": view["minutes"],
    }
    assert told(model)["saved"] is False


async def test_the_proposal_can_be_looked_at_by_its_listener(start: Start) -> None:
    stream, _, service = await proposing(start, propose(*URIS[:3]))
    view = proposed(stream)

    answer = await call(service, "GET", f"/lyra/playlists/{view['id']}", headers=service.headers())

    assert answer.json == {"success": True, "proposal": view}


async def test_json_holds_the_proposal(start: Start) -> None:
    turns = (asking(find(*SONGS)), asking(propose(*URIS[:2])), saying("Here."))
    async with scripted_model(*turns) as model:
        answer = await chat(await start(llm_base_url=model.url), Accept="application/json")

    assert answer.json["playlist"]["uris"] == URIS[:2]


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        (FOREIGN, "unknown"),
        ("spotify:album:1234567890123456789012", "not_a_track"),
        ("https://open.spotify.com/track/1", "not_a_track"),
        ("x\x00\u202e", "not_a_track"),
        (URIS[0], "duplicate"),
    ],
)
async def test_what_may_not_be_proposed_is_left_out_with_the_reason(
    start: Start, uri: str, reason: str
) -> None:
    stream, model, _ = await proposing(start, propose(URIS[0], uri, URIS[1]))

    assert proposed(stream)["uris"] == URIS[:2]
    assert [each["reason"] for each in told(model)["left_out"]] == [reason]


async def test_a_song_that_only_the_model_knows_makes_no_proposal(start: Start) -> None:
    stream, model, _ = await proposing(start, propose(FOREIGN))

    assert stream.of("data-playlist") == []
    [result] = results(sent(model)[2])
    assert result["is_error"] is True
    assert result["content"].startswith("None of these can be proposed (unknown 1).")


async def test_what_an_earlier_answer_found_is_no_result_of_this_one(start: Start) -> None:
    first = (asking(find(*SONGS)), saying("Found."))
    async with scripted_model(*first, asking(propose(URIS[0])), saying("Hm.")) as model:
        service = await start(llm_base_url=model.url)
        await chat(service)
        stream = read_stream(await chat(service))

    assert stream.of("data-playlist") == []


async def test_the_listeners_own_songs_can_be_proposed_by_their_address(start: Start) -> None:
    async with scripted_model(saying("Hello.")) as model:
        service = await start(llm_base_url=model.url)
        model.replies = [asking(listening(section="top_tracks")), saying("Read.")]
        await chat(service)
        rows = told(model, -1)["rows"]
        model.replies = [asking(propose(*[row["uri"] for row in rows[:5]])), saying("Here.")]
        stream = read_stream(await chat(service))

    assert proposed(stream)["uris"] == [row["uri"] for row in rows[:5]]
    assert not any("new" in each for each in proposed(stream)["tracks"])


async def test_of_new_music_what_the_listener_knows_is_left_out(start: Start) -> None:
    async with scripted_model(saying("Hello.")) as model:
        service = await start(llm_base_url=model.url)
        model.replies = [asking(listening(section="top_tracks")), saying("Read.")]
        await chat(service)
        known = told(model, -1)["rows"][0]["uri"]
        model.replies = [
            asking(find(*SONGS)),
            asking(propose(known, *URIS[:2], only_new=True)),
            saying("Here."),
        ]
        stream = read_stream(await chat(service))

    assert proposed(stream)["uris"] == URIS[:2]
    assert proposed(stream)["notes"] == ["1 song was left out: your data hold what is not new."]


@pytest.mark.parametrize(
    ("question", "said", "count"),
    [
        ("Make me a playlist of 4 songs", {}, 4),
        ("Make me a playlist of 4 songs", {"count": 9}, 4),
        ("Make me a short playlist", {"count": 5}, 5),
    ],
)
async def test_the_number_of_songs_is_the_listeners(
    start: Start, question: str, said: dict[str, int], count: int
) -> None:
    stream, _, _ = await proposing(start, propose(*URIS, **said), question=question)

    assert proposed(stream)["uris"] == URIS[:count]


async def test_the_minutes_are_the_listeners(start: Start) -> None:
    question = "Make me a 15-minute playlist of new songs"
    stream, _, _ = await proposing(start, propose(*URIS, minutes=90), question=question)

    length_ms = sum(each["duration_ms"] for each in proposed(stream)["tracks"])
    assert 12.5 <= length_ms / 60_000 <= 17.5


async def test_a_length_that_cannot_be_kept_is_told_to_the_model_and_the_listener(
    start: Start,
) -> None:
    stream, model, _ = await proposing(
        start, propose(*URIS[:3]), question="A playlist of 20 songs, please"
    )

    said = "These are 3 of the 20 songs that were asked for."
    assert proposed(stream)["notes"] == told(model)["notes"] == [said]


async def test_a_later_proposal_of_the_answer_takes_the_place_of_the_first(start: Start) -> None:
    turns = (
        asking(find(*SONGS)),
        asking(propose(*URIS[:2])),
        asking(propose(*URIS[2:7])),
        saying("Here."),
    )
    async with scripted_model(*turns) as model:
        stream = await answered(start, model)

    first, second = stream.of("data-playlist")
    assert first["id"] == second["id"]
    assert second["data"]["uris"] == URIS[2:7]


async def test_of_proposals_in_one_round_one_is_shown(start: Start) -> None:
    stream, _, service = await proposing(start, propose(*URIS[:2]), propose(*URIS[2:4], index=2))

    [part] = stream.of("data-playlist")
    answer = await call(service, "GET", f"/lyra/playlists/{part['id']}", headers=service.headers())
    assert answer.json["proposal"] == part["data"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"uris": URIS[:1]},
        {"name": "x", "uris": []},
        {"name": "x"},
        {"name": " ", "uris": URIS[:1]},
        {"name": "x", "uris": URIS[:1], "save": True},
        {"name": "x", "uris": URIS[:1], "minutes": 0},
        {"name": "x", "uris": URIS[:1], "count": "ten"},
        {"name": "x", "uris": URIS[:1] * 101},
        {"name": ["x"], "uris": URIS[:1]},
    ],
    ids=range(9),
)
async def test_an_input_that_is_none_gets_one_sentence(
    start: Start, arguments: dict[str, Any]
) -> None:
    stream, model, _ = await proposing(start, tool_use("propose_playlist", arguments))

    assert stream.of("data-playlist") == []
    assert results(sent(model)[2])[0]["is_error"] is True


async def test_more_of_an_own_playlist_leaves_out_what_it_holds(start: Start) -> None:
    async with scripted_model(saying("Hello.")) as model:
        service = await start(llm_base_url=model.url)
        own = await _own_playlist(service)
        model.replies = [asking(listening(section="playlist", uri=own["uri"])), saying("Read.")]
        await chat(service)
        held = told(model, -1)["rows"][0]["uri"]
        more = tool_use("propose_playlist", {"playlist": own["name"], "uris": [held, *URIS[:2]]})
        read = listening(section="playlist", uri=own["uri"])
        model.replies = [asking(find(*SONGS)), asking(read), asking(more), saying("Here.")]
        stream = read_stream(await chat(service))

    view = proposed(stream)
    assert view["extends"] == {"uri": own["uri"], "name": own["name"]}
    assert view["uris"] == URIS[:2]
    assert view["notes"] == ["1 song was left out: the playlist has the same recording."]


async def _own_playlist(service: Service) -> dict[str, Any]:
    profile = (await call(service, "GET", "/lyra/profile", headers=service.headers())).json
    own: dict[str, Any] = next(each for each in profile["playlists"] if each["owned"])
    return own


@pytest.mark.parametrize("level", ["minimal", "full"])
async def test_a_name_from_the_model_is_cleaned(start: Start, level: str) -> None:
    dirty = tool_use("propose_playlist", {"name": "Slow\u202e\n Tides\x00" * 15, "uris": URIS[:1]})
    turns = (asking(find(*SONGS)), asking(dirty), saying("Here."))
    async with scripted_model(*turns) as model:
        stream = await answered(start, model, llm_context=level)

    name = proposed(stream)["name"]
    assert name.isprintable()
    assert len(name) <= 100


async def test_where_no_list_could_be_read_nothing_is_called_new(start: Start) -> None:
    blind = sandbox_token(7, "typical", "legacy", "scope-artists", "scope-tracks", "scope-recent")
    turns = (asking(find(*SONGS)), asking(propose(*URIS[:2], only_new=True)), saying("Here."))
    async with scripted_model(*turns) as model:
        stream = read_stream(await chat(await start(llm_base_url=model.url), blind))

    assert not any("new" in each for each in proposed(stream)["tracks"])
    assert proposed(stream)["notes"] == [
        "Whether these are new to you could not be checked: none of your lists could be read."
    ]


async def test_with_minimal_context_the_model_does_not_learn_which_songs_are_known(
    start: Start,
) -> None:
    async with scripted_model(saying("Hello.")) as model:
        service = await start(llm_base_url=model.url, llm_context="minimal")
        profile = (await call(service, "GET", "/lyra/profile", headers=service.headers())).json
        known = profile["top_tracks"][0]
        song = {"artist": known["artists"][0], "title": known["name"]}
        model.replies = [
            asking(find(song, *SONGS[:2])),
            asking(propose(known["uri"], *URIS[:2], only_new=True)),
            asking(tool_use("propose_playlist", {"playlist": "Mine", "uris": URIS[:1]})),
            saying("Here."),
        ]
        stream = read_stream(await chat(service))

    assert proposed(stream)["uris"] == URIS[:2]
    assert told(model, -2)["left_out"] == []
    assert results(sent(model)[-1])[0]["content"] == (
        "Only a new playlist can be proposed here: the listener's own are not in the data."
    )
