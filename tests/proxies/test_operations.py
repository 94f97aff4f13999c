"""The lines of docs/OPERATIONS.md, with the nginx, Caddy and HAProxy of this machine: `make test-proxies`.

Each runs in a folder of its own before a Lyra with invented listeners; once for a whole host and once
under a path. What is not installed is skipped, and named.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import orjson
import pytest
from aiohttp import web

from lyra.sandbox import sandbox_token
from tests.conftest import Start
from tests.support.certificates import self_signed
from tests.support.proxies import HOST, PATH, PROXIES, Place, Proxy, configured, documented, running
from tests.support.proxy_client import ProxyClient
from tests.support.scripted_model import event, opened, scripted_model, stopped, words

pytestmark = [pytest.mark.proxies, pytest.mark.timeout(60)]

RATE = 20  # a minute and token; of an address five times that
TOO_LARGE = 3 * 2**19
WORDS = ("One ", "by ", "one.")
QUESTION = orjson.dumps({"message": "Which artists do I listen to most?"})
EVENTS = "Accept: text/event-stream"


class SlowModel:
    """Says a word when it is told to, so that a word held back by a proxy is waited for in vain."""

    def __init__(self) -> None:
        self.next = asyncio.Semaphore(0)
        self.left = asyncio.Event()  # set when Lyra closes the call before its end

    async def reply(self, request: web.Request) -> web.StreamResponse:
        answer = await opened(request)
        try:
            await answer.write(event("message_start", message={"usage": {"input_tokens": 1}}))
            for word in WORDS:
                await self.next.acquire()
                await answer.write(words(word))
            await self.next.acquire()
            await answer.write(stopped())
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        return answer


@pytest.fixture
async def model() -> SlowModel:
    return SlowModel()


@pytest.fixture(params=PROXIES, ids=lambda proxy: proxy.program)
def proxy(request: pytest.FixtureRequest) -> Proxy:
    """One of the three, if it is installed."""
    found: Proxy = request.param
    if not found.installed:
        pytest.skip(f"{found.program} is not installed: apt-get install {found.program}")
    return found


@pytest.fixture(params=["", PATH], ids=["host", "path"])
async def client(
    request: pytest.FixtureRequest, proxy: Proxy, model: SlowModel, start: Start, tmp_path: Path
) -> AsyncIterator[ProxyClient]:
    """A client of Lyra behind this proxy, for a whole host or under a path."""
    base: str = request.param
    async with scripted_model(model.reply, handler_cancellation=True) as upstream:
        lyra = await start(
            rate_per_minute=RATE,
            allowed_hosts=(HOST,),
            public_url=f"https://{HOST}{base}",
            trusted_proxies=("127.0.0.1",),
            llm_base_url=upstream.url,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        place = Place(tmp_path, port, self_signed(tmp_path, HOST), int(lyra.url.rpartition(":")[2]))
        lines = configured(proxy.name, documented(proxy.name, base), place)
        async with running(proxy, lines, place):
            yield ProxyClient(port, base, sandbox_token(35, "typical", "legacy"))


async def test_the_page_and_its_documents_are_there_with_all_they_load(client: ProxyClient) -> None:
    for path in ("/", "/docs"):
        page = await client.ask("GET", path)
        assert page.status == HTTPStatus.OK
        for address in re.findall(rb'(?:href|src)="(/[^"#]*)"', page.body):
            assert (await client.loaded(address.decode())).status == HTTPStatus.OK, address


async def test_a_listener_is_read_whole_and_as_events(client: ProxyClient) -> None:
    whole = await client.ask("POST", "/lyra/init")
    events = await client.ask("POST", "/lyra/init", EVENTS)

    assert orjson.loads(whole.body)["success"]
    assert events.body.endswith(b"data: [DONE]\n\n")


async def test_each_word_is_there_before_the_next_is_said(
    client: ProxyClient, model: SlowModel
) -> None:
    async with client.sent("POST", f"{client.base}/lyra/chat", body=QUESTION) as reader:
        for word in WORDS:
            model.next.release()
            await reader.readuntil(word.encode())
        model.next.release()
        await reader.readuntil(b"data: [DONE]\n\n")


async def test_stop_ends_the_answer_and_the_models_call(
    client: ProxyClient, model: SlowModel
) -> None:
    async with client.sent("POST", f"{client.base}/lyra/chat", body=QUESTION) as reader:
        model.next.release()
        seen = await reader.readuntil(WORDS[0].encode())
        match = re.search(rb"id: (run_[0-9a-f]+)\.", seen)
        assert match is not None
        answer = await client.ask("POST", f"/lyra/chat/{match[1].decode()}/stop")
        assert answer.status == HTTPStatus.NO_CONTENT
        await reader.readuntil(b"data: [DONE]\n\n")
    await model.left.wait()


async def test_a_body_of_more_than_a_mebibyte_is_refused_by_lyra(client: ProxyClient) -> None:
    answer = await client.ask("POST", "/lyra/chat", body=b" " * TOO_LARGE)

    assert (answer.status, answer.code) == (413, "body_too_large")


async def test_a_client_is_counted_by_its_own_address_and_alone(client: ProxyClient) -> None:
    """Whatever it writes of others; each of its tokens has a rate, too."""
    reason = ""
    for number in range(10 * RATE):
        lines = (f"X-Forwarded-For: 198.51.100.{number}", f"X-Forwarded-For: 203.0.113.{number}")
        token = f"a-token-of-its-own-{number:04}"
        answer = await client.ask(
            "POST", "/lyra/chat", *lines, body=b"{", client="127.0.0.2", token=token
        )
        if answer.status != HTTPStatus.BAD_REQUEST:
            reason = answer.reason
            break
    other = await client.ask("POST", "/lyra/chat", body=b"{", client="127.0.0.3")

    assert reason == "address"
    assert other.status == HTTPStatus.BAD_REQUEST
