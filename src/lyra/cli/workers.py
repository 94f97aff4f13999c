"""Keeps worker processes on one listening socket: `lyra serve --workers N`.

The supervisor binds the socket and never accepts. A worker that ends is started again; SIGHUP
replaces the workers one by one, each only when its successor is ready, and the socket stays open
all the while: no connection is refused. See `tests/cli/test_workers.py`.
"""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from lyra.cli.notify import notify
from lyra.cli.say import say
from lyra.settings import SettingError, Settings

_BACKLOG = 1024
_START_S = 60  # to import everything on a busy machine
_GRACE_S = 10  # beyond LYRA_DRAIN_S, for what the runner waits for after it
_REST_S, _LONGEST_REST_S = 0.1, 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def supervise(settings: Settings, environ: Mapping[str, str]) -> int:
    """Serve with `settings.workers` processes until a signal comes; the exit code."""
    if settings.spotify_client_id and not settings.redis_url:
        raise SettingError(
            "LYRA_WORKERS: more than one needs LYRA_REDIS_URL where listeners log in, "
            "or each worker would know only the log-ins that it made itself."
        )
    with _listening(settings) as sock, TemporaryDirectory(prefix="lyra-") as folder:
        house = Supervisor(settings, sock, Path(folder) / "notify", environ)
        return asyncio.run(house.run())


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as failure:
        raise SettingError(
            f"LYRA_PORT: cannot listen on {host}:{port} ({os.strerror(failure.errno or 0)}). "
            "Stop what uses it, or set another LYRA_PORT."
        ) from None
    with sock:
        yield sock


class Worker:
    """One process, and whether it serves yet."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.ended = loop.create_task(process.wait())
        self._began = loop.time()

    async def settle(self) -> bool:
        """Whether it came up: wait until it is ready, or has ended, or took too long."""
        ready = asyncio.get_running_loop().create_task(self.ready.wait())
        await asyncio.wait(
            (ready, self.ended), timeout=_START_S, return_when=asyncio.FIRST_COMPLETED
        )
        ready.cancel()
        return self.ready.is_set() and not self.ended.done()

    @property
    def proved(self) -> bool:
        """Whether it has lived long enough not to be one of many that die at once."""
        return asyncio.get_running_loop().time() - self._began > _LONGEST_REST_S

    async def end(self, within_s: float) -> None:
        """Let it finish what it does; one that takes longer is killed."""
        if not self.ended.done():
            self.process.terminate()
            await asyncio.wait((self.ended,), timeout=within_s)
        if not self.ended.done():
            self.process.kill()
            await self.ended


class Supervisor:
    """The workers by slot. Each slot has one keeper, which alone starts and ends its workers."""

    def __init__(
        self, settings: Settings, sock: socket.socket, inbox: Path, environ: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._sock = sock
        self._inbox = inbox
        self._environ = environ
        self._manager = environ.get("NOTIFY_SOCKET")
        self._workers: dict[int, Worker] = {}  # by process id, those starting included
        self._early: set[int] = set()  # heard of before the call that started them came back
        self._stopping = asyncio.Event()
        self._renewals = [asyncio.Event() for _ in range(settings.workers)]
        self._rolling: asyncio.Task[None] | None = None
        # Its other end is open in the workers: where it closes, they know that they are alone.
        self._lifeline, self._held = os.pipe()

    async def run(self) -> int:
        """Keep the workers until a signal; 0, or the code of a first worker that cannot start."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as inbox:
            inbox.bind(str(self._inbox))
            loop.add_reader(inbox, self._heard, inbox)
            self._watch_signals()
            first = await self._start(0)
            if not await first.settle() and not self._stopping.is_set():
                await first.end(0)
                return first.process.returncode or 1
            await self._keep_all(first)
            loop.remove_reader(inbox)
        return 0

    async def _keep_all(self, first: Worker) -> None:
        async with asyncio.TaskGroup() as keepers:
            keepers.create_task(self._keep(0, first))
            for slot in range(1, self._settings.workers):
                keepers.create_task(self._keep(slot, await self._start(slot)))
            for worker in list(self._workers.values()):
                await worker.settle()
            if not self._stopping.is_set():
                host, port = self._sock.getsockname()[:2]
                workers = ", ".join(map(str, sorted(self._workers)))
                _say(f"workers {workers} serve on http://{host}:{port}; Ctrl-C stops them")
                notify(self._manager, "READY=1")
        if self._rolling is not None:
            await asyncio.wait((self._rolling,))

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if self._stopping.is_set():
                for worker in self._workers.values():
                    worker.process.kill()
                os._exit(1)
            _say("stopping; live answers may finish")
            notify(self._manager, "STOPPING=1")
            self._stopping.set()
            for renewal in self._renewals:
                renewal.set()

        def renew() -> None:
            if self._rolling is None or self._rolling.done():
                self._rolling = loop.create_task(self._roll())

        for number in _SIGNALS:
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGHUP, renew)

    def _heard(self, inbox: socket.socket) -> None:
        lines = dict(line.partition("=")[::2] for line in inbox.recv(4096).decode().splitlines())
        pid = int(lines.get("MAINPID", 0))
        if pid in self._workers:
            self._workers[pid].ready.set()
        else:
            self._early.add(pid)

    async def _start(self, slot: int) -> Worker:
        """Start a worker; it inherits the socket and the lifeline, and nothing else."""
        descriptor = self._sock.fileno()
        arguments = ["--fd", str(descriptor), "--lifeline", str(self._lifeline)]
        environ = {**self._environ, "NOTIFY_SOCKET": str(self._inbox)}
        environ["LYRA_HOST"] = self._settings.host
        environ["LYRA_PORT"] = str(self._sock.getsockname()[1])
        if self._settings.admin_port:
            environ["LYRA_ADMIN_PORT"] = str(self._settings.admin_port + slot)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lyra", "serve", *arguments),
            env=environ,
            pass_fds=(descriptor, self._lifeline),
            start_new_session=True,  # Ctrl-C is told by the supervisor, once
        )
        worker = self._workers[process.pid] = Worker(process)
        worker.ended.add_done_callback(lambda _: self._workers.pop(process.pid, None))
        if process.pid in self._early:
            worker.ready.set()
        self._early.clear()
        return worker

    async def _keep(self, slot: int, worker: Worker) -> None:
        """Keep one slot served until the service stops."""
        rest_s = _REST_S
        while not self._stopping.is_set():
            await self._until_news(slot, worker)
            if self._stopping.is_set():
                break
            if not worker.ended.done():
                worker = await self._replaced(slot, worker)
                continue
            code = worker.process.returncode
            _say(f"worker {slot} (pid {worker.process.pid}) ended with {code}; starting another")
            rest_s = _REST_S if worker.proved else min(2 * rest_s, _LONGEST_REST_S)
            await _either(self._stopping, rest_s)
            if not self._stopping.is_set():
                worker = await self._start(slot)
        await worker.end(self._settings.drain_s + _GRACE_S)

    async def _until_news(self, slot: int, worker: Worker) -> None:
        asked = asyncio.get_running_loop().create_task(self._renewals[slot].wait())
        await asyncio.wait((asked, worker.ended), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()

    async def _replaced(self, slot: int, old: Worker) -> Worker:
        """The worker that serves the slot now: the new one, or the old where that cannot start."""
        new = await self._start(slot)
        served = await new.settle()
        if not self._stopping.is_set():
            self._renewals[slot].clear()
        if served:
            _say(f"worker {slot}: pid {new.process.pid} replaces {old.process.pid}")
            await old.end(self._settings.drain_s + _GRACE_S)
            return new
        _say(f"worker {slot}: the new process did not start; pid {old.process.pid} goes on")
        await new.end(0)
        return old

    async def _roll(self) -> None:
        """Replace every worker, one at a time."""
        for renewal in self._renewals:
            renewal.set()
            while renewal.is_set() and not self._stopping.is_set():
                await _either(self._stopping, _REST_S)
        if not self._stopping.is_set():
            _say("all workers are replaced")


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but no longer than so."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _say(words: str) -> None:
    say(f"lyra: {words}")
