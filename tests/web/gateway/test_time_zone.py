"""The listener's time zone comes with the request, and changes what is said and nothing else."""

import re
from datetime import datetime
from typing import Any

import orjson
import pytest

from lyra.timezones import load_zone, read_zone
from tests.conftest import Service, Start
from tests.support.calls import Answer, call, chat
from tests.support.error_shape import check_error
from tests.support.scripted_model import scripted_model, stopped, streaming, words
from tests.support.stream_grammar import read_stream
from tests.support.wire_formats import USER

ASKED: dict[str, Any] = {"message": "At what hours do I listen?"}
KOLKATA, BERLIN = "Asia/Kolkata", "Europe/Berlin"
SPAN = re.compile(r"between (\d\d):00 and (\d\d):00( UTC)?")


async def profile(service: Service, **headers: str) -> dict[str, Any]:
    answer = await call(service, "GET", "/lyra/profile", headers=service.headers(**headers))
    view: dict[str, Any] = answer.json
    return view


async def asked(service: Service, zone: str | None, **headers: str) -> Answer:
    return await chat(service, None, ASKED | ({"timezone": zone} if zone else {}), **headers)


def facts(answer: Answer) -> list[str]:
    return [
        fact for part in read_stream(answer).of("data-because") for fact in part["data"]["facts"]
    ]


@pytest.mark.parametrize(
    "name",
    [
        "Mars/Olympus",
        "../etc/passwd",
        "europe/berlin/x/y",
        "",
        " ",
        "UTC+1",
        "posixrules",
        "Factory",
    ],
)
async def test_an_unknown_zone_in_the_body_is_refused_by_its_name(
    service: Service, name: str
) -> None:
    answer = await chat(service, None, ASKED | {"timezone": name})

    if not name:
        assert read_stream(answer).ending == "stop"  # as if it were not there
        return
    error = check_error(answer, "invalid_request")
    assert "$.timezone" in error["message"]
    assert name in error["message"]


@pytest.mark.parametrize("value", ["x" * 65, 7, ["UTC"]])
async def test_a_zone_that_is_no_name_is_refused(service: Service, value: object) -> None:
    answer = await chat(service, None, ASKED | {"timezone": value})

    assert "timezone" in check_error(answer, "invalid_request")["message"]


async def test_an_unknown_zone_in_the_header_is_utc_and_says_so(service: Service) -> None:
    answer = await asked(service, None, **{"X-Timezone": "Mars/Olympus"})

    assert any("UTC" in fact for fact in facts(answer))


async def test_facts_suggestions_and_summary_speak_of_the_listeners_hours(
    service: Service,
) -> None:
    utc, local = await profile(service), await profile(service, **{"X-Timezone": KOLKATA})
    init = await call(
        service, "POST", "/lyra/init", headers=service.headers(**{"X-Timezone": KOLKATA})
    )
    answer = await asked(service, KOLKATA)

    assert utc["plays_by_hour"] != local["plays_by_hour"]
    assert sum(utc["plays_by_hour"]) == sum(local["plays_by_hour"])
    hours = [(await load_zone(KOLKATA)).local(moment).hour for moment in moments(utc)]
    assert local["plays_by_hour"] == [hours.count(hour) for hour in range(24)]
    assert init.json["summary"] == local["summary"]
    texts = [local["summary"], *local["suggestions"], *facts(answer)]
    spans = [span for text in texts for span in SPAN.findall(text)]
    assert len(spans) >= 2
    assert not any(suffix for *_, suffix in spans)
    assert {key: utc[key] for key in utc.keys() - CHANGED} == {
        key: local[key] for key in local.keys() - CHANGED
    }


CHANGED = {"plays_by_hour", "suggestions", "summary", "cache"}


def moments(view: dict[str, Any]) -> list[datetime]:
    return [datetime.fromisoformat(play["played_at"]) for play in view["recently_played"]]


async def test_the_streamed_init_speaks_of_them_too(service: Service) -> None:
    headers = service.headers(Accept="text/event-stream", **{"X-Timezone": KOLKATA})
    streamed = await call(service, "POST", "/lyra/init", headers=headers)

    ready = orjson.loads(streamed.body.split(b"data: ")[-2])
    assert ready["summary"] == (await profile(service, **{"X-Timezone": KOLKATA}))["summary"]


async def test_the_cached_part_of_the_prompt_is_the_same_for_all_zones(start: Start) -> None:
    async with scripted_model(streaming(words("Yes."), stopped())) as model:
        service = await start(llm_base_url=model.url)
        for zone in (None, KOLKATA, BERLIN):
            await asked(service, zone)

    requests = [orjson.loads(body) for body in model.sent]
    assert requests[0]["system"] == requests[1]["system"] == requests[2]["system"]
    times = [request["messages"][-1]["content"].partition("]")[0] for request in requests]
    assert times[0].endswith(" UTC")
    assert f", {KOLKATA}, UTC+0530" in times[1]
    assert f", {BERLIN}, UTC+0" in times[2]


@pytest.mark.parametrize("settings", [{"llm": "offline"}, {}], ids=["offline", "sandbox model"])
async def test_the_answers_speak_of_them(start: Start, settings: dict[str, Any]) -> None:
    service = await start(**settings)
    local = (await profile(service, **{"X-Timezone": KOLKATA}))["plays_by_hour"]
    text = read_stream(await asked(service, KOLKATA)).text

    match = SPAN.search(text)
    assert match is not None
    assert match[3] is None
    first, last = int(match[1]), int(match[2])
    within = [local[(first + step) % 24] for step in range((last - first) % 24)]
    assert f"{sum(within)} ended between" in text


async def test_a_whole_answer_speaks_of_them_too(start: Start) -> None:
    service = await start(llm="offline")
    streamed = read_stream(await asked(service, KOLKATA))
    whole = await chat(service, None, ASKED | {"timezone": KOLKATA, "stream": False})

    assert whole.json["response"] == streamed.text
    assert SPAN.search(whole.json["response"])
    assert " UTC" not in whole.json["response"]


async def test_a_whole_answer_refuses_an_unknown_zone_by_its_name(service: Service) -> None:
    answer = await chat(service, None, ASKED | {"timezone": "Mars/Olympus", "stream": False})

    assert "Mars/Olympus" in check_error(answer, "invalid_request")["message"]


@pytest.mark.parametrize("face", ["openai", "agui"])
async def test_the_other_faces_take_the_header(start: Start, face: str) -> None:
    async with scripted_model(streaming(words("Yes."), stopped())) as model:
        service = await start(llm_base_url=model.url)
        path = "/v1/chat/completions" if face == "openai" else "/lyra/agui"
        body = {"messages": [{**USER, "id": "u1"}], "threadId": "t", "runId": "r"}
        headers = service.headers(**{"X-Timezone": BERLIN})
        await call(service, "POST", path, json=body, headers=headers)

    assert f", {BERLIN}, UTC" in orjson.loads(model.sent[0])["messages"][-1]["content"]


def test_a_zone_is_one_object_however_often_it_is_asked_for() -> None:
    assert read_zone(BERLIN) is read_zone(BERLIN)
