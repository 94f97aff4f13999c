"""One answer of another process, as it lies in Redis in sealed chunks."""

from collections.abc import Iterable

from lyra.cache.keys import Key
from lyra.chat.parts import Finish, Start
from lyra.chat.runs.remote_run import ChunkContent, seal_chunk
from lyra.chat.runs.run import Run
from lyra.redis.run_store import Chunk, RunSnapshot

OWNER, NAME, OTHER = Key("0" * 40), "1" * 40, "2" * 40
SECRET, TOKEN = "a-secret-of-this-service", "an-invented-token"
MOMENT = 1_795_000_000_000_000
WORDS = [f"word {number} " for number in range(12)]


class ScriptedRedis:
    """A Redis that shows what a test says, some of it at each look; counts the looks."""

    def __init__(self, *looks: RunSnapshot | None) -> None:
        self.looks = list(looks)
        self.seen = 0
        self.notices: list[list[str]] = []
        self.forgotten_at = 0

    def was_forgotten(self, owner: str, moment: int) -> bool:
        assert owner == OWNER
        return moment <= self.forgotten_at

    async def read(self, name: str, after: str = "-") -> RunSnapshot | None:
        assert name == NAME
        assert isinstance(after, str)
        self.seen += 1
        return self.looks.pop(0) if self.looks else RunSnapshot((), alive=False)

    async def tell(self, verb: str, names: Iterable[str]) -> None:
        self.notices.append([verb, *names])


def answer() -> list[bytes]:
    """A whole answer, as its maker has it."""
    run = Run("run_0123456789abcdef")
    run.begin(Start(run.id, {}))
    for word in WORDS:
        run.add_text(word)
    run.end(Finish("stop", {}))
    return run.lines(0)


LINES = answer()


def cut_chunks(cuts: Iterable[int], name: str = NAME) -> list[Chunk]:
    """The answer in pieces, cut at these places."""
    ends = sorted({cut for cut in cuts if 0 < cut < len(LINES)} | {len(LINES)})
    made: list[Chunk] = []
    begin = 0
    for end in ends:
        last = end == len(LINES)
        opened = ChunkContent(MOMENT, LINES[begin:end])
        sealed = seal_chunk(SECRET, TOKEN, name, begin, opened, last=last)
        made.append(Chunk(f"{len(made) + 1}-0", begin, sealed, last))
        begin = end
    return made
