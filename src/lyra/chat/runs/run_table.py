"""The index of the runs of this process, by key and by owner."""

from collections.abc import Iterable

from lyra.cache.keys import Key
from lyra.chat.runs.run import Run


class RunTable:
    """Has an entry for each live and each kept run. The key of a chat finds its newest run.

    What is done for one owner looks at that owner's runs alone, however many the others have.
    """

    def __init__(self) -> None:
        self._named: dict[str, Run] = {}
        self._held: dict[Run, tuple[Key, tuple[str, ...]]] = {}
        self._owned: dict[Key, dict[Run, None]] = {}

    def add(self, run: Run, owner: Key, names: Iterable[str]) -> None:
        """Let this run be found by these keys and by its owner."""
        self._held[run] = owner, tuple(names)
        self._owned.setdefault(owner, {})[run] = None
        self._named.update(dict.fromkeys(self._held[run][1], run))

    def find(self, name: str) -> Run | None:
        """Return the run of this key."""
        return self._named.get(name)

    def names(self, run: Run) -> tuple[str, ...]:
        """Return the keys under which this run was added."""
        return self._held[run][1]

    def owned_by(self, owner: Key) -> tuple[Run, ...]:
        """Return the runs of this owner, the oldest first."""
        return tuple(self._owned.get(owner, ()))

    def remove(self, run: Run) -> None:
        """Let this run be found no more; removing it twice changes nothing."""
        owner, names = self._held.pop(run, (None, ()))
        for name in names:
            if self._named.get(name) is run:
                del self._named[name]
        if owner is not None:
            del self._owned[owner][run]
            if not self._owned[owner]:
                del self._owned[owner]

    def clear(self) -> None:
        """Let nothing be found any more."""
        for table in (self._named, self._held, self._owned):
            table.clear()
