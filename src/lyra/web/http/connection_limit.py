"""Limit the open connections, of one client and together, and pick those that have to go.

A client is an address, or a /64 of IPv6 (`client_ip`). It may have a quarter of all connections and
a quarter of the bytes of unfinished heads; the service's own proxies, which speak for many clients,
may have all. What happens where a bound is exceeded:

    connections of one client   its own that waits longest is closed for the newcomer; where all of
                                them work, the newcomer is refused
    connections together        of the client that has the most, the one that waits longest; proxies
                                come last. Where all work, the newcomer is refused
    bytes of one client's heads its own head that was begun first
    bytes of heads together     the head that was begun first

A connection waits if it is idle, or has not sent a whole head; idle ones go first. Invariant: a
connection whose request is under way is never closed for another one, but only for what it has sent
behind that request itself. Nothing is awaited here, so no count is stale.
"""

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heapreplace
from itertools import count
from typing import Protocol

_SHARE = 4  # one client may have one of so many parts
_BATCH = 100  # one of so many parts is closed at once: looking for them takes a look at all clients


class Connection(Protocol):
    """All that the table has to know of a connection."""

    def disconnect(self) -> None:
        """End it now. It leaves the table before this is called."""
        ...


class _Client:
    __slots__ = ("address", "head_bytes", "heads", "idle", "open", "trusted", "waiting")

    def __init__(self, address: str, *, trusted: bool) -> None:
        self.address = address
        self.trusted = trusted
        self.open = 0
        self.head_bytes = 0
        self.idle: dict[Connection, None] = {}  # the longest idle first
        self.waiting: dict[Connection, None] = {}  # for a head; the longest first
        self.heads: dict[Connection, None] = {}  # with bytes of one; the first begun first

    def longest(self) -> Connection | None:
        """Return the connection that waits longest."""
        return next(iter(self.idle or self.waiting), None)


class _Entry:
    __slots__ = ("client", "group", "head_bytes")

    def __init__(self, client: _Client) -> None:
        self.client = client
        self.head_bytes = 0
        # The idle or the waiting ones of its client; None while a request is under way.
        self.group: dict[Connection, None] | None = client.waiting


class ConnectionTable:
    """The table of open connections. `max_head_bytes`: of what has come of unfinished heads."""

    def __init__(self, max_connections: int, max_head_bytes: int) -> None:
        self._max_connections, self._share = max_connections, max(1, max_connections // _SHARE)
        self._max_head_bytes, self._heads_share = max_head_bytes, max_head_bytes // _SHARE
        self._entries: dict[Connection, _Entry] = {}
        self._clients: dict[str, _Client] = {}
        self._heads: dict[Connection, None] = {}  # of waiting ones; the first begun first
        self._head_bytes = 0
        self._refused = self._closed = self._cut = 0

    def stats(self) -> Mapping[str, int]:
        """Return counters (names in `_total`) and sizes."""
        return {
            "open": len(self._entries),
            "refused_total": self._refused,
            "closed_for_others_total": self._closed,
            "head_bytes": self._head_bytes,
            "heads_cut_total": self._cut,
        }

    def admit(self, connection: Connection, address: str, *, trusted: bool) -> bool:
        """Take this new connection, if need be in place of one that waits; False: there is no room."""
        if self._has_share(address) and not trusted:
            self._close(self._clients[address].longest())
        if len(self._entries) >= self._max_connections:
            self._make_room()
        over_share = self._has_share(address) and not trusted
        if over_share or len(self._entries) >= self._max_connections:
            self._refused += 1
            return False
        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = _Client(address, trusted=trusted)
        client.open += 1
        client.waiting[connection] = None
        self._entries[connection] = _Entry(client)
        return True

    def remove(self, connection: Connection) -> None:
        """Remove a connection that is gone; a second call does nothing."""
        entry = self._entries.pop(connection, None)
        if entry is None:
            return
        self._drop_head_bytes(connection, entry)
        client = entry.client
        if entry.group is not None:
            del entry.group[connection]
        client.open -= 1
        if not client.open:
            del self._clients[client.address]

    def mark_idle(self, connection: Connection) -> None:
        """Mark it as idle: it has had its answer, and asks nothing."""
        if (entry := self._entries.get(connection)) is not None:
            self._move(connection, entry, entry.client.idle)

    def mark_waiting(self, connection: Connection) -> None:
        """Mark it as waiting: it has begun a head, or is being refused."""
        if (entry := self._entries.get(connection)) is not None:
            self._move(connection, entry, entry.client.waiting)

    def mark_working(self, connection: Connection) -> None:
        """Mark it as working: a request of it is under way."""
        if (entry := self._entries.get(connection)) is not None:
            self._move(connection, entry, None)

    def set_head_bytes(self, connection: Connection, head_bytes: int) -> None:
        """Set how many bytes of it belong to unfinished heads; disconnect those in excess, even itself."""
        entry = self._entries.get(connection)
        if entry is None or entry.head_bytes == head_bytes:
            return
        more = head_bytes - entry.head_bytes
        entry.head_bytes = head_bytes
        entry.client.head_bytes += more
        self._head_bytes += more
        self._queue_head(connection, entry)
        while self._too_much_of(entry.client) and connection in self._entries:
            self._cut_head(connection if entry.group is None else next(iter(entry.client.heads)))
        while self._head_bytes > self._max_head_bytes and connection in self._entries:
            self._cut_head(connection if entry.group is None else next(iter(self._heads)))

    def _has_share(self, address: str) -> bool:
        client = self._clients.get(address)
        return client is not None and client.open >= self._share

    def _too_much_of(self, client: _Client) -> bool:
        return client.head_bytes > self._heads_share and not client.trusted

    def _move(
        self, connection: Connection, entry: _Entry, group: dict[Connection, None] | None
    ) -> None:
        if group is entry.group:
            return  # it keeps its place
        if entry.group is not None:
            del entry.group[connection]
        entry.group = group
        if group is not None:
            group[connection] = None
        if entry.head_bytes:
            self._queue_head(connection, entry)

    def _queue_head(self, connection: Connection, entry: _Entry) -> None:
        """Keep it among the heads exactly if it has begun one and waits."""
        if entry.head_bytes and entry.group is not None:
            self._heads[connection] = entry.client.heads[connection] = None
        else:
            self._heads.pop(connection, None)
            entry.client.heads.pop(connection, None)

    def _drop_head_bytes(self, connection: Connection, entry: _Entry) -> None:
        entry.client.head_bytes -= entry.head_bytes
        self._head_bytes -= entry.head_bytes
        entry.head_bytes = 0
        self._queue_head(connection, entry)

    def _cut_head(self, connection: Connection) -> None:
        self._cut += 1
        self.remove(connection)
        connection.disconnect()

    def _close(self, connection: Connection | None) -> None:
        if connection is not None:
            self._closed += 1
            self.remove(connection)
            connection.disconnect()

    def _make_room(self) -> None:
        for connection in list(self._pick_victims(max(1, self._max_connections // _BATCH))):
            self._close(connection)

    def _pick_victims(self, wanted: int) -> Iterator[Connection]:
        """Yield waiting connections, each of the client that has the most once the others are gone."""
        numbers = count()
        ranked = [
            (client.trusted, -client.open, next(numbers), iter([*client.idle, *client.waiting]))
            for client in self._clients.values()
            if client.idle or client.waiting
        ]
        heapify(ranked)
        while ranked and wanted:
            trusted, minus_open, order, connections = ranked[0]
            connection = next(connections, None)
            if connection is None:
                heappop(ranked)
            else:
                wanted -= 1
                heapreplace(ranked, (trusted, minus_open + 1, order, connections))
                yield connection
