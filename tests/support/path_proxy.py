"""A proxy that serves Lyra under a path, which it takes off, and other programs beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

from lyra.web.gateway.server import listen

_OWN = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


class Front:
    """Its address, what it takes off, and what it was asked for elsewhere: another program's."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.target = ""
        self.elsewhere: list[str] = []
        self.url = ""
        self._http: aiohttp.ClientSession | None = None

    @property
    def public_url(self) -> str:
        return f"{self.url}{self.path}"

    async def _passed_on(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path_qs
        if not path.startswith(f"{self.path}/"):
            self.elsewhere.append(path)
            return web.Response(status=404, text="another program's")
        assert self._http is not None
        async with self._http.request(
            request.method,
            URL(f"{self.target}{path.removeprefix(self.path)}", encoded=True),
            headers=[*((n, v) for n, v in request.headers.items() if n.lower() not in _OWN)],
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            passed = web.StreamResponse(status=answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in _OWN:
                    passed.headers.add(name, value)
            await passed.prepare(request)
            async for piece in answer.content.iter_any():
                await passed.write(piece)
            await passed.write_eof()
            return passed

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Front"]:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._passed_on)
        runner = web.AppRunner(app)
        await runner.setup()
        self.url = f"http://127.0.0.1:{await listen(runner, '127.0.0.1', 0)}"
        jar = aiohttp.DummyCookieJar()
        try:
            async with aiohttp.ClientSession(cookie_jar=jar, auto_decompress=False) as self._http:
                yield self
        finally:
            await runner.cleanup()
