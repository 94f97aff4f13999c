"""What fills a run in a test."""

from collections.abc import Awaitable, Callable

from lyra.chat.runs.run import Producer


class Work(Producer):
    """Fills a run with whatever this function does, and knows nothing of its endings."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work

    async def produce(self) -> None:
        await self._work()
