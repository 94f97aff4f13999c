"""Music looked up: ten songs cold and again, two hundred at once, and what a round of tools costs."""

import asyncio
from time import perf_counter
from typing import Any
from uuid import uuid4

import orjson

from bench.client import OK, Client, request
from bench.harness import Harness
from bench.report import Figure, Finding, Table, at_most, exactly, format_number, ms, times
from lyra.agent import open_lyra
from lyra.agent.facade import Lyra
from lyra.settings import Settings

SONGS, CROWD = 10, 200
BEYOND_SLOWEST_MS, AGAIN_MS, ROUND_MS = 15, 1, 2


async def find(harness: Harness) -> list[Finding]:
    """The library's `find_music`, then a service with a model that calls a tool."""
    async with harness.server("catalogue", harness.sandbox.url) as server:
        settings = Settings(
            spotify_api_url=f"{server.url}/v1", searches_per_hour=10**6, searches_per_answer=100
        )
        async with open_lyra(settings) as lyra:
            songs = await _songs(harness, server.url, lyra)
        return [songs, await _rounds(harness, server.url)]


async def _songs(harness: Harness, url: str, lyra: Lyra) -> Finding:
    cold, beyond, again, calls = [], [], [], 0
    for _ in range(harness.pick(3, 10)):
        items, tokens = _new_items(), harness.tokens(2)
        for token in tokens:
            await lyra.initialize_user_session(token)
        await _counts(harness, url)
        cold.append(await _timed(lyra, tokens[0], items))
        beyond.append(cold[-1] - (await _counts(harness, url))["slowest_s"])
        again.append(await _timed(lyra, tokens[1], items))
        calls += int((await _counts(harness, url))["searches"])
    crowd = await _crowd(harness, url, lyra)
    rows = [
        ("Lyra", ms(cold), "1.00 x"),
        ("Lyra, another listener again", ms(again), times(again, cold)),
    ]
    if harness.has_peers:
        peers = await harness.run_peer("find.py", "songs", url)
        rows += [(name, format_number(s * 1000), times([s], cold)) for name, s in peers.items()]
    figures = [
        at_most("ten songs cold, beyond the slowest search", _ms(beyond), BEYOND_SLOWEST_MS, "ms"),
        at_most("the same ten again, another listener", _ms(again), AGAIN_MS, "ms"),
        exactly("searches for those", calls, 0),
        Figure(
            f"searches for {CROWD} listeners who want the same ten at once",
            f"{crowd}",
            f"<= {SONGS}",
            crowd <= SONGS,
            promise=True,
        ),
    ]
    return Finding(
        f"{SONGS} songs looked up, a search takes 80 to 400 ms",
        figures,
        ["spotipy in a loop, tekore gathered: without cache, matching and limits."],
        Table(("median", "ms", "of Lyra"), rows),
    )


async def _crowd(harness: Harness, url: str, lyra: Lyra) -> int:
    items, tokens = _new_items(), harness.tokens(CROWD)
    for token in tokens:
        await lyra.initialize_user_session(token)
    await _counts(harness, url)
    await asyncio.gather(*(lyra.find_music(token, items) for token in tokens))
    return int((await _counts(harness, url))["searches"])


async def _rounds(harness: Harness, url: str) -> Finding:
    """An answer with a round of tools, less one without and less one call of the model itself."""
    count = harness.pick(50, 300)
    seconds: dict[str, list[float]] = {"with": [], "without": [], "model": []}
    model = await Client.connect(int(url.rpartition(":")[2]))
    body = {"messages": [{"role": "user", "content": "hello"}]}
    async with harness.service(
        "rounds", LYRA_SPOTIFY_API_URL=f"{url}/v1", LYRA_LLM_BASE_URL=url
    ) as service:
        client, token = await service.connect(), harness.token()
        for _ in range(count):
            for kind, words in (("with", "a round"), ("without", "hello")):
                asked = request("POST", "/lyra/chat", token, {"message": words})
                seconds[kind].append(await _asked(client, asked))
            asked = request("POST", "/v1/messages", token, body)
            seconds["model"].append(await _asked(model, asked))
        client.close()
    model.close()
    rows = [("Lyra", *_cells(seconds, seconds["model"]))]
    if harness.has_peers:
        peer = await harness.run_peer("find.py", "round", url, str(count))
        rows.append(("the SDK's tool_runner", *_cells(peer, seconds["model"])))
    added = _added(seconds, seconds["model"])
    return Finding(
        "A round of tools, a model that answers at once",
        [at_most("added to the model's own call, median", added * 1000, ROUND_MS, "ms")],
        ["Less an answer without a round, and less one call of the model itself."],
        Table(("median, ms", "with a round", "without", "added"), rows),
    )


async def _asked(client: Client, asked: bytes) -> float:
    began = perf_counter()
    reply = await client.ask(asked)
    if reply.status != OK:
        raise RuntimeError(f"an answer ended with {reply.status} {reply.ending}")
    return perf_counter() - began


def _cells(seconds: dict[str, list[float]], model: list[float]) -> tuple[str, str, str]:
    added = _added(seconds, model) * 1000
    return ms(seconds["with"]), ms(seconds["without"]), format_number(added)


def _added(seconds: dict[str, list[float]], model: list[float]) -> float:
    middle = {
        name: sorted(each)[len(each) // 2] for name, each in {**seconds, "model": model}.items()
    }
    return middle["with"] - middle["without"] - middle["model"]


def _new_items() -> list[dict[str, str]]:
    batch = uuid4().hex
    return [
        {"artist": f"Velnora {n}", "title": f"{batch} {n}", "kind": "track"} for n in range(SONGS)
    ]


async def _timed(lyra: Lyra, token: str, items: list[dict[str, str]]) -> float:
    began = perf_counter()
    answer = await lyra.find_music(token, items)
    if not all(each["found"] for each in answer["items"]):
        raise RuntimeError("a song was not found")
    return perf_counter() - began


async def _counts(harness: Harness, url: str) -> dict[str, Any]:
    async with harness.http.get(f"{url}/counts") as answer:
        counts: dict[str, Any] = orjson.loads(await answer.read())
    return counts


def _ms(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 2] * 1000
