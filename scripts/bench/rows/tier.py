"""What is measured: a hit, a race, a dead leader, a dead Redis, a hung Redis."""

import asyncio
import signal
from collections import Counter
from statistics import median
from time import perf_counter
from typing import Protocol

import aiohttp

from bench.processes import Server
from bench.redis_process import SECRET, Place
from bench.report import Promise
from lyra.agent import open_lyra
from lyra.settings import Settings
from lyra.spotify.token import Token

Row = tuple[str, ...]
Found = tuple[list[Row], list[Promise]]
OK = 200


class Case(Protocol):
    """Something to be measured; its name is what it is asked for by."""

    __name__: str

    async def __call__(self, place: Place, first: Server, second: Server, /) -> Found: ...


async def hit(place: Place, first: Server, _: Server) -> Found:
    """A listener whom another process has read, and this one has not."""
    tokens = [place.new_token() for _ in range(20 if place.quick else 200)]
    for token in tokens:
        await place.init(first, token)
    settings = Settings(
        spotify_api_url=f"{place.sandbox.url}/v1", redis_url=place.redis.url, secret=SECRET
    )
    looks, loads = [], []
    async with open_lyra(settings) as lyra:
        for bearer in map(Token, tokens):
            began = perf_counter()
            await lyra.listeners.peek(bearer)
            looks.append(perf_counter() - began)
            began = perf_counter()
            await (await lyra.listeners.lookup(bearer)).entry()
            loads.append(perf_counter() - began)
        found = lyra.listeners.stats()["shared_total"]
    kept = Promise(f"all were found in Redis ({found})", found == len(tokens))
    return [
        (
            "a look at Redis, with unsealing and unpacking",
            "0.5",
            _ms(median(looks)),
            _ms(max(looks)),
        ),
        ("a first visit that Redis answers", "-", _ms(median(loads)), _ms(max(loads))),
    ], [kept]


async def race(place: Place, first: Server, second: Server) -> Found:
    """Two processes are asked for one cold listener in the same instant."""
    behind, calls = [], set()
    for _ in range(3 if place.quick else 15):
        token, before = place.new_token(40, 150), await place.spotify_calls()
        answers = await asyncio.gather(place.init(first, token), place.init(second, token))
        behind.append(abs(answers[0][0] - answers[1][0]))
        calls.add(await place.spotify_calls() - before)
    row = ("cold in two processes: the second answer behind the first", "50", _ms(median(behind)))
    return [(*row, _ms(max(behind)))], [
        Promise(f"five Spotify calls in all (found {sorted(calls)})", calls == {5})
    ]


async def dead_leader(place: Place, _: Server, second: Server) -> Found:
    """The process that fetches is killed in the middle; another one waits for it."""
    took, states = [], set()
    for number in range(1 if place.quick else 3):
        async with place.service(f"leader-{number}") as leader:
            token, before = place.new_token(400, 800), await place.spotify_calls()
            async with asyncio.TaskGroup() as tasks:
                doomed = tasks.create_task(_survive(place, leader, token))
                await place.until_spotify_calls(before + 5)
                waiting = tasks.create_task(place.init(second, token))
                await asyncio.sleep(0.1)
                began = perf_counter()
                leader.process.send_signal(signal.SIGKILL)
                states.add((await waiting)[1])
                took.append(perf_counter() - began)
                await doomed
    row = ("leader killed in mid-fetch: until the other one answers", "5000", _ms(median(took)))
    return [(*row, _ms(max(took)))], [Promise("and it is answered", states == {OK})]


async def _survive(place: Place, server: Server, token: str) -> None:
    try:
        await place.init(server, token)
    except aiohttp.ClientError:
        return  # the process was killed, which is the point


async def dead_redis(place: Place, first: Server, second: Server) -> Found:
    """Redis is killed while requests of both kinds are running; then it comes back."""
    known = [place.new_token() for _ in range(20)]
    for token in known:
        await place.init(first, token)
    clients = 20 if place.quick else 200
    over = asyncio.Event()
    codes: list[str] = []  # of the errors; empty for an answer

    async def client(number: int) -> None:
        server = (first, second)[number % 2]
        while not over.is_set():
            token = known[number % 20] if number % 4 else place.new_token(20, 60)
            _, status, state = await place.init(server, token)
            codes.append("" if status == OK else state)

    async with asyncio.TaskGroup() as tasks:
        for number in range(clients):
            tasks.create_task(client(number))
        await asyncio.sleep(1)
        await place.redis.kill()
        await asyncio.sleep(2)
        await place.redis.start()
        await asyncio.sleep(1)
        over.set()
    failed = [code for code in codes if code]
    row = (f"Redis killed under {clients} running requests: failed of {len(codes):,}", "0")
    promise = Promise(f"no request failed (found {dict(Counter(failed))})", not failed)
    return [(*row, str(len(failed)), "-")], [promise]


async def hung_redis(place: Place, first: Server, _: Server) -> Found:
    """Redis keeps its connections and answers nobody; every listener is new.

    It hangs for longer than the breaker rests, so that the looks whether it is back are in it.
    """
    usual = [(await place.init(first, place.new_token()))[0] for _ in range(20)]
    place.redis.send(signal.SIGSTOP)
    hung, until = [], perf_counter() + (2 if place.quick else 8)
    try:
        while perf_counter() < until:
            hung.append(await place.init(first, place.new_token()))
    finally:
        place.redis.send(signal.SIGCONT)
    slower = [seconds - median(usual) for seconds, _, _ in hung]
    fine = all(status == OK for _, status, _ in hung)
    return [
        ("Redis hung: the slowest of the first requests, later", "600", _ms(max(slower[:6])), "-"),
        (
            "Redis hung: the requests after them, later",
            "5",
            _ms(median(slower[6:])),
            _ms(max(slower[6:])),
        ),
    ], [Promise("no request failed while Redis hung", fine)]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.2f}"
