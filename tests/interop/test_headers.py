"""Mozilla's Observatory grades the headers of the page, behind TLS as in production."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from yarl import URL

from tests.conftest import Start
from tests.interop.conftest import HERE, found, installed
from tests.support.certificates import self_signed

MOVED = b"HTTP/1.1 301 Moved\r\nLocation: %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="session")
def observatory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the grader, in its exact version."""
    return installed(HERE / "observatory", tmp_path_factory.mktemp("observatory"))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a key and a certificate of localhost."""
    return self_signed(tmp_path, "localhost")


class Front:
    """What stands before Lyra in production: TLS, and a way to it from plain HTTP."""

    def __init__(self) -> None:
        self.lyra = URL()
        self.http_port = self.https_port = 0

    @asynccontextmanager
    async def open(self, certificate: Path) -> AsyncIterator[None]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        host = "127.0.0.1"
        async with (
            await asyncio.start_server(self._relay, host, 0, ssl=context) as https,
            await asyncio.start_server(self._move, host, 0) as http,
        ):
            self.https_port = https.sockets[0].getsockname()[1]
            self.http_port = http.sockets[0].getsockname()[1]
            yield

    async def _move(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(MOVED % f"https://localhost:{self.https_port}/".encode())
        writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, sink = await asyncio.open_connection(self.lyra.host, self.lyra.port)
        await asyncio.gather(_pump(reader, sink), _pump(there, writer), return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()


async def test_mozillas_observatory_gives_the_page_an_a_plus(
    start: Start, observatory: Path, certificate: Path
) -> None:
    front = Front()
    async with front.open(certificate):
        service = await start(public_url=f"https://localhost:{front.https_port}")
        front.lyra = URL(service.url)
        process = await asyncio.create_subprocess_exec(
            *(found("node"), str(HERE / "clients" / "observatory.mjs"), str(observatory)),
            *(str(front.http_port), str(front.https_port)),
            env={"NODE_EXTRA_CA_CERTS": str(certificate)},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        graded = orjson.loads(out)

    assert graded["status"] == 200
    assert graded["failed"] == []
    # Five more are for hashes of own scripts: they would break pages that outlive a new version.
    assert (graded["grade"], graded["score"]) == ("A+", 130)
