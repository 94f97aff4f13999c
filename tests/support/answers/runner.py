"""Asks the questions of a running service: the real application, the invented Spotify, any model."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from msgspec.structs import replace

from lyra.app import create_app
from lyra.sandbox import SANDBOX_NOW, Sandbox
from lyra.settings import Settings
from lyra.web.gateway.server import Runner, listen
from tests.support.answers.asked import Asked
from tests.support.answers.questions import Question
from tests.support.answers.truth import truth_of

MakeSettings = Callable[[str, Sandbox], Settings]

_LIMIT_S = 150.0  # longer than any answer may take
# One listener asks most of the questions at once here, which people do not.
_UNLIMITED = {"rate_per_minute": 10_000, "searches_per_hour": 10_000, "daily_tokens": 0}


@dataclass(frozen=True)
class Running:
    """A service that runs, and the Spotify that it asks."""

    http: aiohttp.ClientSession
    sandbox: Sandbox

    async def ask(self, question: str, token: str, earlier: list[dict[str, str]]) -> Asked:
        """Return the answer to a question in a conversation."""
        before = self.sandbox.stats.by_endpoint["search"]
        body = {"message": question, "history": earlier}
        headers = {"Authorization": f"Bearer {token}"}
        async with self.http.post("/lyra/chat", json=body, headers=headers) as response:
            answer = await response.read()
        searches = self.sandbox.stats.by_endpoint["search"] - before
        said = earlier[-1]["content"] if earlier else ""
        return Asked(question, response.status, answer, searches, said)


def invented_model(name: str, sandbox: Sandbox) -> Settings:
    """Return settings with the sandbox's own model of this name, good or hostile."""
    return Settings(llm_base_url=sandbox.llm_url, llm_api_key="sandbox", model=name)


def real_model(name: str, _: Sandbox) -> Settings:
    """Return settings with a real model: the rest of them stands in the environment.

    Raises:
        SettingError: A variable cannot be used.
    """
    return replace(Settings.from_environ(os.environ), model=name)  # noqa: TID251 - as `lyra serve`


@asynccontextmanager
async def running(
    model: str, sandbox: Sandbox, make_settings: MakeSettings = invented_model
) -> AsyncIterator[Running]:
    """Run the service with this model before this Spotify; its clock stands where the plays end."""
    changes: dict[str, Any] = {
        "port": 0,
        "spotify_api_url": sandbox.api_url,
        "spotify_accounts_url": sandbox.accounts_url,
        **_UNLIMITED,
    }
    settings = replace(make_settings(model, sandbox), **changes)
    runner = Runner(create_app(settings, wall_clock=SANDBOX_NOW.timestamp), settings)
    await runner.setup()
    try:
        port = await listen(runner, "127.0.0.1", 0)
        timeout = aiohttp.ClientTimeout(total=_LIMIT_S)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=timeout) as http:
            yield Running(http, sandbox)
    finally:
        await runner.cleanup()


async def ask(service: Running, question: Question) -> Asked:
    """Return the answer to a question, after the one that comes before it if there is one."""
    truth = truth_of(question.token)
    earlier: list[dict[str, str]] = []
    if question.expected.before:
        said = truth.fill(question.expected.before)
        first = await service.ask(said, question.token, [])
        text = first.text or "\u2026"
        earlier = [{"role": "user", "content": said}, {"role": "assistant", "content": text}]
    return await service.ask(truth.fill(question.text), question.token, earlier)


async def ask_all(
    model: str,
    questions: Sequence[Question],
    make_settings: MakeSettings = invented_model,
    tell: Callable[[str], None] = lambda _: None,
) -> list[tuple[Question, Asked]]:
    """Return each question with the answer that a service with this model gives, one after another.

    `tell` hears of each answer, since a real model takes its time.
    """
    answers = []
    async with Sandbox() as sandbox, running(model, sandbox, make_settings) as service:
        for question in questions:
            answers.append((question, await ask(service, question)))
            tell(f"{len(answers)} of {len(questions)}: {question.text}")
    return answers
