"""A model that says one piece after another, each when a test tells it to."""

import asyncio

from aiohttp import web

from tests.support.scripted_model import opened, stopped, words


class Steps:
    """Says `pieces`; the first `at_once` of them without being told, the end mark when told."""

    def __init__(self, *pieces: str, at_once: int = 1) -> None:
        self.pieces = pieces
        self.left = asyncio.Event()
        self._told = asyncio.Semaphore(at_once)

    def go_on(self, steps: int = 1) -> None:
        """Say so many more pieces, or the end mark behind the last."""
        for _ in range(steps):
            self._told.release()

    def finish(self) -> None:
        """Say all that is left."""
        self.go_on(len(self.pieces) + 1)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        response = await opened(request)
        try:
            for piece in self.pieces:
                await self._told.acquire()
                await response.write(words(piece))
            await self._told.acquire()
        except asyncio.CancelledError:
            self.left.set()
            raise
        await response.write(stopped())
        return response
