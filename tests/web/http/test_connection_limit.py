"""How many connections and how much of heads there may be, and who goes for whom."""

from collections.abc import Iterable

import pytest
from hypothesis import given, strategies as st

from lyra.web.http.connection_limit import ConnectionTable

HEADS = 1000


class House:
    """Connections that are named by letters of their clients: `a1`, `a2`, `b1`."""

    def __init__(self, max_connections: int, trusted: Iterable[str] = ()) -> None:
        self.table = ConnectionTable(max_connections, HEADS)
        self.trusted = frozenset(trusted)
        self.open: dict[str, One] = {}
        self.gone: list[str] = []

    def come(self, *names: str) -> list[bool]:
        return [self._comes(name) for name in names]

    def _comes(self, name: str) -> bool:
        one = One(name, self)
        admitted = self.table.admit(one, name[0], trusted=name[0] in self.trusted)
        if admitted:
            self.open[name] = one
        return admitted

    def rest(self, *names: str) -> None:
        for name in names:
            self.table.mark_idle(self.open[name])

    def work(self, *names: str) -> None:
        for name in names:
            self.table.mark_working(self.open[name])

    def hold(self, name: str, of_head: int) -> None:
        self.table.set_head_bytes(self.open[name], of_head)


class One:
    def __init__(self, name: str, house: House) -> None:
        self.name = name
        self.house = house

    def disconnect(self) -> None:
        del self.house.open[self.name]
        self.house.gone.append(self.name)


def test_a_client_that_works_on_its_share_gets_no_more() -> None:
    """All others still get theirs."""
    house = House(8)
    house.come("a1", "a2")
    house.work("a1", "a2")

    assert house.come("a3", "b1") == [False, True]
    assert house.gone == []


def test_a_client_at_its_share_replaces_its_own_longest_idle() -> None:
    house = House(8)
    house.come("b1", "a1", "a2")
    house.rest("b1", "a2", "a1")

    assert house.come("a3") == [True]
    assert house.gone == ["a2"]


def test_the_own_proxies_have_no_share() -> None:
    house = House(8, trusted="p")

    assert all(house.come(*(f"p{number}" for number in range(8))))


def test_a_full_table_closes_the_longest_idle_of_the_largest() -> None:
    house = House(8)
    house.come("d1", "a1", "a2", "b1", "b2", "c1", "c2", "d2")
    house.work("b1", "b2")
    house.rest("d1", "a2", "a1", "c1", "c2")
    house.table.remove(house.open.pop("d2"))
    house.come("e1")

    assert house.come("f1") == [True]
    assert house.gone == ["a2"]


def test_a_full_table_without_idle_ones_closes_one_without_head() -> None:
    house = House(4)
    house.come("a1", "b1", "c1", "d1")
    house.work("a1", "c1", "d1")

    assert house.come("e1") == [True]
    assert house.gone == ["b1"]


def test_a_full_table_where_all_work_refuses_the_newcomer() -> None:
    house = House(4)
    house.come("a1", "b1", "c1", "d1")
    house.work("a1", "b1", "c1", "d1")

    assert house.come("e1") == [False]
    assert house.gone == []
    assert house.table.stats()["refused_total"] == 1


def test_proxies_at_rest_go_last() -> None:
    house = House(4, trusted="p")
    house.come("p1", "p2", "p3", "a1")
    house.rest("p1", "p2", "p3", "a1")

    assert house.come("b1") == [True]
    assert house.gone == ["a1"]


def test_a_client_with_too_many_head_bytes_loses_its_oldest() -> None:
    house = House(400)
    house.come("a1", "a2", "b1")
    house.hold("b1", 200)
    house.hold("a1", 125)
    house.hold("a2", 125)
    assert house.gone == []
    house.hold("a2", 126)

    assert house.gone == ["a1"]
    assert house.table.stats()["head_bytes"] == 326


def test_too_many_head_bytes_in_all_cut_the_oldest_head() -> None:
    house = House(400)
    house.come("a1", "b1", "c1", "d1", "e1")
    for name in ("b1", "a1", "c1", "d1"):
        house.hold(name, 250)
    house.hold("e1", 1)

    assert house.gone == ["b1"]


def test_what_waits_behind_a_request_costs_no_other_its_head() -> None:
    house = House(400)
    house.come("a1", "b1", "c1", "d1", "e1")
    for name in ("a1", "b1", "c1", "d1"):
        house.hold(name, 250)
    house.work("e1")
    house.hold("e1", 1)

    assert house.gone == ["e1"]


EVENTS = st.tuples(
    st.sampled_from(["come", "leave", "rest", "wait", "work", "hold"]),
    st.sampled_from(["a", "b", "c", "p"]),
    st.integers(0, 3),
    st.integers(0, 400),
)


@given(st.lists(EVENTS, max_size=60))
def test_whatever_happens_the_bounds_hold_and_who_works_stays(
    events: list[tuple[str, str, int, int]],
) -> None:
    """Only what one connection itself has sent behind its request may end that request."""
    house, working = House(8, trusted="p"), set[str]()
    for event, client, number, size in events:
        name = f"{client}{number}"
        if event == "come":
            if name not in house.open:
                house.come(name)
                working.discard(name)
        elif name in house.open:
            one = house.open[name]
            if event == "leave":
                house.table.remove(house.open.pop(name))
                working.discard(name)
            elif event == "hold":
                house.table.set_head_bytes(one, size)
                if name in house.gone and name not in house.open:
                    working.discard(name)
            else:
                {"rest": house.table.mark_idle, "wait": house.table.mark_waiting}.get(
                    event, house.table.mark_working
                )(one)
                working = working - {name} if event != "work" else working | {name}
        stats = house.table.stats()
        assert working <= set(house.open)
        assert stats["open"] == len(house.open) <= 8
        assert all(sum(each[0] == who for each in house.open) <= 2 for who in "abc")
        assert 0 <= stats["head_bytes"] <= HEADS


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_tiny_table_lets_somebody_in(most: int) -> None:
    house = House(most)

    assert house.come("a1") == [True]
