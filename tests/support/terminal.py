"""A terminal for a process under test, and a server that says what the test wants."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

# Makes the terminal the process's own, so that a typed Ctrl-C becomes a signal.
_OWN = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from lyra.__main__ import main; main()"


class Terminal:
    """What a person sees and types."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, descriptor: int) -> None:
        self.process = process
        self.seen = b""
        self._reader = reader
        self._descriptor = descriptor
        self._at = 0
        self.close: Callable[[], None] = lambda: None

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._descriptor, text.encode())

    async def until(self, sign: str) -> bytes:
        """What was shown since the sign before this one, up to and with this one."""
        began = self._at
        while (found := self.seen.find(sign.encode(), began)) < 0:
            piece = await self._reader.read(4096)
            assert piece, f"the terminal closed without {sign!r}: {self.seen!r}"
            self.seen += piece
        self._at = found + len(sign.encode())
        return self.seen[began : self._at]

    async def end(self) -> int:
        """The exit code, once the process has ended."""
        try:
            while piece := await self._reader.read(4096):
                self.seen += piece
        except OSError:  # how Linux says that nobody holds the other side any more
            pass
        return await self.process.wait()


@asynccontextmanager
async def open_terminal(
    folder: Path, *arguments: str, lines: int = 24, **environ: str
) -> AsyncIterator[Terminal]:
    """A terminal in which `lyra ...` runs."""
    mine, its = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", _OWN, *arguments),
        cwd=folder,
        env={"TERM": "xterm", "COLUMNS": "80", "LINES": str(lines), **environ},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(mine, "rb", buffering=0)
    )
    terminal = Terminal(process, reader, mine)
    terminal.close = transport.close
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        transport.close()


class Scripted:
    """A server that looks like Lyra and says what the test put into `frames`."""

    def __init__(self, *, demo: bool = True) -> None:
        self.demo = demo
        self.frames: list[bytes] = []
        self.hold: int | None = None  # at this frame an answer waits until `go_on` is set
        self.go_on = asyncio.Event()
        self.asked: list[dict[str, Any]] = []
        self.bearers: list[str | None] = []
        self.zones: list[str | None] = []
        self.url = ""

    def say(self, *words: str) -> None:
        """Answer with these words from now on."""
        parts = [{"type": "text-delta", "id": "t1", "delta": each} for each in words]
        self.send(*parts, {"type": "finish", "finishReason": "stop"})

    def send(self, *parts: dict[str, Any]) -> None:
        """Answer with these parts from now on."""
        self.frames = [b"data: %b\n\n" % orjson.dumps(each) for each in parts]
        self.frames.append(b"data: [DONE]\n\n")

    async def ready(self, _: web.Request) -> web.Response:
        return web.json_response({"ready": True, "demo": self.demo, "dependencies": {}})

    async def forget(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(orjson.loads(await request.read()))
        self.bearers.append(request.headers.get("Authorization"))
        self.zones.append(request.headers.get("X-Timezone"))
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for number, frame in enumerate(self.frames):
            if number == self.hold:
                await self.go_on.wait()
            await answer.write(frame)
        return answer


@asynccontextmanager
async def open_scripted(*, demo: bool = True) -> AsyncIterator[Scripted]:
    """A scripted server on a free port."""
    scripted = Scripted(demo=demo)
    app = web.Application()
    app.router.add_get("/readyz", scripted.ready)
    app.router.add_post("/lyra/chat", scripted.chat)
    app.router.add_delete("/lyra/session", scripted.forget)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield scripted
    finally:
        await runner.cleanup()
