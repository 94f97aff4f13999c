"""Saves in virtual time: clicks, repeats, faults and restarts, over several processes and one table.

Spotify does what it was asked at once, later, by half or not at all, whatever it answers. A process
that dies loses its tasks and its memory; what it has sent still takes effect, and its locks stay
until their leases end. `judge` says what may never be.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
import orjson
from yarl import URL

from lyra.cache.keys import KeyMaker
from lyra.errors import LyraError, SpotifyTokenRejectedError
from lyra.metrics import Metrics
from lyra.playlists.proposal import Progress, ProposedTrack
from lyra.playlists.proposals import Caller, Draft, Proposals
from lyra.playlists.save_limit import SaveLimit
from lyra.playlists.saver import Choice, PlaylistSaver
from lyra.redis.protocol import UnansweredError
from lyra.secret_store import MemoryTable
from lyra.settings import Settings
from lyra.spotify.client import SpotifyClient
from lyra.spotify.token import Token
from lyra.spotify.transport import Transport
from tests.support.virtual_time import now, pass_time

TIMEOUT_S = 10.0  # of Spotify; what is sent takes effect within twice that
LEASE_S = 5.0
LISTENERS, PROCESSES, PROPOSALS = 4, 3, 10
_OWN = ("own0000000000000000001", "own0000000000000000002")
Json = dict[str, Any]


class _Body:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body

    def at_eof(self) -> bool:
        return True


class _Response:
    """As much of aiohttp's response as the client's transport reads."""

    def __init__(self, status: int, body: Json | bytes = b"", **headers: str) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.content = _Body(body if isinstance(body, bytes) else orjson.dumps(body))

    def close(self) -> None: ...


@dataclass
class Playlist:
    """A playlist at Spotify; it is listed from `listed_at` on."""

    id: str
    name: str
    description: str
    uris: list[str]
    listed_at: float = 0.0


class World:
    """All accounts' playlists, newest first, and the weather that requests meet."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.playlists: defaultdict[str, list[Playlist]] = defaultdict(list)  # by token
        self.faulty = 0.0
        self.refused: dict[str, tuple[int, bytes]] = {}  # tokens that may not write now
        self.did: Counter[str] = Counter()
        self.effects: set[asyncio.Task[None]] = set()
        self._numbers = iter(range(10**9))

    def find(self, token: str, playlist: str) -> Playlist | None:
        return next((each for each in self.playlists[token] if each.id == playlist), None)

    def request(self, method: str, url: URL, *, data: bytes | None, headers: Any, **_: Any) -> Any:
        token = headers["Authorization"].split()[1]
        return self._exchange(method, url, token, orjson.loads(data or b"{}"))

    @asynccontextmanager
    async def _exchange(
        self, method: str, url: URL, token: str, body: Json
    ) -> AsyncIterator[_Response]:
        sent_at, rng = now(), self.rng
        await pass_time(rng.uniform(0.02, 0.3))
        if method != "GET" and token in self.refused:
            status, text = self.refused[token]
            yield _Response(status, text)
            return
        fault = rng.choice(_FAULTS) if rng.random() < self.faulty else "none"
        self.did[f"{method} {fault}"] += 1
        if fault == "429":
            yield _Response(429, retry_after="1")
            return
        if fault in ("undone500", "undonehang", "undonereset"):
            await self._spoil(fault.removeprefix("undone"))
            yield _Response(500)
            return
        answer = self._do(method, url, token, body, fault, sent_at)
        if fault in ("500", "late500"):
            yield _Response(500)
        elif fault in ("hang", "latehang", "reset", "latereset"):
            await self._spoil(fault.removeprefix("late"))
        elif fault == "rubbish":
            yield _Response(201, b'{"id"')
        elif fault == "half500":
            yield _Response(500 if method == "POST" else answer.status)
        else:
            yield answer

    async def _spoil(self, how: str) -> None:
        if how == "hang":
            await asyncio.Event().wait()
        if how == "reset":
            raise aiohttp.ServerDisconnectedError

    def _do(  # noqa: PLR0917 - all of one request
        self, method: str, url: URL, token: str, body: Json, fault: str, sent_at: float
    ) -> _Response:
        *_, last = url.path.split("/")
        if method == "GET" and last == "playlists":
            return self._list(token, url)
        if method == "GET":
            return self._read(token, url)
        if last == "playlists":
            identifier = f"{next(self._numbers):022}"
            made = Playlist(identifier, body["name"], body["description"], [])
            self._later(fault, sent_at, lambda at: self._make(token, made, at))
            return _Response(201, {"id": identifier})
        playlist = self.find(token, url.path.split("/")[-2])
        if playlist is None:
            return _Response(404)
        uris = [*body["uris"]]
        if method == "PUT":
            self._later(fault, sent_at, lambda _: playlist.uris.__setitem__(slice(None), uris))
            return _Response(200, {"snapshot_id": "one"})
        added = uris[: len(uris) // 2] if fault == "half500" else uris
        self._later(fault, sent_at, lambda _: playlist.uris.extend(added))
        return _Response(201, {"snapshot_id": "one"})

    def _later(self, fault: str, sent_at: float, effect: Any) -> None:
        """Let it happen now, or by the time after which nothing of it happens any more."""
        latest = sent_at + 2 * TIMEOUT_S - 0.5
        if not fault.startswith("late"):
            effect(now() if self.rng.random() < 0.8 else self.rng.uniform(now(), latest))
            return

        async def happen() -> None:
            at = self.rng.uniform(now(), latest)
            await pass_time(at - now())
            effect(at)

        task = asyncio.get_running_loop().create_task(happen())
        self.effects.add(task)
        task.add_done_callback(self.effects.discard)

    def _make(self, token: str, made: Playlist, listed_at: float) -> None:
        made.listed_at = listed_at
        self.playlists[token].insert(0, made)

    def _list(self, token: str, url: URL) -> _Response:
        offset, limit = int(url.query["offset"]), int(url.query["limit"])
        shown = [each for each in self.playlists[token] if each.listed_at <= now()]
        rows = [
            {"id": each.id, "description": each.description}
            for each in shown[offset : offset + limit]
        ]
        return _Response(200, {"items": [None, *rows][:limit], "total": len(shown)})

    def _read(self, token: str, url: URL) -> _Response:
        playlist = self.find(token, url.path.split("/")[-2])
        if playlist is None:
            return _Response(404)
        offset, limit = int(url.query["offset"]), int(url.query["limit"])
        rows = [{"item": {"uri": uri}} for uri in playlist.uris[offset : offset + limit]]
        return _Response(200, {"items": rows, "total": len(playlist.uris)})


_FAULTS = (
    "429", "undone500", "undonehang", "undonereset", "500", "hang", "reset", "late500", "latehang",
    "latereset", "rubbish", "half500",
)  # fmt: skip


class SharedMemory(MemoryTable):
    """The table of all processes: it may not answer, or only after it has done what it was asked."""

    def __init__(self, world: World) -> None:
        super().__init__(100_000, now, max_per_owner=100)
        self._world = world
        self._locked: dict[str, float] = {}  # until when, by name
        self.away = 0.0  # of all commands
        self.pauses_s = 0.0  # how long a process may stand still behind a command

    async def _answer(self, done: bool) -> None:
        rng = self._world.rng
        await pass_time(rng.uniform(0, 0.05))
        if rng.random() < self.away / 2:
            raise UnansweredError("away", timed_out=done)
        if done and rng.random() < 0.1:
            await pass_time(rng.uniform(0, self.pauses_s))

    async def read(self, name: str) -> bytes | None:
        await self._answer(done=False)
        return await super().read(name)

    async def keep(self, name: str, value: bytes, ttl_s: float, *, owner: str = "") -> None:
        await self._answer(done=False)
        await super().keep(name, value, ttl_s, owner=owner)

    async def swap(self, name: str, old: bytes, new: bytes, ttl_s: float) -> bool:
        await self._answer(done=False)
        swapped = await super().swap(name, old, new, ttl_s)
        await self._answer(done=True)
        return swapped

    async def take(self, name: str) -> bytes | None:
        await self._answer(done=False)
        return await super().take(name)

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[None]:
        """Hold the lock; a lease that its process could not renew ends all the same."""
        await self._answer(done=False)
        while self._locked.get(name, 0.0) > now():
            await pass_time(0.2)
        mine = now() + (LEASE_S if self._world.rng.random() < 0.2 else 10 * TIMEOUT_S)
        self._locked[name] = mine
        try:
            yield
        except asyncio.CancelledError:
            self._locked[name] = min(mine, now() + LEASE_S)  # its process has died
            raise
        except BaseException:
            self._release(name, mine)
            raise
        else:
            self._release(name, mine)

    def _release(self, name: str, mine: float) -> None:
        if self._locked.get(name) == mine:
            del self._locked[name]


class _Listeners:
    """The cache, as far as a save needs it."""

    async def clear(self, _: Token) -> bool:
        return True

    async def lookup(self, _: Token) -> Any:
        raise SpotifyTokenRejectedError


class Process:
    """One process: its clock is a little off."""

    def __init__(self, world: World, table: SharedMemory, keys: KeyMaker) -> None:
        rng = world.rng
        skew_s = rng.uniform(-0.4, 0.4)

        def wall_clock() -> float:
            return now() + skew_s

        nothing: Any = None
        session: Any = world
        listeners: Any = _Listeners()
        settings = Settings(spotify_timeout_s=TIMEOUT_S)
        transport = Transport(
            session, settings.spotify_api_url, timeout_s=TIMEOUT_S, clock=wall_clock
        )
        client = SpotifyClient(transport, nothing, Metrics(), timeout_s=TIMEOUT_S, rng=rng)
        self.proposals = Proposals(settings, keys, None, wall_clock=wall_clock)
        self.proposals.store.table = table
        limit = SaveLimit(10_000, entries=1000, wall_clock=wall_clock)
        self.saver = PlaylistSaver(
            self.proposals, client, listeners, limit, timeout_s=TIMEOUT_S, wall_clock=wall_clock
        )


@dataclass
class Wanted:
    """A proposal as its listener knows it, and every choice that was clicked."""

    token: Token
    id: str
    draft: Draft
    clicked: list[Progress] = field(default_factory=list)
    told: list[Progress] = field(default_factory=list)
    given_up: bool = False  # dismissed or forgotten


class SaveStorm:
    """Some listeners, processes and proposals; `run` judges when all has passed."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.world = World(rng)
        self.keys = KeyMaker("a" * 32)
        self.table = SharedMemory(self.world)
        self.processes = [self._start() for _ in range(PROCESSES)]
        self.tokens = [Token(f"token-of-listener-{number}") for number in range(LISTENERS)]
        self.wanted: list[Wanted] = []
        self.did = self.world.did
        self.broken = False
        self._songs = iter(range(10**9))

    def _start(self) -> Process:
        return Process(self.world, self.table, self.keys)

    async def run(self) -> None:
        """Storm, calm down, save what is begun, and judge."""
        for token in self.tokens:
            self.world.playlists[token.reveal()] = [
                Playlist(name, "Own", "", self._make_uris(self.rng.randrange(120))) for name in _OWN
            ]
        async with asyncio.TaskGroup() as group:
            weather = group.create_task(self._change())
            async with asyncio.TaskGroup() as acting:
                for _ in range(PROPOSALS):
                    acting.create_task(self._live())
            weather.cancel()
        self._calm()
        for each in self.wanted:
            await self._finish(each)
        await pass_time(3 * TIMEOUT_S)
        assert not self.world.effects
        assert not self.broken, "a save broke"
        for each in self.wanted:
            self._judge(each)
        self._judge_strangers()
        for process in self.processes:
            await process.saver.close()

    # ---- what happens

    async def _change(self) -> None:
        rng, texts = self.rng, (b'{"error":{"message":"Insufficient client scope"}}', b"{}")
        while True:
            self.world.faulty = rng.choice((0.0, 0.2, 0.6, 1.0))
            self.table.away = rng.choice((0.0, 0.0, 0.1, 0.6))
            self.table.pauses_s = rng.choice((0.0, 1.0, 30.0))
            few = rng.sample(self.tokens, rng.choice((0, 0, 1)))
            self.world.refused = {
                each.reveal(): (rng.choice((401, 403)), rng.choice(texts)) for each in few
            }
            if rng.random() < 0.3:
                await self._restart(rng.randrange(PROCESSES))
            # Another app of the listener's changes a playlist of theirs.
            lists = self.world.playlists[rng.choice(self.tokens).reveal()]
            uris = rng.choice([each for each in lists if each.id in _OWN]).uris
            if rng.random() < 0.5:
                uris.extend(self._make_uris(1))
            elif uris and uris[0] not in self.confirmed:
                uris.pop(0)
            await pass_time(rng.uniform(2, 30))

    async def _restart(self, number: int) -> None:
        self.did["restarts"] += 1
        old, self.processes[number] = self.processes[number], self._start()
        await old.saver.close()

    def _calm(self) -> None:
        self.world.faulty, self.world.refused = 0.0, {}
        self.table.away = self.table.pauses_s = 0.0

    async def _live(self) -> None:
        """Get one proposal, and click on it now and then."""
        rng = self.rng
        await pass_time(rng.uniform(0, 60))
        wanted = await self._propose()
        if wanted is None:
            return
        async with asyncio.TaskGroup() as clicks:
            for _ in range(rng.randint(1, 6)):
                clicks.create_task(self._click_later(wanted))
            if rng.random() < 0.1:
                clicks.create_task(self._give_up_later(wanted))

    async def _propose(self) -> Wanted | None:
        rng, token = self.rng, self.rng.choice(self.tokens)
        tracks = tuple([ProposedTrack(uri, "Song") for uri in self._make_uris(rng.randint(1, 12))])
        own = f"spotify:playlist:{rng.choice(_OWN)}" if rng.random() < 0.4 else ""
        draft = Draft(f"List {rng.randrange(10**6)}", tracks, extends=own)
        proposals = rng.choice(self.processes).proposals
        with suppress(LyraError):
            kept = await proposals.propose(token, self.keys.account(token.reveal()), draft)
            wanted = Wanted(token, kept.id, draft)
            self.wanted.append(wanted)
            return wanted
        return None

    async def _click_later(self, wanted: Wanted) -> None:
        await pass_time(self.rng.choice((0, self.rng.uniform(0, 120))))
        for _ in range(self.rng.randint(1, 3)):
            failure = await self._click(wanted, self._choose(wanted))
            if failure is None or self.rng.random() < 0.3:
                return
            waits = failure.retry_after_s or 1
            await pass_time(waits if self.rng.random() < 0.7 else self.rng.uniform(0, 5))

    def _choose(self, wanted: Wanted) -> Choice:
        rng, uris = self.rng, [*wanted.draft.uris]
        if rng.random() < 0.6:
            return Choice()
        rng.shuffle(uris)
        name = f"Renamed {rng.randrange(10**6)}" if rng.random() < 0.5 else None
        return Choice(name, tuple(uris[: rng.randint(1, len(uris))]))

    async def _click(self, wanted: Wanted, choice: Choice) -> LyraError | None:
        """Save, from any tab at any process; return the failure, if it is one."""
        draft, process = wanted.draft, self.rng.choice(self.processes)
        name = draft.name if draft.extends else choice.name or draft.name
        wanted.clicked.append(Progress(name, choice.uris or draft.uris))
        self.did["clicks"] += 1
        caller = Caller(self.keys.key(wanted.token), self._no_account)
        saving = process.saver.save(wanted.id, caller, wanted.token, choice)
        try:
            if self.rng.random() < 0.2:  # the tab is closed
                async with asyncio.timeout(self.rng.uniform(0, 5)):
                    progress = await saving
            else:
                progress = await saving
        except TimeoutError:
            self.did["left"] += 1
            return None
        except LyraError as failure:
            self.did[f"told {failure.code}"] += 1
            self.broken |= failure.code == "internal"
            return failure
        self.did["told saved"] += 1
        wanted.told.append(progress)
        return None

    async def _no_account(self) -> None:
        return None

    async def _give_up_later(self, wanted: Wanted) -> None:
        await pass_time(self.rng.uniform(0, 60))
        wanted.given_up = True
        caller = Caller(self.keys.key(wanted.token), self._no_account)
        proposals = self.rng.choice(self.processes).proposals
        with suppress(LyraError):
            await proposals.dismiss(wanted.id, caller)

    async def _finish(self, wanted: Wanted) -> None:
        """Save what somebody has clicked on, as a listener would who tries until it is done."""
        if wanted.given_up or not wanted.clicked:
            return
        for _ in range(8):
            failure = await self._click(wanted, Choice())
            if failure is None:
                if wanted.told:
                    return
                continue
            await pass_time(failure.retry_after_s or 1)
        raise AssertionError("it is never saved")

    def _make_uris(self, number: int) -> list[str]:
        return [f"spotify:track:{next(self._songs):022}" for _ in range(number)]

    @property
    def confirmed(self) -> set[str]:
        """The tracks that somebody has clicked on."""
        return {uri for each in self.wanted for click in each.clicked for uri in click.uris}

    # ---- what may never be

    def _judge(self, wanted: Wanted) -> None:
        told = {(each.playlist_id, each.name, each.uris) for each in wanted.told}
        assert len(told) <= 1, "one proposal, two outcomes"
        for progress in wanted.told[:1]:
            assert Progress(progress.name, progress.uris) in wanted.clicked, "never confirmed"
            playlist = self.world.find(wanted.token.reveal(), progress.playlist_id)
            assert playlist is not None
            if wanted.draft.extends:
                self._judge_added(playlist, progress.uris)
            else:
                assert (playlist.name, playlist.uris) == (progress.name, [*progress.uris])
                self.did["saved new"] += 1

    def _judge_added(self, playlist: Playlist, uris: tuple[str, ...]) -> None:
        counts = Counter(playlist.uris)
        assert all(counts[uri] == 1 for uri in uris), "a track is lost, or there twice"
        self.did["saved more"] += 1

    def _judge_strangers(self) -> None:
        """Every playlist was clicked on, and no proposal has two."""
        proposed = {uri for each in self.wanted for uri in each.draft.uris}
        for playlists in self.world.playlists.values():
            made = [each for each in playlists if each.id not in _OWN]
            marks = [each.description for each in made]
            assert len(set(marks)) == len(marks), "two playlists of one proposal"
            for each in playlists:
                assert set(each.uris) & proposed <= self.confirmed, "nobody confirmed it"
