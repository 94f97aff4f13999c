"""Fixtures: the clients' packages in a folder of their own, and Node programs that use them."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from lyra.sandbox import sandbox_token
from tests.conftest import Service

HERE = Path(__file__).parent
NPM_CI = ("ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder: it needs Node, and time to install."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.interop)
            item.add_marker(pytest.mark.timeout(180))


def found(program: str) -> str:
    """Where this program is; without it these tests fail, they are never skipped."""
    path = shutil.which(program)
    if path is None:
        pytest.fail(f"{program} is not installed: these tests need Node 20, npm and curl")
    return path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the tree with the packages of package-lock.json in their exact versions."""
    return installed(HERE, tmp_path_factory.mktemp("packages"))


def installed(listed: Path, folder: Path) -> Path:
    """This folder, with the packages that the lock in `listed` names."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(listed / name, folder)
    npm = found("npm")
    done = subprocess.run([npm, *NPM_CI], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, f"npm could not install the packages:\n{done.stderr}"
    return folder


class Client:
    """A client that runs in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def words(self) -> None:
        """Wait until the client has read the first words of the answer."""
        assert await self._line() == b"words\n"

    async def report(self) -> dict[str, Any]:
        """What the client has seen, once it has ended."""
        line = await self._line()
        while line == b"words\n":
            line = await self._line()
        seen: dict[str, Any] = orjson.loads(line)
        return seen

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the client ended without a report"
        return line


Run = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def run(packages: Path) -> Run:
    """Runs a client: `async with run(service, "ai_chat", "ai7") as client`."""

    @asynccontextmanager
    async def running(
        service: Service, program: str, *arguments: str, token: str | None = None
    ) -> AsyncIterator[Client]:
        process = await asyncio.create_subprocess_exec(
            found("node"),
            str(HERE / "clients" / f"{program}.mjs"),
            str(packages),
            service.url,
            token or sandbox_token(),
            *arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            limit=2**20,
        )
        try:
            yield Client(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return running
