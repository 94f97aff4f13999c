"""The DNS resolver: host names to addresses, in daemon threads."""

import asyncio
import socket
from concurrent.futures import Future
from threading import Thread
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_Addresses = list[tuple[int, int, int, str, tuple[Any, ...]]]
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """The system's resolver; a name server that hangs does not keep the process from ending.

    The event loop's own threads would: it waits for them when it closes, half a minute.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of this host.

        Raises:
            OSError: there are none, or the resolver fails.
        """
        future: Future[_Addresses] = Future()
        future.set_running_or_notify_cancel()  # a caller may be cancelled; the result is then dropped
        Thread(target=_look_up, args=(future, host, port, family), name="dns", daemon=True).start()
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=address[1],
                family=kind,
                proto=protocol,
                flags=_NUMERIC,
            )
            for kind, _, protocol, _, address in await asyncio.wrap_future(future)
        ]

    async def close(self) -> None:
        """Do nothing: look-ups under way end by themselves."""


def _look_up(future: "Future[_Addresses]", host: str, port: int, family: int) -> None:
    flags = socket.AI_ADDRCONFIG
    try:
        addresses: Any = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=flags)
    except Exception as failure:  # noqa: BLE001 - the caller gets it, as from any executor
        future.set_exception(failure)
    else:
        future.set_result(addresses)
