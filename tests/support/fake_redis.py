"""A server that speaks Redis' protocol and says what a test has written for each command."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Answer = Callable[[list[bytes]], bytes | None]
OK, NIL = b"+OK\r\n", b"$-1\r\n"


class FakeRedis:
    """Counts the commands it is sent; `answer` gives the bytes for each, None to close instead."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.seen: Counter[bytes] = Counter()
        self.url = ""
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def total(self) -> int:
        """The commands so far, without those by which a process looks how Redis is, by itself."""
        return sum(
            count for name, count in self.seen.items() if name not in {b"HELLO", b"LOOK", b"TIME"}
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while words := await _command(reader):
                self.seen[_name(words)] += 1
                if (said := self.answer(words)) is None:
                    break
                writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass  # the client has left
        finally:
            self._open.discard(writer)
            writer.close()

    def end(self) -> None:
        """Close what is open."""
        for writer in self._open:
            writer.close()


def _name(words: list[bytes]) -> bytes:
    return b"LOOK" if words[-1:] == [b"lyra:v2:look"] else words[0]


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    head = await reader.readline()
    words = []
    for _ in range(int(head[1:] or b"0")):
        length = int((await reader.readline())[1:])
        words.append((await reader.readexactly(length + 2))[:-2])
    return words


@asynccontextmanager
async def fake_redis(answer: Answer) -> AsyncIterator[FakeRedis]:
    """Such a server, for the length of the block."""
    fake = FakeRedis(answer)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield fake
        fake.end()
