"""Fixtures: a sandbox, the service as it runs in production, and no blocking calls."""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from random import Random

import aiohttp
import pytest
from aiohttp.web_app import _cached_build_middleware
from blockbuster import BlockBuster, blockbuster_ctx

from lyra.app import create_app
from lyra.sandbox import Sandbox, sandbox_token
from lyra.sandbox.accounts import CLIENTS
from lyra.settings import Settings
from lyra.tracing import Tracer
from lyra.web.context import SERVICES, Persona, Services
from lyra.web.gateway.server import Runner, listen
from tests.support.certificates import self_signed
from tests.support.time_limit import (  # noqa: F401 - pytest finds them here
    pytest_runtest_call,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    pytest_runtest_teardown,
    pytest_timeout_cancel_timer,
    pytest_timeout_set_timer,
)


def _heed_signals() -> None:
    """Give the processes of the tests the usual signals, whoever runs the tests.

    What a parent ignores (`nohup`, a shell's `&`) or blocks, all its processes inherit. A handler
    they do not: it becomes the default. So this process goes on ignoring, by a handler. SIGPIPE
    is not among them: Python ignores it for itself, and subprocess gives it back.
    """
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


_heed_signals()

# What starts Lyra, its sandbox, a Redis or a process of its own begins with one of these.
_SERVERS = {"sandbox", "launch", "run_script", "down", "server", "aiohttp_server", "folder"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `served` the tests that start servers or processes: `make quick` leaves them out."""
    for item in items:
        if isinstance(item, pytest.Function) and _SERVERS & set(item.fixturenames):
            item.add_marker(pytest.mark.served)


CANARY_KEY = "sk-ant-canary-key-of-the-operator"

# The app of a service that is started with spotify_client_id=APP.
APP = "lyra-tests"
APP_REDIRECTS = [
    "http://127.0.0.1/auth/callback",
    "http://127.0.0.1/music/auth/callback",
    "https://app.invalid/auth/callback",
    "https://app.invalid/music/auth/callback",
]

LONG_S = 15.0  # a deadline that no passing test reaches


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One certificate to trust in place of the system's hundreds.

    The model's client reads them whenever a service starts: 20 ms, two thousand times.
    """
    file = self_signed(tmp_path_factory.mktemp("trust"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[BlockBuster]:
    """A call that blocks the event loop is an error."""
    with blockbuster_ctx("lyra") as blocker:
        # The SDK reads the CA bundle when its client is made: once, before the service is ready.
        for name in ("io.BufferedReader.read", "io.TextIOWrapper.read", "os.stat"):
            if name in blocker.functions:
                blocker.functions[name].can_block_in(
                    "lyra/chat/model/anthropic_model.py", {"open_anthropic"}
                )
        # prometheus_client reads the process's memory and files in /proc, which is memory too.
        for function in blocker.functions.values():
            function.can_block_in("prometheus_client/process_collector.py", {"collect"})
            # A test that takes too long has to say so: this runs within whatever it does then.
            function.can_block_in("pytest_timeout.py", {"timeout_sigalrm"})
        yield blocker


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """An invented Spotify and an invented model on a free port."""
    async with Sandbox(clients={**CLIENTS, APP: APP_REDIRECTS}) as running:
        yield running


class CanaryWatch(logging.Handler):
    """Sees every byte that a client receives and every line that Lyra logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self.tokens: set[str] = set()
        self.seen: list[str] = []
        self.tracing = aiohttp.TraceConfig()
        self.tracing.on_request_start.append(self._sent)
        self.tracing.on_response_chunk_received.append(self._received)

    async def _sent(self, _: object, __: object, params: aiohttp.TraceRequestStartParams) -> None:
        # A token of a few letters may stand in any answer by chance.
        for sent in params.headers.getall("Authorization", []):
            kind, _, token = sent.partition(" ")
            if kind == "Bearer" and len(token) > 20:
                self.tokens.add(token)

    async def _received(
        self, _: object, __: object, params: aiohttp.TraceResponseChunkReceivedParams
    ) -> None:
        self.look(f"the answer of {params.url.path}", params.chunk.decode("latin-1"))

    def emit(self, record: logging.LogRecord) -> None:
        self.look("the log", self.format(record))

    def look(self, where: str, text: str) -> None:
        """Keep what must not be there, for the end of the test."""
        for secret in (CANARY_KEY, *self.tokens):
            if secret in text:
                self.seen.append(f"{secret} in {where}: {text[:200]}")


@pytest.fixture
def canaries() -> Iterator[CanaryWatch]:
    """No key and no listener's token is in an answer, a line of the log or a metric."""
    watch, root = CanaryWatch(), logging.getLogger("lyra")
    level = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    yield watch
    root.removeHandler(watch)
    root.setLevel(level)
    assert watch.seen == []


Closing = Callable[[], Awaitable[None]]


class Service:
    """A running Lyra, spoken to over its socket."""

    def __init__(
        self, url: str, services: Services, http: aiohttp.ClientSession, stop: Closing
    ) -> None:
        self.url = url
        self.services = services
        self.http = http
        self.stop = stop  # goes down as after a signal; once down, does nothing

    def headers(self, token: str | None = None, **more: str) -> dict[str, str]:
        """The headers of a listener's request."""
        return {"Authorization": f"Bearer {token or sandbox_token()}", **more}


Start = Callable[..., Awaitable[Service]]


def _once(close: Closing) -> Closing:
    todo = [close]

    async def closing() -> None:
        if todo:
            await todo.pop()()

    return closing


@pytest.fixture
async def start(sandbox: Sandbox, canaries: CanaryWatch) -> AsyncIterator[Start]:
    """Starts services against the sandbox: `await start(model="fault:eof", heartbeat_s=1)`."""
    async with AsyncExitStack() as stack:

        async def begin(
            *,
            demo_token: str | None = None,
            personas: Sequence[Persona] = (),
            rng: Random | None = None,
            clock: Callable[[], float] = time.monotonic,
            wall_clock: Callable[[], float] = time.time,  # noqa: TID251 - the real one
            tracer: Tracer | None = None,
            **changes: object,
        ) -> Service:
            given = {
                "port": 0,
                "spotify_api_url": sandbox.api_url,
                "spotify_accounts_url": sandbox.accounts_url,
                "llm_base_url": sandbox.llm_url,
                "llm_api_key": CANARY_KEY,
                "model": "sandbox-model",
                "drain_s": 0,
                # The machine of the tests may be busy with other things.
                "spotify_timeout_s": LONG_S,
                "first_byte_s": LONG_S,
                "stall_s": 60,
            }
            if demo_token:
                personas = [Persona("demo", "Demo listener", demo_token)]
            settings = Settings(**{**given, **changes})  # type: ignore[arg-type]
            app = create_app(
                settings,
                personas=personas,
                rng=rng,
                clock=clock,
                wall_clock=wall_clock,
                tracer=tracer,
            )
            runner = Runner(app, settings)
            # aiohttp remembers every application with its services, a megabyte each.
            stack.callback(_cached_build_middleware.cache_clear)
            stop = _once(runner.cleanup)
            stack.push_async_callback(stop)
            await runner.setup()
            metrics = runner.app[SERVICES].metrics
            stack.callback(lambda: canaries.look("a metric", metrics.render().decode()))
            port = await listen(runner, "127.0.0.1", 0)
            timeout = aiohttp.ClientTimeout(total=LONG_S)
            connector = aiohttp.TCPConnector(limit=0)
            http = await stack.enter_async_context(
                aiohttp.ClientSession(
                    f"http://127.0.0.1:{port}",
                    timeout=timeout,
                    connector=connector,
                    # The demo's token is no secret: the page shows it.
                    trace_configs=[] if demo_token else [canaries.tracing],
                )
            )
            return Service(f"http://127.0.0.1:{port}", runner.app[SERVICES], http, stop)

        yield begin


@pytest.fixture
async def service(start: Start) -> Service:
    """A Lyra with the settings of a demo."""
    return await start()


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every logger of every library at DEBUG."""
    caplog.set_level(logging.DEBUG)
    return caplog


async def settle() -> None:
    """Let every callback that is due run."""
    for _ in range(20):
        await asyncio.sleep(0)
