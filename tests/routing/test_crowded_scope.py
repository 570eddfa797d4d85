"""Neighbours that make up nodes, however near: those that other neighbours bring stay in scope, and newcomers come into it."""

from collections.abc import Iterator
from itertools import count
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mycelium.routing.destination import Destination
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.scope import SHARED, Scope
from mycelium.routing.table import RouteTable
from mycelium.timing import Backoff
from mycelium.wire.distance import INFINITY
from tests.routing.engines import QUICK, address, announcement, make_engine
from tests.routing.lab import RoutingLab, update

STEP_S: Final = 0.01
SCOPE: Final = 256
MADE_UP_A_STEP: Final = 105  # 10,500 a second, of which 2,000 are verified
NEWCOMER_S: Final = 2.0
A, B, V, P, LIAR, OTHER_LIAR, NEWCOMER = range(1, 8)
SMALL: Final = replace(QUICK, scope=16)  # twelve for the nearest, this node too; 24 before any is out of scope


@pytest.fixture(autouse=True, scope="module")
def shares() -> Iterator[None]:
    """Has neighbours share places of small scopes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mycelium.routing.scope.SHARES_FROM", 0)
        yield


class CrowdedMesh:
    """Engines that hear each other after a step of time, and liars that none of them hears tell the truth."""

    def __init__(self, links: list[tuple[int, int]], liars: list[tuple[int, int]]) -> None:
        self.now = 1_000.0
        self.engines: dict[int, RoutingEngine] = {}
        self._liars = liars
        self._names = count(1_000)
        for one, other in links:
            self.join(one, other, 10)
        self.run(0.5)
        for liar, victim in liars:
            self.engines[victim].neighbour_up(address(liar), 1, now=self.now)

    def join(self, one: int, other: int, cost: int) -> None:
        for name in (one, other):
            if name not in self.engines:
                parameters = replace(QUICK, scope=SCOPE)
                self.engines[name] = make_engine(name, epoch=10, now=self.now, parameters=parameters)
        self.engines[one].neighbour_up(address(other), cost, now=self.now)
        self.engines[other].neighbour_up(address(one), cost, now=self.now)

    def run(self, seconds: float) -> None:
        for _ in self.steps(seconds, made_up=0):
            pass

    def steps(self, seconds: float, made_up: int = MADE_UP_A_STEP) -> Iterator[None]:
        until = self.now + seconds
        while self.now < until:
            self.now += STEP_S
            for liar, victim in self._liars:
                lies = [update(next(self._names), 1) for _ in range(made_up)]
                self.engines[victim].receive(address(liar), lies, now=self.now)
            said = []
            for name, engine in self.engines.items():
                engine.handle_timeout(now=self.now)
                said += [(name, to, items) for to, items in engine.outbox]
                engine.outbox.clear()
            for name, to, items in said:
                hearer = self.engines.get(int.from_bytes(to[2:8], "big"))
                if hearer is not None:
                    hearer.receive(address(name), items, now=self.now)
            yield

    def is_whole(self, *names: int) -> bool:
        """Tells whether each of some nodes has a route to every other one."""
        return all(
            address(other) in self.engines[one].forwarding.next_hop for one in names for other in names if one != other
        )


@pytest.mark.parametrize(
    ("links", "liars"),
    [
        ([(A, V), (V, B)], [(LIAR, V)]),
        ([(A, V), (V, B)], [(LIAR, V), (OTHER_LIAR, V)]),
        ([(A, V), (V, B), (V, P)], [(LIAR, P)]),
        ([(A, P), (P, V), (V, B)], [(LIAR, V)]),
        ([(A, V), (V, B), (A, B)], [(LIAR, V)]),
    ],
    ids=["one liar", "two liars", "behind a neighbour", "far from the liar", "with another way"],
)
@pytest.mark.parametrize("cost", [1, 100])
def test_all_stay_reachable_and_a_newcomer_becomes_so_while_nodes_are_made_up(
    links: list[tuple[int, int]], liars: list[tuple[int, int]], cost: int
) -> None:
    mesh = CrowdedMesh(links, liars)
    honest = tuple(mesh.engines)
    for _ in mesh.steps(1.0):
        assert mesh.is_whole(*honest)
    crowded = mesh.engines[liars[0][1]]
    assert len(crowded.forwarding.next_hop) < len(list(crowded.nodes())) / 2, "most made-up nodes are out of scope"
    mesh.join(V, NEWCOMER, cost)
    joined = [mesh.is_whole(*mesh.engines) for _ in mesh.steps(NEWCOMER_S)]
    assert any(joined)
    assert all(joined[joined.index(True) :])


def test_liars_at_both_ends_cut_off_nobody_who_was_known_before() -> None:
    mesh = CrowdedMesh([(A, V), (V, B)], [(LIAR, A), (OTHER_LIAR, B)])
    for _ in mesh.steps(2.0):
        assert mesh.is_whole(A, V, B)


def crowded_lab() -> RoutingLab:
    """Returns node 0, whose neighbour 1 has made up forty nodes, and whose neighbour 2 brings one that is far."""
    lab = RoutingLab(SMALL)
    lab.up(1, 2)
    lab.says(2, update(50, 9_000))
    lab.says(1, update(1, 0), *(update(10 + near, 1 + near) for near in range(40)))
    lab.flush()
    return lab


def used(lab: RoutingLab) -> set[int]:
    return {int.from_bytes(node[2:8], "big") for node in lab.engine.forwarding.next_hop}


def test_a_neighbour_with_few_nodes_leaves_its_places_to_the_others_and_has_them_when_it_brings_more() -> None:
    lab = crowded_lab()
    assert used(lab) == {50, 1, *range(10, 23)}
    lab.says(2, update(51, 9_500))
    assert lab.updates(lab.flush(), 51) == {1: [(0, 9_510)]}
    assert used(lab) == {50, 51, 1, *range(10, 23)}
    lab.says(2, *(update(name, 9_500) for name in range(52, 56)))  # more than a quarter more than there are places
    lab.flush()
    assert used(lab) == {50, 51, 1, *range(10, 22)}


def test_another_neighbour_brings_what_it_will_until_places_are_given_anew() -> None:
    lab = crowded_lab()
    lab.up(3)
    lab.says(3, update(60, 9_000))
    lab.flush()
    assert lab.next_hop(60) == 3
    lab.says(1, update(90, 9_000))
    lab.flush()
    assert lab.next_hop(90) is None


def test_those_known_longest_keep_the_places_of_a_neighbour_though_others_are_nearer() -> None:
    lab = RoutingLab(SMALL)
    lab.up(1, 2)
    lab.says(1, *(update(10 + far, 5_000) for far in range(4)))
    lab.says(1, *(update(20 + near, 1) for near in range(40)))
    lab.flush()
    assert used(lab) == {10, 11, 12, 13, *range(20, 31)}


def test_a_neighbour_is_used_however_far_it_is_and_others_are_not_told_of_it() -> None:
    lab = RoutingLab(SMALL)
    lab.up(1, 2)
    lab.says(1, *(update(10 + near, 1) for near in range(40)), update(3, 9_000))
    lab.flush()
    assert lab.next_hop(3) is None
    lab.engine.neighbour_up(address(3), 10_000, now=lab.now)
    told = lab.flush()
    assert lab.next_hop(3) == 1
    assert lab.updates(told, 3) == {}
    lab.down(3)
    lab.flush()
    assert lab.next_hop(3) is None


def test_a_node_that_is_talked_to_comes_before_all_that_its_neighbour_has_brought() -> None:
    table = RouteTable(address(0), announcement(0, 5), now=0.0)
    table.add_neighbour(address(1), 1, resync=Backoff(1.0, factor=2.0), now=0.0)
    rows = [add(table, name, 100 - name, 0) for name in range(1, 41)]
    partner = rows[9]
    scope = Scope(table, 16, keeps=lambda node: node == partner.node)
    scope.redraw()
    assert [row for row in rows if row.shared] == [*rows[:3], partner]
    assert [row for row in rows if row.near] == [*rows[:3], partner, *rows[-11:]]


def add(table: RouteTable, name: int, metric: int, slot: int) -> Destination:
    row = table.add_row(address(name), announcement(name, 5), 0.0)
    assert row is not None
    row.metric, row.selected = metric, slot if metric < INFINITY else -1
    return row


def in_scope(table: RouteTable, nodes: int) -> set[bytes]:
    """Gives the places one by one: in rounds, while there is one for each neighbour with a node left, then to the nearest."""
    finite = [row for row in table.rows.values() if row.metric < INFINITY]
    if len(finite) <= nodes + nodes // 2:
        return {row.node for row in finite}
    queues = [[row for row in finite if row.selected == slot] for slot in range(len(table.slots))]
    taken: set[bytes] = set()
    while (waiting := [queue for queue in queues if queue]) and len(taken) + len(waiting) <= nodes // SHARED:
        taken |= {queue.pop(0).node for queue in waiting}
    for row in sorted(finite, key=lambda row: (row.metric, row.node)):
        if len(taken) < nodes:
            taken.add(row.node)
    return taken


ROWS: Final = st.lists(st.tuples(st.sampled_from((1, 2, 3, 50, INFINITY)), st.integers(0, 3)), max_size=60)


@given(rows=ROWS, nodes=st.integers(4, 24), later=ROWS)
def test_places_are_those_given_one_by_one(
    rows: list[tuple[int, int]], nodes: int, later: list[tuple[int, int]]
) -> None:
    table = RouteTable(address(0), announcement(0, 5), now=0.0)
    for name in range(101, 105):
        table.add_neighbour(address(name), 1, resync=Backoff(1.0, factor=2.0), now=0.0)
    found = [add(table, 200 + number, *row) for number, row in enumerate(rows)]
    scope = Scope(table, nodes, keeps=lambda _: False)
    scope.redraw()
    assert {row.node for row in table.rows.values() if row.near} == in_scope(table, nodes)
    if not scope.is_cutting:
        return
    for row, (metric, slot) in zip(found, later, strict=False):  # what is counted is what is near
        row.metric, row.selected = metric, slot if metric < INFINITY else -1
        before = scope._near, row.near
        scope.follow(row)
        assert scope._near - before[0] == row.near - before[1]
        assert row.near is (metric < INFINITY and scope.would_hold(row, metric, slot))
    if scope.is_due(0):
        scope.redraw()
    near = [row for row in table.rows.values() if row.near]
    assert not scope.is_cutting or nodes <= len(near) <= nodes + nodes // 4
