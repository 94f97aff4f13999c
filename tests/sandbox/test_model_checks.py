"""What the invented Messages API refuses of tools, over a socket."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.model_chat import TOOLS

Ask = Callable[..., Any]

USE = {"type": "tool_use", "id": "toolu_1", "name": "find_music", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "{}"}
TEXT = {"type": "text", "text": "Now?"}


def history(calls: list[Any], results: list[Any]) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": calls},
        {"role": "user", "content": results},
    ]


async def refusal(ask: Ask, **fields: Any) -> str:
    async with ask(**fields) as answer:
        body = await answer.json()
    assert (answer.status, body["error"]["type"]) == (400, "invalid_request_error")
    return str(body["error"]["message"])


@pytest.mark.parametrize(
    ("calls", "results", "reason"),
    [
        ([USE], [TEXT], "messages.1: `tool_use` ids were found without `tool_result` blocks"),
        ([USE], [TEXT, RESULT], "immediately after: toolu_1."),
        ([USE, {**USE, "id": "toolu_2"}], [RESULT], "immediately after: toolu_2."),
        ([USE, {**USE, "id": "toolu_2"}], [RESULT, TEXT, {**RESULT, "tool_use_id": "toolu_2"}],
         "immediately after: toolu_2."),
        ([TEXT], [RESULT], "messages.2.content.0: unexpected `tool_use_id` found"),
        ([USE], [RESULT, {**RESULT, "tool_use_id": "toolu_9"}], "messages.2.content.1: unexpected"),
        ([USE], [RESULT, RESULT], "must have a single result: toolu_1"),
        ([USE, USE], [RESULT], "messages.1.content.1.tool_use.id: `tool_use` ids must be unique"),
        ([{**USE, "id": "tool 1"}], [RESULT], "String should match pattern"),
        ([{**USE, "input": "{}"}], [RESULT], "Input should be a dictionary"),
        ([{**USE, "name": None}], [RESULT], "Input should be a valid string"),
        ([USE], [{**RESULT, "content": 7}], "Input should be a valid string or a list of blocks"),
        ([USE], [{**RESULT, "content": ["x"]}], "Input should be a valid string or a list"),
        ([USE], [{**RESULT, "is_error": "no"}], "Input should be a valid boolean"),
        ([RESULT], [TEXT], "only `user` messages can have `tool_result` blocks"),
        ([TEXT], [USE], "only `assistant` messages can have such blocks"),
    ],
)  # fmt: skip
async def test_a_history_that_the_api_refuses(
    ask: Ask, calls: list[Any], results: list[Any], reason: str
) -> None:
    assert reason in await refusal(ask, messages=history(calls, results), tools=TOOLS)


async def test_the_result_has_to_be_in_the_next_message(ask: Ask) -> None:
    between = [{"role": "user", "content": "wait"}, {"role": "assistant", "content": "yes"}]
    first, call, result = history([USE], [RESULT])

    assert "without `tool_result`" in await refusal(
        ask, messages=[first, call, *between, result], tools=TOOLS
    )


async def test_tool_blocks_need_tools(ask: Ask) -> None:
    assert "must define tools" in await refusal(ask, messages=history([USE], [RESULT]))


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        ({"name": "find music"}, "tools.0.custom.name: String should match pattern"),
        ({"name": ""}, "tools.0.custom.name"),
        ({"name": "x" * 129}, "tools.0.custom.name"),
        ({"input_schema": None}, "tools.0.custom.input_schema"),
        ({"input_schema": {"properties": {}}}, "tools.0.custom.input_schema"),
        ({"description": 7}, "tools.0.custom.description"),
        ({"type": "web_search_20260101"}, "tools.0.custom.type"),
    ],
)
async def test_a_tool_that_the_api_refuses(ask: Ask, tool: dict[str, Any], reason: str) -> None:
    assert reason in await refusal(ask, tools=[{**TOOLS[0], **tool}])


async def test_two_tools_of_one_name_are_refused(ask: Ask) -> None:
    assert await refusal(ask, tools=[TOOLS[0]] * 2) == "tools: Tool names must be unique."


@pytest.mark.parametrize(
    ("choice", "tools"),
    [
        ({"type": "some"}, TOOLS),
        ({"type": "tool", "name": "missing"}, TOOLS),
        ({"type": "tool"}, TOOLS),
        ({"type": "none", "disable_parallel_tool_use": True}, TOOLS),
        ({"type": "auto"}, []),
    ],
)
async def test_a_choice_that_the_api_refuses(
    ask: Ask, choice: dict[str, Any], tools: list[Any]
) -> None:
    assert "tool_choice" in await refusal(ask, tools=tools, tool_choice=choice)


@pytest.mark.parametrize("content", ["{}", [TEXT], [], None])
async def test_a_history_that_the_api_takes(ask: Ask, content: Any) -> None:
    result = {
        name: each for name, each in {**RESULT, "content": content}.items() if each is not None
    }
    messages = history([TEXT, USE], [result, TEXT])

    async with ask(messages=messages, tools=TOOLS, tool_choice={"type": "none"}) as answer:
        assert answer.status == 200, await answer.read()
