"""What the Messages API refuses of tools, with its reasons in its words."""

import re
from collections.abc import Sequence

from lyra.sandbox.model_conversation import Block, Turn

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}", re.ASCII)
_ID = re.compile(r"[a-zA-Z0-9_-]+", re.ASCII)
_CHOICES = ("auto", "any", "tool", "none")
_RESULT_PARTS = ("text", "image", "document", "search_result")


def check_tools(tools: Sequence[Block], choice: Block | None) -> None:
    """Check the definitions of the tools, and which of them is to be called.

    Raises:
        ValueError: The API would answer 400; the message says why.
    """
    for place, tool in enumerate(tools):
        _check_tool(tool, f"tools.{place}.custom")
    names = [tool["name"] for tool in tools]
    if len(set(names)) < len(names):
        raise ValueError("tools: Tool names must be unique.")
    if choice is not None:
        _check_choice(choice, names)


def check_exchanges(turns: Sequence[Turn], *, with_tools: bool) -> None:
    """Check that every call of a tool is followed by its result, and every result has its call.

    Raises:
        ValueError: The API would answer 400; the message says why.
    """
    met: set[str] = set()
    open_calls: list[str] = []
    for place, turn in enumerate(turns):
        answered = _check_results(turn, f"messages.{place}", open_calls)
        if missing := [each for each in open_calls if each not in answered]:
            raise ValueError(
                f"messages.{place - 1}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(missing)}. Each `tool_use` block must have a "
                "corresponding `tool_result` block in the next message."
            )
        open_calls = _check_calls(turn, f"messages.{place}", met)
    if met and not with_tools:
        raise ValueError(
            "Requests which have `tool_use` or `tool_result` blocks in messages must define tools."
        )


def _check_tool(tool: Block, where: str) -> None:
    name, schema = tool.get("name"), tool.get("input_schema")
    _require(
        tool.get("type", "custom") == "custom",
        f"{where}.type: the sandbox knows custom tools only",
    )
    _require(
        isinstance(name, str) and _NAME.fullmatch(name),
        f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'",
    )
    _require(
        isinstance(schema, dict) and schema.get("type") == "object",
        f"{where}.input_schema: Input should be an object whose `type` is 'object'",
    )
    _require(
        isinstance(tool.get("description", ""), str),
        f"{where}.description: Input should be a valid string",
    )


def _check_choice(choice: Block, names: Sequence[str]) -> None:
    kind = choice.get("type")
    if kind not in _CHOICES:
        raise ValueError(f"tool_choice.type: Input should be one of {', '.join(_CHOICES)}")
    if not names:
        raise ValueError("tool_choice: may only be specified while providing `tools`")
    if kind == "tool" and choice.get("name") not in names:
        raise ValueError(f"tool_choice.name: Tool {choice.get('name')!r} not found in `tools`")
    if kind == "none" and "disable_parallel_tool_use" in choice:
        raise ValueError("tool_choice.disable_parallel_tool_use: Extra inputs are not permitted")


def _check_calls(turn: Turn, where: str, met: set[str]) -> list[str]:
    """Return the ids of the calls in this message, none of which was `met` before."""
    ids: list[str] = []
    for place, block in turn.blocks("tool_use"):
        at = f"{where}.content.{place}.tool_use"
        identifier = block.get("id")
        _require(turn.role == "assistant", f"{at}: only `assistant` messages can have such blocks")
        _require(
            isinstance(identifier, str) and _ID.fullmatch(identifier),
            f"{at}.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
        )
        _require(identifier not in met, f"{at}.id: `tool_use` ids must be unique")
        _require(isinstance(block.get("name"), str), f"{at}.name: Input should be a valid string")
        _require(isinstance(block.get("input"), dict), f"{at}.input: Input should be a dictionary")
        met.add(str(identifier))
        ids.append(str(identifier))
    return ids


def _check_results(turn: Turn, where: str, open_calls: Sequence[str]) -> set[str]:
    """Return the ids that the results at the beginning of this message answer."""
    answered: set[str] = set()
    seen: set[object] = set()
    for place, block in turn.blocks("tool_result"):
        at = f"{where}.content.{place}"
        identifier = block.get("tool_use_id")
        _require(turn.role == "user", f"{at}: only `user` messages can have `tool_result` blocks")
        _require(
            identifier in open_calls,
            f"{at}: unexpected `tool_use_id` found in `tool_result` blocks: {identifier}. Each "
            "`tool_result` block must have a corresponding `tool_use` block in the previous "
            "message.",
        )
        _require(
            identifier not in seen, f"{at}: each tool_use must have a single result: {identifier}"
        )
        _check_result(block, at)
        seen.add(identifier)
        if place == len(answered):  # what stands behind other blocks answers nothing
            answered.add(str(identifier))
    return answered


def _check_result(block: Block, where: str) -> None:
    content = block.get("content", "")
    parts = [] if isinstance(content, str) else content
    _require(
        isinstance(parts, list)
        and all(isinstance(part, dict) and part.get("type") in _RESULT_PARTS for part in parts),
        f"{where}.content: Input should be a valid string or a list of blocks",
    )
    _require(
        isinstance(block.get("is_error", False), bool),
        f"{where}.is_error: Input should be a valid boolean",
    )


def _require(condition: object, reason: str) -> None:
    if not condition:
        raise ValueError(reason)
