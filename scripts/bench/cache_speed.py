"""How long Lyra's look-ups take, at which size, and whether memory stays flat."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

import orjson
from msgspec.structs import replace

from lyra.cache.expiry import Life
from lyra.cache.keys import Key
from lyra.cache.listeners import ListenerCache
from lyra.errors import SpotifyTokenRejectedError
from lyra.listening.models import SectionName
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.spotify.failures import SpotifyFailure
from lyra.spotify.token import Token

T = TypeVar("T")
ROUNDS = 3
LOOK_UPS, TOGETHER = 20_000, 100
WARM = "a warm look-up, as in a chat"
SYLLABLES = ("ka", "lor", "da", "wen", "mi", "tus", "or", "vel", "na", "shi")


class Listeners:
    """A Spotify in memory whose tokens are rejected when their number is odd and that is asked."""

    def __init__(self, items: int, *, reject_odd: bool = False) -> None:
        self._bodies = bodies(items)
        self._reject_odd = reject_odd

    def reader(self, token: Token) -> "Reader":
        odd = self._reject_odd and token.reveal()[-1] in "13579"
        return Reader(self._bodies, rejected=odd)


class Reader:
    def __init__(self, ready: dict[SectionName, bytes], *, rejected: bool) -> None:
        self._bodies = ready
        self._rejected = rejected
        self.calls = 0

    async def get(self, endpoint: SectionName, parse: Callable[[bytes], T]) -> T:
        self.calls += 1
        if self._rejected:
            raise SpotifyFailure("token_rejected")
        return parse(self._bodies[endpoint])


def bodies(items: int) -> dict[SectionName, bytes]:
    """Spotify's five answers for an invented listener with so many items in every list."""
    rng = Random(5)  # noqa: S311 - invented names
    artists = [_thing(rng, "artist", genres=[_name(rng), _name(rng)]) for _ in range(items)]
    tracks = [
        _thing(rng, "track", artists=[_thing(rng, "artist")], album=_thing(rng, "album"))
        for _ in range(items)
    ]
    plays = [{"track": track, "played_at": "2026-11-22T20:00:00Z"} for track in tracks]
    lists = [_thing(rng, "playlist", owner={"id": "vesna"}) for _ in range(items)]
    return {
        "profile": b'{"id": "vesna", "display_name": "Vesna K.", "images": []}',
        "top_artists": orjson.dumps({"items": artists}),
        "top_tracks": orjson.dumps({"items": tracks}),
        "recently_played": orjson.dumps({"items": plays}),
        "playlists": orjson.dumps({"items": lists}),
    }


def _thing(rng: Random, kind: str, **more: object) -> dict[str, object]:
    key = "".join(rng.choices("0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjk", k=22))
    image = {"url": f"https://i.scdn.co/image/{key}", "height": 300, "width": 300}
    more |= {} if kind == "track" else {"images": [image]}
    url = {"spotify": f"https://open.spotify.com/{kind}/{key}"}
    uri = f"spotify:{kind}:{key}"
    return {"id": key, "name": _name(rng), "uri": uri, "external_urls": url, **more}


def _name(rng: Random) -> str:
    words = ("".join(rng.choices(SYLLABLES, k=rng.randint(1, 3))) for _ in range(2))
    return " ".join(words)


@asynccontextmanager
async def open_cache(source: Listeners, **changes: Any) -> AsyncIterator[ListenerCache]:
    """A cache over this Spotify for the length of the block."""
    cache = ListenerCache(
        Settings(**changes),
        source,
        Metrics(),
        rng=Random(1),  # noqa: S311 - jitter
        wall_clock=lambda: 1_795_000_000.0,
    )
    try:
        yield cache
    finally:
        await cache.close()


async def look_ups() -> list[tuple[str, float]]:
    """Microseconds of a hit, and of a look-up with its decode, for 50 items in each list."""
    async with open_cache(Listeners(50)) as cache:
        token = Token("anna-token-0001")
        await (await cache.lookup(token)).entry()

        async def hit() -> None:
            await (await cache.lookup(token)).entry()

        async def decoded() -> None:
            entry = await cache.peek(token)
            assert entry is not None  # noqa: S101 - just fetched
            entry.listening()

        return [
            (WARM, await _best(hit, LOOK_UPS)),
            ("peek and decode", await _best(decoded, LOOK_UPS // 20)),
        ]


class Hit(NamedTuple):
    """Microseconds of a hit, and of finding its key in a plain dict of as many keys."""

    hit_us: float
    plain_us: float


async def hit_by_size(entries: int) -> Hit:
    """What a hit costs somewhere in a store of so many entries."""
    async with open_cache(
        Listeners(0), cache_max_entries=entries, cache_max_bytes=1 << 40
    ) as cache:
        plain = await _filled(cache, entries)

        async def visits(tokens: list[Token]) -> None:
            for token in tokens:
                await (await cache.lookup(token)).entry()

        async def finds(keys: list[Key]) -> None:
            for key in keys:
                assert key in plain  # noqa: S101 - what is measured

        gc.collect()
        return Hit(
            await _at_random(entries, _listener, visits),
            await _at_random(entries, lambda number: cache.key(_listener(number)), finds),
        )


def _listener(number: int) -> Token:
    return Token(f"listener-{number:07}")


async def _filled(cache: ListenerCache, entries: int) -> dict[Key, None]:
    """Put so many in directly, each with times of its own: to fetch a million is another measure."""
    one = await (await cache.lookup(Token("seed-token-0001"))).entry()
    keys = [cache.key(_listener(number)) for number in range(entries)]
    for number, key in enumerate(keys):
        apart = {name: getattr(one, name) + number * 1e-6 for name in Life._fields}
        cache._memory.entries._put(key, replace(one, **apart), 3600)  # noqa: SLF001
    return dict.fromkeys(keys)


async def _at_random(
    entries: int, made: Callable[[int], T], look_up: Callable[[list[T]], Awaitable[None]]
) -> float:
    """Microseconds of a look-up. What is asked for is made just before, untimed: a request brings it."""
    rng, rounds = Random(2), []  # noqa: S311 - who is asked for
    for _ in range(ROUNDS):
        used_s = 0.0
        for _ in range(LOOK_UPS // TOGETHER):
            asked = [made(number) for number in rng.choices(range(entries), k=TOGETHER)]
            began = time.thread_time()
            await look_up(asked)
            used_s += time.thread_time() - began
        rounds.append(used_s / LOOK_UPS)
    return min(rounds) * 1e6


async def _best(once: Callable[[], Any], times: int) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(times):
            await once()
        rounds.append((time.thread_time() - began) / times)
    return min(rounds) * 1e6


async def memory(tokens: int, bound: int) -> list[tuple[int, int, int]]:
    """Tokens seen, resident KiB and entries held, at eight points; half are rejected."""
    points: list[tuple[int, int, int]] = []
    async with open_cache(Listeners(2, reject_odd=True), cache_max_entries=bound) as cache:
        for number in range(tokens):
            with suppress(SpotifyTokenRejectedError):
                await (await cache.lookup(Token(f"listener-{number:07}"))).entry()
            if (number + 1) % (tokens // 8) == 0:
                points.append((number + 1, resident_kib(), cache.stats()["entries"]))
                await asyncio.sleep(0)
    return points


def resident_kib() -> int:
    """This process's resident memory; 0 where the system does not tell it this way."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except FileNotFoundError:
        return 0
    return pages * 4
