"""All open connections: how many there may be, of one client and together, and who has to go.

A client is an address, or a household of them (`web.address`). It may have a quarter of all
connections and a quarter of the bytes of unfinished heads; addresses of one's own proxies, who
speak for many, may have all. What exceeds a bound:

    connections of one client   its own that waits longest is closed for the newcomer; where all of
                                them work, the newcomer is refused
    connections together        of the client that has the most, the one that waits longest; proxies
                                come last. Where all work, the newcomer is refused
    bytes of one client's heads its own head that was begun first
    bytes of heads together     the head that was begun first

Who waits is at rest, or has not sent a whole head; at rest goes first. Invariant: a connection whose
request is under way is never closed for another one, but for what itself has sent behind it.
Nothing is awaited here, so no count is old.
"""

from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heapreplace
from itertools import count
from typing import Protocol

_SHARE = 4  # one client may have one of so many parts
_BATCH = 100  # one of so many parts is closed at once: looking for them takes a look at all clients


class Connection(Protocol):
    """What is known of one here."""

    def let_go(self) -> None:
        """End it now. It leaves the table before this is called."""
        ...


class _Client:
    __slots__ = ("address", "heads", "of_heads", "open", "resting", "trusted", "waiting")

    def __init__(self, address: str, *, trusted: bool) -> None:
        self.address = address
        self.trusted = trusted
        self.open = 0
        self.of_heads = 0  # bytes
        self.resting: dict[Connection, None] = {}  # the longest at rest first
        self.waiting: dict[Connection, None] = {}  # for a head; the longest first
        self.heads: dict[Connection, None] = {}  # with bytes of one; the first begun first

    def longest(self) -> Connection | None:
        """The one that waits longest."""
        return next(iter(self.resting or self.waiting), None)


class _Seat:
    __slots__ = ("client", "of_head", "works")

    def __init__(self, client: _Client) -> None:
        self.client = client
        self.of_head = 0
        self.works = False


class ConnectionTable:
    """The table. `most`: connections; `heads`: bytes of what has come of unfinished heads."""

    def __init__(self, most: int, heads: int) -> None:
        self._most, self._share = most, max(1, most // _SHARE)
        self._heads_most, self._heads_share = heads, heads // _SHARE
        self._seats: dict[Connection, _Seat] = {}
        self._clients: dict[str, _Client] = {}
        self._heads: dict[Connection, None] = {}  # of waiting ones; the first begun first
        self._of_heads = 0
        self._refused = self._closed = self._cut = 0

    def stats(self) -> Mapping[str, int]:
        """Counters (names in `_total`) and sizes."""
        return {
            "open": len(self._seats),
            "refused_total": self._refused,
            "closed_for_others_total": self._closed,
            "head_bytes": self._of_heads,
            "heads_cut_total": self._cut,
        }

    def admit(self, one: Connection, address: str, *, trusted: bool) -> bool:
        """Whether there is room for this newcomer, be it for somebody who waits."""
        if self._has_share(address) and not trusted:
            self._close(self._clients[address].longest())
        if len(self._seats) >= self._most:
            self._make_room()
        if (self._has_share(address) and not trusted) or len(self._seats) >= self._most:
            self._refused += 1
            return False
        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = _Client(address, trusted=trusted)
        client.open += 1
        client.waiting[one] = None
        self._seats[one] = _Seat(client)
        return True

    def leave(self, one: Connection) -> None:
        """Its connection is gone; twice is once."""
        seat = self._seats.pop(one, None)
        if seat is None:
            return
        self._unhold(one, seat)
        client = seat.client
        client.resting.pop(one, None)
        client.waiting.pop(one, None)
        client.open -= 1
        if not client.open:
            del self._clients[client.address]

    def rests(self, one: Connection) -> None:
        """It has had its answer, and asks nothing."""
        self._moves(one, rests=True)

    def waits(self, one: Connection) -> None:
        """It has begun a head, or its last words are on their way."""
        self._moves(one, waits=True)

    def works(self, one: Connection) -> None:
        """A request of it is under way."""
        self._moves(one)

    def holds(self, one: Connection, of_head: int) -> None:
        """So many bytes of it belong to unfinished heads. Those in excess are let go, itself too."""
        seat = self._seats.get(one)
        if seat is None or seat.of_head == of_head:
            return
        more = of_head - seat.of_head
        seat.of_head = of_head
        seat.client.of_heads += more
        self._of_heads += more
        self._queue(one, seat)
        while self._too_much_of(seat.client) and one in self._seats:
            self._cut_head(one if seat.works else next(iter(seat.client.heads)))
        while self._of_heads > self._heads_most and one in self._seats:
            self._cut_head(one if seat.works else next(iter(self._heads)))

    def _has_share(self, address: str) -> bool:
        client = self._clients.get(address)
        return client is not None and client.open >= self._share

    def _too_much_of(self, client: _Client) -> bool:
        return client.of_heads > self._heads_share and not client.trusted

    def _moves(self, one: Connection, *, rests: bool = False, waits: bool = False) -> None:
        seat = self._seats.get(one)
        if seat is None:
            return
        client, seat.works = seat.client, not (rests or waits)
        if rests:
            client.resting[one] = None
        else:
            client.resting.pop(one, None)
        if waits:
            client.waiting[one] = None
        else:
            client.waiting.pop(one, None)
        if seat.of_head:
            self._queue(one, seat)

    def _queue(self, one: Connection, seat: _Seat) -> None:
        """See to it that it is among the heads exactly if it has begun one and waits."""
        if seat.of_head and not seat.works:
            self._heads[one] = seat.client.heads[one] = None
        else:
            self._heads.pop(one, None)
            seat.client.heads.pop(one, None)

    def _unhold(self, one: Connection, seat: _Seat) -> None:
        seat.client.of_heads -= seat.of_head
        self._of_heads -= seat.of_head
        seat.of_head = 0
        self._queue(one, seat)

    def _cut_head(self, one: Connection) -> None:
        self._cut += 1
        self.leave(one)
        one.let_go()

    def _close(self, one: Connection | None) -> None:
        if one is not None:
            self._closed += 1
            self.leave(one)
            one.let_go()

    def _make_room(self) -> None:
        for one in list(self._who_goes(max(1, self._most // _BATCH))):
            self._close(one)

    def _who_goes(self, many: int) -> Iterator[Connection]:
        """So many who wait, each of the client that has the most when the ones before are gone."""
        number = count()
        ranked = [
            (client.trusted, -client.open, next(number), iter([*client.resting, *client.waiting]))
            for client in self._clients.values()
            if client.resting or client.waiting
        ]
        heapify(ranked)
        while ranked and many:
            trusted, minus_open, place, ones = ranked[0]
            one = next(ones, None)
            if one is None:
                heappop(ranked)
            else:
                many -= 1
                heapreplace(ranked, (trusted, minus_open + 1, place, ones))
                yield one
