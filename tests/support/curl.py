"""The curl lines of a text, and what they ask for, without curl."""

import re
import shlex

import aiohttp


def curl_commands(text: str) -> list[list[str]]:
    """The curl lines of a text as a shell would split them."""
    joined = text.replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^ *(curl .*)$", joined, re.MULTILINE)]


async def run_curl(words: list[str]) -> str:
    """What this curl command line asks for, sent by aiohttp: a fresh machine may have no curl."""
    given: dict[str, list[str]] = {}
    positional = []
    rest = iter(words[1:])
    for word in rest:
        if word in ("-X", "-H", "-d"):
            given.setdefault(word, []).append(next(rest))
        elif not word.startswith("-"):
            positional.append(word)
    headers = dict(header.split(": ", 1) for header in given.get("-H", []))
    body = given.get("-d", [None])[0]
    method = given.get("-X", ["POST" if body else "GET"])[0]
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, positional[0], headers=headers, data=body) as answer,
    ):
        return await answer.text()
