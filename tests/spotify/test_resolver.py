import asyncio
import socket
import threading

import pytest

from lyra.spotify.resolver import Resolver


async def test_a_name_is_resolved() -> None:
    addresses = await Resolver().resolve("localhost", 443, socket.AF_INET)

    assert {(one["hostname"], one["host"], one["port"]) for one in addresses} == {
        ("localhost", "127.0.0.1", 443)
    }


async def test_a_name_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(OSError, match=r".+"):
        await Resolver().resolve("nobody.invalid", 443)


def test_a_hung_name_server_does_not_keep_the_loop_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait())

    async def ask() -> None:
        async with asyncio.timeout(0.01):
            await Resolver().resolve("nobody.invalid")

    with pytest.raises(TimeoutError):
        asyncio.run(ask())
    answer.set()
