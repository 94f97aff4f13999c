"""Tombstones: what was forgotten, and when by Redis' own clock; older values are refused.

Redis deletes what is forgotten, but another writer could have kept a copy and put it back. So each
process remembers by itself. The memory is bounded, and a process that started later, or missed the
message, does not have it.
"""

from collections import OrderedDict

MAX_HELD = 20_000
MAX_OTHERS = 2_000


class Tombstones:
    """Keys and the moments when they were forgotten. Bounded: the oldest is evicted.

    A client may forget keys that were never held. Those have a bound of their own, so that they
    never evict a key that was held.
    """

    def __init__(self) -> None:
        self._all = 0
        self._held: OrderedDict[str, int] = OrderedDict()
        self._others: OrderedDict[str, int] = OrderedDict()

    def add(self, key: str, moment: int, *, held: bool) -> None:
        """Refuse values of this key up to this moment; `held`: there was one."""
        moment = max(moment, self._held.get(key, 0), self._others.pop(key, 0))
        table, limit = self._others, MAX_OTHERS
        if held or key in self._held:
            table, limit = self._held, MAX_HELD
        table[key] = moment
        table.move_to_end(key)
        if len(table) > limit:
            table.popitem(last=False)

    def add_all(self, moment: int) -> None:
        """Refuse values of all keys up to this moment."""
        self._all = max(self._all, moment)

    def cover(self, key: str, moment: int) -> bool:
        """Return whether a value of this key from this moment has been forgotten since."""
        forgotten = max(self._all, self._held.get(key, 0), self._others.get(key, 0))
        return forgotten > 0 and moment <= forgotten
