"""A process that seems to have filled a part of its bound of memory."""

from tests.conftest import Service

GIB = 2**30
BOUND = 100 * GIB


async def fill_memory(service: Service, part: float) -> None:
    """Let the process seem to have this part of its bound."""
    memory = service.services.memory_guard
    memory.resident = lambda: int(part * BOUND)
    await memory.check()
