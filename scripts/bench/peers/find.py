"""What others take to look up songs, and for a round of tools; run with the peers' Python.

    find.py songs URL     ten songs: spotipy in a loop, tekore's calls gathered
    find.py round URL N   N answers with one call of a tool by the SDK's `tool_runner`, N without

Prints the seconds as JSON.
"""

import asyncio
import json  # noqa: TID251 - the peers have no orjson
import sys
from time import perf_counter
from uuid import uuid4

import spotipy
import tekore
from anthropic import AsyncAnthropic, beta_async_tool
from tekore._client import base  # its address is a constant of this module

SONGS = 10


def queries() -> list[str]:
    """Ten that nobody has asked."""
    batch = uuid4().hex
    return [f'track:"{batch} {number}" artist:"Velnora"' for number in range(SONGS)]


def loop_spotipy(url: str) -> float:
    """One after the other, as its documentation shows."""
    client = spotipy.Spotify(auth="sandbox.1.typical.legacy")
    client.prefix = f"{url}/v1/"
    began = perf_counter()
    for query in queries():
        client.search(query, limit=10, type="track")
    return perf_counter() - began


async def gather_tekore(url: str) -> float:
    """All at once."""
    base.prefix = f"{url}/v1/"
    client = tekore.Spotify("sandbox.1.typical.legacy", asynchronous=True)
    began = perf_counter()
    await asyncio.gather(*(client.search(query, limit=10) for query in queries()))
    return perf_counter() - began


@beta_async_tool
async def get_listening(section: str, range: str) -> str:  # noqa: A002 - the tool's own word
    """Read more of the listener's data."""
    return json.dumps({"section": section, "range": range, "rows": []})


async def run_rounds(url: str, count: int) -> dict[str, list[float]]:
    """The seconds of answers with and without a call."""
    client = AsyncAnthropic(api_key="none", base_url=url)
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(count):
        for kind, asked in (("with", "a round"), ("without", "hello")):
            began = perf_counter()
            runner = client.beta.messages.tool_runner(
                model="scripted",
                max_tokens=1024,
                tools=[get_listening],
                messages=[{"role": "user", "content": asked}],
                stream=True,
            )
            async for stream in runner:
                async for _ in stream:
                    pass
            seconds[kind].append(perf_counter() - began)
    return seconds


if __name__ == "__main__":
    what, url, *rest = sys.argv[1:]
    if what == "songs":
        print(json.dumps({"spotipy": loop_spotipy(url), "tekore": asyncio.run(gather_tekore(url))}))
    else:
        print(json.dumps(asyncio.run(run_rounds(url, int(rest[0])))))
