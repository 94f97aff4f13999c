"""Whatever a model's server sends in rounds: it gets requests that it could not refuse, and the reader
one whole answer.

    pytest tests/properties/test_rounds.py --rounds 20000 --streams-seed 7
"""

from random import Random
from typing import Any

import orjson
import pytest

from lyra.chat.tools.toolbox import MAX_CALLS, MAX_ROUNDS
from lyra.sandbox.catalogue import artist, track
from lyra.sandbox.model_prompt import read_prompt
from tests.conftest import Service, Start
from tests.support.calls import Answer, chat
from tests.support.model_turns import DrawnModel, DrawnTurn, draw_turn
from tests.support.scripted_model import scripted_model
from tests.support.stream_grammar import Stream, read_stream
from tests.support.waits import until

STEP = 100  # answers in one test
SONGS = [{"artist": artist(at).name, "title": track((at, 0)).name} for at in range(1500, 1512)]
SONGS.append({"artist": "Nobody", "title": "Nowhere"})


class NoWait(Random):
    """A second call to a model is made at once."""

    def random(self) -> float:
        return 0.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As many answers as the command line asks for."""
    if "first" in metafunc.fixturenames:
        count = metafunc.config.getoption("--rounds", default=2 * STEP)
        metafunc.parametrize("first", range(0, count, STEP))


@pytest.mark.timeout(120)  # for all of them
async def test_any_rounds_are_requests_that_hold_and_one_answer(
    start: Start, first: int, pytestconfig: pytest.Config
) -> None:
    drawn = pytestconfig.getoption("--streams-seed", default="1")
    model = DrawnModel()
    async with scripted_model(model) as server:
        service = await start(
            llm_base_url=server.url,
            rng=NoWait(),
            rate_per_minute=1_000_000,
            searches_per_hour=1_000_000,
        )
        for number in range(first, first + STEP):
            await check(service, model, f"{drawn} {number}")


async def check(service: Service, model: DrawnModel, seed: str) -> None:
    rng = Random(seed)
    songs = rng.sample(SONGS, len(SONGS))
    model.begin([draw_turn(rng, songs) for _ in range(rng.randrange(1, 7))], rng)
    service.services.generator.toolbox.state = "on"  # a 400 turns them off for good
    answer = await chat(service)

    requests = [request_of(body, seed) for body in model.requests]
    succeeded = [turn for turn in model.served if turn.whole]
    assert len(succeeded) <= MAX_ROUNDS, seed
    assert len(model.served) <= 2 * MAX_ROUNDS, seed
    check_replay(requests, model.served, seed)
    await until(lambda: not service.services.runs.stats()["live"])
    assert service.services.generator.quota.stats()["held"] == 0, seed
    assert service.services.lyra.catalogue.stats()["flights"] == 0, seed
    if answer.status != 200:
        assert not model.served[-1].whole, seed
        return
    check_stream(read(answer, seed), model.served, requests, seed)


def request_of(body: bytes, seed: str) -> dict[str, Any]:
    """A request that the Messages API would take."""
    try:
        read_prompt(body)
    except ValueError as wrong:
        pytest.fail(f"{seed}: {wrong}")
    request: dict[str, Any] = orjson.loads(body)
    return request


def read(answer: Answer, seed: str) -> Stream:
    try:
        return read_stream(answer)
    except AssertionError as wrong:
        raise AssertionError(seed) from wrong


def check_replay(requests: list[dict[str, Any]], served: list[DrawnTurn], seed: str) -> None:
    """Each request holds all turns before it as they were sent, and each one's results."""
    rounds = 0
    question = requests[0]["messages"]
    for at, request in enumerate(requests):
        before = [turn for turn in served[:at] if turn.whole]
        messages = request["messages"]
        assert messages[:1] == question, seed
        assert len(messages) == 1 + 2 * len(before), seed
        taken: set[str] = set()
        for place, turn in enumerate(before):
            replayed, results = messages[1 + 2 * place : 3 + 2 * place]
            assert not turn.cut, seed
            check_turn(replayed["content"], turn, taken, seed)
            used = [block["id"] for block in replayed["content"] if block["type"] == "tool_use"]
            assert [each["tool_use_id"] for each in results["content"]] == used, seed
        calls = sum(turn.calls for turn in before)
        left = len(before) + 1 < MAX_ROUNDS and calls < MAX_CALLS
        if "tools" in request:
            assert request.get("tool_choice") == (None if left else {"type": "none"}), seed
        rounds = max(rounds, len(before))
    assert rounds < MAX_ROUNDS, seed


def check_turn(replayed: list[dict[str, Any]], turn: DrawnTurn, taken: set[str], seed: str) -> None:
    """The turn is the same in all but the ids of calls that could not be sent back."""
    for block, sent in zip(turn.blocks, replayed, strict=True):
        if block["type"] == "tool_use":
            usable = block["id"] is not None and block["id"] not in taken
            taken.add(sent["id"])
            assert sent == (block if usable else {**block, "id": sent["id"]}), seed
        else:
            assert sent == block, seed


def check_stream(
    stream: Stream, served: list[DrawnTurn], requests: list[dict[str, Any]], seed: str
) -> None:
    """The words of all rounds, one outcome for each call, and what it has cost."""
    seen = "".join(part["delta"] for part in stream.of("text-delta"))
    text = "".join(turn.text for turn in served if turn.status == 200 and (turn.whole or turn.text))
    if served[-1].dropped:
        assert text.startswith(seen), seed
    else:
        assert seen == text, seed
    metadata = stream.parts[-1]["messageMetadata"]
    assert metadata.get("tools", {"calls": 0})["calls"] <= MAX_CALLS, seed
    run = len(stream.of("tool-output-available"))
    assert run <= MAX_CALLS, seed
    if not served[-1].whole:
        assert stream.ending.startswith("llm_"), seed
        return
    for name, camel in {"input_tokens": "inputTokens", "output_tokens": "outputTokens"}.items():
        wanted = sum(turn.usage[name] for turn in served if turn.whole)
        assert metadata["usage"][camel] == wanted, seed
    last = served[-1]
    assert last.cut == (stream.ending in ("length", "content-filter")), seed
    offered = "tools" in requests[-1] and "tool_choice" not in requests[-1]
    assert not (last.calls and offered) or last.cut, seed
