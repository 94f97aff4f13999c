"""Keeps worker processes on one listening socket: `lyra serve --workers N`.

The supervisor binds the socket and never accepts. A worker that ends is started again. SIGHUP is a
rolling restart: it replaces the workers one by one, each only when its successor is ready, and the
socket stays open, so that no connection is refused. See `tests/cli/test_supervisor.py`.

Each roll reads the environment and `.env` once, for all its workers. A worker that is started again
has the settings of its predecessor, even if the file has changed since.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from lyra.cli.address import listen_error
from lyra.cli.console import say
from lyra.cli.environment import naming_lines, startup_warnings, with_line
from lyra.cli.inbox import RELOAD, open_inbox, receive
from lyra.cli.sd_notify import sd_notify
from lyra.cli.signals import HANGUP, watch_terminal
from lyra.cli.worker import MAX_BACKOFF_S, Generation, Worker
from lyra.settings import SettingError, Settings, format_address

_BACKLOG = 1024
_BACKOFF_S = 0.1
_MAX_RELOAD_CLIENTS = 100
_LAST_PORT = 65_535
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FIXED = ("host", "port", "workers")  # what is bound to the supervisor itself


def supervise(read: Callable[[], Mapping[str, str]]) -> int:
    """Serve with as many processes as the settings say until a signal; return the exit code.

    `read` returns the variables as they are at that moment, for the start and for every roll.
    """
    environ = read()
    with naming_lines(environ), ExitStack() as stack:
        settings = Settings.from_environ(environ)
        _refuse_scattered_sessions(settings)
        _refuse_crowded_ports(settings)
        sock = stack.enter_context(_open_socket(settings))
        inbox, name = stack.enter_context(open_inbox())
        for warning in startup_warnings(environ):
            _say(warning)
        supervisor = Supervisor(Generation(environ, settings), sock, inbox, name, read)
        return asyncio.run(supervisor.run())


def _refuse_scattered_sessions(settings: Settings) -> None:
    if settings.spotify_client_id and not settings.redis_url:
        raise SettingError(
            "LYRA_WORKERS: more than one needs LYRA_REDIS_URL where listeners log in, "
            "or each worker would know only the log-ins that it made itself."
        )


def _refuse_crowded_ports(settings: Settings) -> None:
    """Raise if a worker could not have its own admin port, and so would end again and again."""
    if not settings.admin_port:
        return
    last = settings.admin_port + settings.workers - 1
    if last > _LAST_PORT or settings.admin_port <= settings.port <= last:
        raise SettingError(
            f"LYRA_ADMIN_PORT: the workers' are {settings.admin_port} to {last}, which must not go "
            f"beyond {_LAST_PORT} and not hold LYRA_PORT ({settings.port}). Set another one."
        )


@contextmanager
def _open_socket(settings: Settings) -> Iterator[socket.socket]:
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as failure:
        raise listen_error(settings, failure) from None
    with sock:
        yield sock


class Slot:
    """One of the workers' slots. Only its keeper task starts and ends its workers."""

    def __init__(self, number: int, worker: Worker) -> None:
        self.number = number
        self.worker = worker
        self.wanted: Generation | None = None  # replace the worker by one of this generation
        self.changed = asyncio.Event()  # set with `wanted`, and at the shutdown
        self._served: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def replace_with(self, generation: Generation) -> bool:
        """Ask for a worker of this generation, and return whether it serves, once that is known."""
        self.wanted = generation
        self._served = asyncio.get_running_loop().create_future()
        self.changed.set()
        return await self._served

    def settle(self, *, served: bool) -> None:
        """Tell the caller of `replace_with` how it ended."""
        self.wanted = None
        self.changed.clear()
        if not self._served.done():
            self._served.set_result(served)


class Supervisor:
    """Keeps one worker in each slot, and replaces them all on request."""

    def __init__(
        self,
        generation: Generation,
        sock: socket.socket,
        inbox: socket.socket,
        name: str,
        read: Callable[[], Mapping[str, str]],
    ) -> None:
        self._initial = generation
        self._sock = sock
        self._inbox = inbox
        self._name = name
        self._read = read
        self._manager = generation.environ.get("NOTIFY_SOCKET")
        self._workers: dict[int, Worker] = {}  # by process id; also those that are starting
        self._ready_early: set[int] = set()  # ready before the call that starts them returned
        self._slots: list[Slot] = []
        self._stopping = asyncio.Event()
        # Set while a roll is under way, however often: one more roll follows.
        self._reload_requested = asyncio.Event()
        self._reload_clients: list[str | bytes] = []
        # A pipe whose read end the workers inherit: it closes when the supervisor is gone.
        self._lifeline, self._lifeline_write_end = os.pipe()

    async def run(self) -> int:
        """Keep the workers until a signal; return 0, or the code of a first worker that fails."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._inbox, self._on_notify)
        self._watch_signals()
        first = await self._start(0, self._initial)
        if await first.wait_ready(self._stopping):
            await self._keep_all(first)
        else:
            await first.end()
        loop.remove_reader(self._inbox)
        code = first.process.returncode or 0
        served = self._slots or self._stopping.is_set()
        return 0 if served else max(code, 1)

    async def _keep_all(self, first: Worker) -> None:
        self._slots.append(Slot(0, first))
        for number in range(1, self._initial.settings.workers):
            self._slots.append(Slot(number, await self._start(number, self._initial)))
        if self._stopping.is_set():
            self._wake()
        async with asyncio.TaskGroup() as keepers:
            for slot in self._slots:
                keepers.create_task(self._keep(slot))
            keepers.create_task(self._roll_on_request())

    async def _roll_on_request(self) -> None:
        for slot in self._slots:
            await slot.worker.wait_ready(self._stopping)
        if not self._stopping.is_set():
            address = format_address(*self._sock.getsockname()[:2])
            workers = ", ".join(str(slot.worker.pid) for slot in self._slots)
            _say(f"workers {workers} serve on http://{address}; Ctrl-C stops them")
            sd_notify(self._manager, "READY=1")
        while not self._stopping.is_set():
            await _wait_first(self._reload_requested, self._stopping)
            if self._reload_requested.is_set() and not self._stopping.is_set():
                await self._rolling_restart()

    async def _rolling_restart(self) -> None:
        """Replace every worker, one at a time; stop at the first that cannot be replaced."""
        self._reload_requested.clear()
        clients, self._reload_clients = self._reload_clients, []
        replaced, why = 0, "a new process did not start"
        try:
            generation = self._read_generation()
        except SettingError as wrong:
            why = str(wrong)
        else:
            why = generation.doubt or why
            for slot in self._slots:
                # A slot whose keeper has ended would never answer.
                if self._stopping.is_set() or not await slot.replace_with(generation):
                    break
                replaced += 1
        self._report_restart(clients, replaced, why)

    def _report_restart(self, clients: list[str | bytes], replaced: int, why: str) -> None:
        complete = replaced == len(self._slots)
        words = "all workers are replaced"
        if not complete:
            why = "the service stops" if self._stopping.is_set() else why
            words = (
                f"{replaced} of {len(self._slots)} workers are replaced, the others go on as they "
                f"are: {why.rstrip('.')}. Mend it, and reload once more"
            )
        _say(words)
        sd_notify(self._manager, f"STATUS={words}")
        for address in clients:
            try:
                self._inbox.sendto(f"{int(not complete)} {words}.".encode(), address)
            except OSError:
                continue  # that client is gone

    def _read_generation(self) -> Generation:
        environ, before = self._read(), self._initial.settings
        try:
            settings = Settings.from_environ(environ)
        except SettingError as wrong:
            # A newer version may know that setting: its own worker will judge.
            return Generation(environ, before, with_line(str(wrong), environ))
        with naming_lines(environ):
            _refuse_scattered_sessions(settings)
            _refuse_crowded_ports(settings)
        for name in _FIXED:
            if getattr(settings, name) != getattr(before, name):
                _say(f"LYRA_{name.upper()} has changed, which only a restart can follow")
        return Generation(environ, settings)

    def _watch_signals(self) -> None:
        loop, terminal_is_gone = asyncio.get_running_loop(), watch_terminal()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._stop)

        def on_hangup() -> None:
            if not terminal_is_gone():
                self._reload_requested.set()
            elif not self._stopping.is_set():  # a closing terminal may send several
                self._stop()

        if HANGUP is not None:
            loop.add_signal_handler(HANGUP, on_hangup)

    def _stop(self) -> None:
        if self._stopping.is_set():
            for worker in self._workers.values():
                worker.process.kill()
            os._exit(1)
        _say("stopping; live answers may finish")
        sd_notify(self._manager, "STOPPING=1")
        self._stopping.set()
        self._wake()

    def _wake(self) -> None:
        for slot in self._slots:
            slot.changed.set()

    def _on_notify(self) -> None:
        message = receive(self._inbox)
        if message.text.startswith(RELOAD):
            mine = message.user in (0, os.getuid()) and message.address
            if mine and len(self._reload_clients) < _MAX_RELOAD_CLIENTS:
                self._reload_clients.append(message.address)
                self._reload_requested.set()
        elif message.sender in self._workers:
            self._workers[message.sender].ready.set()
        elif message.user == os.getuid():
            self._ready_early.add(message.sender)

    async def _start(self, number: int, generation: Generation) -> Worker:
        """Start a worker; it inherits the socket and the lifeline, and nothing else."""
        descriptor = self._sock.fileno()
        arguments = ["--fd", str(descriptor), "--lifeline", str(self._lifeline)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lyra", "serve", *arguments),
            env=self._worker_environ(number, generation),
            pass_fds=(descriptor, self._lifeline),
            start_new_session=True,  # Ctrl-C reaches it through the supervisor, once
        )
        worker = self._workers[process.pid] = Worker(process, generation)
        worker.ended.add_done_callback(lambda _: self._workers.pop(process.pid, None))
        if process.pid in self._ready_early:
            worker.ready.set()
        self._ready_early.clear()
        return worker

    def _worker_environ(self, number: int, generation: Generation) -> dict[str, str]:
        environ = {**generation.environ, "NOTIFY_SOCKET": self._name}
        environ["LYRA_HOST"] = self._initial.settings.host
        environ["LYRA_PORT"] = str(self._sock.getsockname()[1])
        environ["LYRA_WORKERS"] = str(self._initial.settings.workers)
        if generation.settings.admin_port:
            environ["LYRA_ADMIN_PORT"] = str(generation.settings.admin_port + number)
        return environ

    async def _keep(self, slot: Slot) -> None:
        """Keep one slot served until the service stops."""
        backoff_s = _BACKOFF_S
        while not self._stopping.is_set():
            await _wait_first(slot.changed, slot.worker.ended)
            if self._stopping.is_set():
                break
            if slot.wanted is not None:
                await self._replace(slot, slot.wanted)
                continue
            code = slot.worker.process.returncode
            _say(
                f"worker {slot.number} (pid {slot.worker.pid}) ended with {code}; starting another"
            )
            backoff_s = _BACKOFF_S if slot.worker.is_stable else min(2 * backoff_s, MAX_BACKOFF_S)
            await _wait_first(slot.changed, within_s=backoff_s)
            if not slot.changed.is_set():
                slot.worker = await self._start(slot.number, slot.worker.generation)
        slot.settle(served=False)
        await slot.worker.end()

    async def _replace(self, slot: Slot, generation: Generation) -> None:
        """Put a new worker into the slot, or keep the old one if the new one cannot start."""
        old, new = slot.worker, await self._start(slot.number, generation)
        served = await new.wait_ready(self._stopping)
        if served:
            _say(f"worker {slot.number}: pid {new.pid} replaces {old.pid}")
            slot.worker = new
            await old.end()
        else:
            if not self._stopping.is_set():
                _say(f"worker {slot.number}: the new process did not start; pid {old.pid} goes on")
            await new.end()
        slot.settle(served=served)


async def _wait_first(
    *awaited: asyncio.Event | asyncio.Task[int], within_s: float | None = None
) -> None:
    """Wait until one of these has happened, or for `within_s` at most."""
    loop = asyncio.get_running_loop()
    waiters = [
        (loop.create_task(each.wait()), True) if isinstance(each, asyncio.Event) else (each, False)
        for each in awaited
    ]
    await asyncio.wait(
        [task for task, _ in waiters], timeout=within_s, return_when=asyncio.FIRST_COMPLETED
    )
    for task, owned in waiters:
        if owned:
            task.cancel()


def _say(words: str) -> None:
    say(f"lyra: {words}")
