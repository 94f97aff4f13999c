"""What was forgotten, and when by Redis' own clock: what was read before that is refused.

Redis deletes what is forgotten, but whoever may write there could have kept a copy and put it
back. So each process remembers by itself. It is a bounded memory of one process: one that has
started since, or did not hear of the forget, cannot know.
"""

from collections import OrderedDict

MAX_HELD = 20_000
MAX_OTHERS = 2_000


class Tombstones:
    """Keys and the moments when they were forgotten. Bounded: the oldest gives way.

    Anybody may have keys forgotten that nobody has ever held. Those are bounded apart, so that they
    never push out a key that was held.
    """

    def __init__(self) -> None:
        self._all = 0
        self._held: OrderedDict[str, int] = OrderedDict()
        self._others: OrderedDict[str, int] = OrderedDict()

    def add(self, key: str, moment: int, *, held: bool) -> None:
        """Refuse what there was of this key up to this moment; `held`: there was something."""
        moment = max(moment, self._held.get(key, 0), self._others.pop(key, 0))
        table, limit = self._others, MAX_OTHERS
        if held or key in self._held:
            table, limit = self._held, MAX_HELD
        table[key] = moment
        table.move_to_end(key)
        if len(table) > limit:
            table.popitem(last=False)

    def add_all(self, moment: int) -> None:
        """Refuse what there was of any key up to this moment."""
        self._all = max(self._all, moment)

    def cover(self, key: str, moment: int) -> bool:
        """Whether what there was of this key at this moment has been forgotten since."""
        forgotten = max(self._all, self._held.get(key, 0), self._others.get(key, 0))
        return forgotten > 0 and moment <= forgotten
