"""Silence is filled by comments, and nothing may block the loop."""

import time

import pytest

from lyra.chat.model.port import Prompt
from lyra.sandbox import sandbox_token
from tests.conftest import Service, Start
from tests.support.calls import call, chat, init
from tests.support.error_shape import check_error
from tests.support.stream_grammar import read_stream


@pytest.mark.parametrize("fault", ["hang", "pings"])
async def test_a_silent_models_reader_gets_heartbeats_then_the_error(
    start: Start, fault: str
) -> None:
    service = await start(
        model=f"fault:{fault}", heartbeat_s=0.02, first_token_timeout_s=0.4, token_timeout_s=0.4
    )
    answer = await chat(service)

    stream = read_stream(answer)
    assert stream.comments == answer.body.count(b": ka\n\n") >= 1
    assert stream.ending == "llm_timeout"


async def test_a_slow_load_gets_heartbeats_too(start: Start) -> None:
    service = await start(heartbeat_s=0.02, spotify_timeout_s=1.5)

    # One section never comes: a long silence, however busy the machine is.
    stream = read_stream(await chat(service, sandbox_token(7, "typical", "legacy", "hang-recent")))

    assert stream.comments >= 1
    assert stream.ending == "stop"


async def test_an_answer_that_flows_has_no_heartbeat(service: Service) -> None:
    assert read_stream(await chat(service)).comments == 0


async def test_a_call_that_blocks_in_a_handler_is_an_error(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def blocking(*_: object, **__: object) -> dict[str, object]:
        time.sleep(0.001)
        return {}

    monkeypatch.setattr("lyra.web.api.listener.profile_view", blocking)

    answer = await call(service, "GET", "/lyra/profile", headers=service.headers())

    check_error(answer, "internal")
    assert "BlockingError" in caplog.text


def blocking_open(_: object, __: Prompt) -> None:
    time.sleep(0.001)
    raise AssertionError("not reached")


async def test_a_call_that_blocks_in_a_model_is_an_error(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await init(service)
    monkeypatch.setattr(type(service.services.generator.model), "open", blocking_open)

    check_error(await chat(service), "internal")
    assert "BlockingError" in caplog.text
