"""The services that all handlers share, built once by `lyra.app` and frozen."""

import asyncio
from dataclasses import dataclass, field
from string import Template
from typing import NamedTuple

from aiohttp import web

from lyra.agent import Lyra
from lyra.chat.generation import AnswerGenerator
from lyra.chat.runs.registry import RunRegistry
from lyra.metrics import Metrics
from lyra.settings import Settings
from lyra.web.http.body_limit import BodyLimit
from lyra.web.http.client_ip import Network
from lyra.web.http.memory_guard import MemoryGuard
from lyra.web.http.rate_limit import RateLimit
from lyra.web.http.static_files import Assets
from lyra.web.http.stream_monitor import StreamMonitor
from lyra.web.http.watchdog import Watchdog
from lyra.web.http.write_coalescer import WriteCoalescer
from lyra.web.login.login_service import LoginService


@dataclass(frozen=True)
class Files:
    """What the pages need, made once at start-up."""

    page: Template
    docs: Template
    assets: Assets
    description: bytes


class Persona(NamedTuple):
    """An invented listener to try; the token is no secret."""

    name: str
    label: str
    token: str


@dataclass(frozen=True)
class Services:
    """The parts of one service. `personas` are invented listeners, in a demo alone.

    `shutting_down` is set once the process is asked to end: it is not ready any more, and every
    response closes its connection. `chat_limit`, `resume_limit` and `save_limit` are rates of a listener,
    `address_limit`, `new_token_limit` and `ending_limit` (stops and forgets) are rates of an address.
    `static_head` begins every prebuilt response, `write_coalescer` sends the tokens of streams.
    """

    settings: Settings
    metrics: Metrics
    lyra: Lyra
    generator: AnswerGenerator
    runs: RunRegistry
    chat_limit: RateLimit
    address_limit: RateLimit
    new_token_limit: RateLimit
    resume_limit: RateLimit
    save_limit: RateLimit
    ending_limit: RateLimit
    arrived_bodies: BodyLimit
    awaited_bodies: BodyLimit
    trusted: tuple[Network, ...]
    stream_monitor: StreamMonitor
    watchdog: Watchdog
    memory_guard: MemoryGuard
    files: Files
    static_head: bytes
    write_coalescer: WriteCoalescer
    logins: LoginService | None
    personas: tuple[Persona, ...]
    shutting_down: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def demo(self) -> bool:
        """Whether the listeners are invented."""
        return bool(self.personas)

    @property
    def demo_token(self) -> str | None:
        """The first invented listener's token, in a demo alone."""
        return self.personas[0].token if self.personas else None


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
