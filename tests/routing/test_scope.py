"""What is in scope, and what follows from it: who is told, where packets go, what is asked for."""

import random

import networkx
import pytest
from msgspec.structs import replace

from mycelium.routing.scope import EVERYBODY, Scope
from mycelium.routing.table import RouteTable
from mycelium.wire.announcement import LANDMARK
from mycelium.wire.control import ANY_NODE, Item, Pin, RouteRequest, Update
from mycelium.wire.distance import INFINITY, distance
from sim.play.flows import FlowWatch
from sim.play.scoped_oracle import ScopedOracle
from tests.routing.checked_mesh import SETTINGS, CheckedMesh
from tests.routing.engines import QUICK, address, announcement
from tests.routing.lab import RoutingLab, seq, update

SCOPE = 4  # this node and three others; five before it is drawn anew
SMALL = replace(QUICK, scope=SCOPE)
HOME = 99
FAR = 30


def small_lab(nodes: int = 5) -> RoutingLab:
    """Returns node 0 with neighbours 1 and 2, of which 1 advertises nodes 10, 11, ... in the order of their distance."""
    lab = RoutingLab(SMALL)
    lab.up(1, 2)
    lab.says(1, *(update(10 + far, 10 * (1 + far)) for far in range(nodes)))
    return lab


def used(lab: RoutingLab) -> set[int]:
    return {int.from_bytes(node[2:8], "big") for node in lab.engine.forwarding.next_hop}


def landmark_update(name: int, metric: int, counter: int = 0) -> Update:
    """Returns an update about a landmark."""
    return Update(address(name), distance(seq(counter), metric), announcement(name, seq(counter), flags=LANDMARK))


def test_up_to_a_quarter_more_nodes_than_the_scope_all_are_in_it() -> None:
    lab = small_lab(4)
    lab.flush()
    assert used(lab) == {10, 11, 12, 13}


def test_beyond_only_the_nearest_are_used_and_told() -> None:
    lab = small_lab(6)
    told = lab.flush()
    assert used(lab) == {10, 11, 12}
    assert {item.node for item in told[2] if isinstance(item, Update) and item.metric < INFINITY} == {
        address(name) for name in (10, 11, 12)
    }


@pytest.mark.parametrize(("nodes", "wait_s"), [(4, 2.0), (8, 50.0)])
def test_a_sequence_that_alone_is_newer_waits_longer_while_nodes_are_out_of_scope(nodes: int, wait_s: float) -> None:
    lab = RoutingLab(replace(SMALL, lazy_s=(2.0, 2.0), lazy_scoped_s=(50.0, 50.0), digest_s=1_000.0))
    lab.up(1, 2)
    lab.says(1, *(update(10 + far, 10 * (1 + far)) for far in range(nodes)))
    lab.flush()
    lab.says(1, update(10, 10, 1))
    assert lab.updates(lab.wait(wait_s - 0.1), 10) == {}
    assert lab.updates(lab.wait(0.2), 10) == {2: [(1, 20)]}


def test_a_node_that_comes_nearer_takes_its_place_and_one_that_leaves_makes_room() -> None:
    lab = small_lab(8)
    lab.flush()
    lab.says(1, update(16, 5), update(17, 6))
    told = lab.flush()
    assert used(lab) == {10, 16, 17}
    assert [lab.updates(told, name)[2] for name in (11, 12)] == [[(0, INFINITY)]] * 2
    lab.says(1, *(Update(address(name), distance(seq(), INFINITY)) for name in (16, 17)))
    lab.flush()
    assert used(lab) == {10, 11, 12}


def test_changes_that_nobody_is_told_hold_up_none_that_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = small_lab(8)
    lab.up(3, 4)
    monkeypatch.setattr("mycelium.routing.advertise.TOLD_AT_ONCE", 24)
    monkeypatch.setattr("mycelium.routing.advertise.TOLD_ROWS_AT_ONCE", 1)
    lab.says(1, *(update(name, 1_000 + name) for name in range(20, 30)), update(10, 8), update(11, 9))
    assert [*lab.updates(batches(lab)[0], 11)] == [2, 3, 4]
    lab.says(1, *(landmark_update(name, 1_000) for name in range(40, 50)))
    assert [len(told[2]) for told in batches(lab) if told] == [6, 4]  # each to four neighbours


def test_what_is_retracted_from_many_takes_as_much_room_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = small_lab(8)
    lab.up(3, 4)
    lab.says(1, *(landmark_update(name, 1_000) for name in range(40, 50)))
    lab.flush()
    monkeypatch.setattr("mycelium.routing.advertise.TOLD_AT_ONCE", 24)
    monkeypatch.setattr("mycelium.routing.advertise.TOLD_ROWS_AT_ONCE", 1)
    lab.says(1, *(update(name, 1_000, 1) for name in range(40, 50)))  # landmarks no longer, and so out of scope
    assert [len(told[2]) for told in batches(lab) if told] == [6, 4]  # each from three neighbours


@pytest.mark.parametrize("lab", [RoutingLab(SMALL), RoutingLab()])
def test_what_more_neighbours_are_told_than_fit_into_one_go_is_told_by_some_rows_at_once(
    monkeypatch: pytest.MonkeyPatch, lab: RoutingLab
) -> None:
    lab.up(1, 2, 3, 4)
    lab.says(1, *(update(name, name) for name in range(10, 18)))
    lab.flush()
    monkeypatch.setattr("mycelium.routing.advertise.TOLD_AT_ONCE", 2)
    monkeypatch.setattr("mycelium.routing.advertise.TOLD_ROWS_AT_ONCE", 4)
    lab.says(1, *(landmark_update(name, 1_000) for name in range(40, 50)))
    assert [len(told[2]) for told in batches(lab) if told] == [4, 4, 2]


def batches(lab: RoutingLab) -> list[dict[int, list[Item]]]:
    """Returns what neighbours are told, batch by batch."""
    told = []
    while lab.engine.next_deadline() < lab.now + 0.1:
        told.append(lab.wait(lab.engine.next_deadline() - lab.now))
    return told


def test_a_landmark_is_in_scope_however_far_it_is() -> None:
    lab = small_lab(6)
    lab.says(1, landmark_update(FAR, 5_000))
    told = lab.flush()
    assert used(lab) == {10, 11, 12, FAR}
    assert lab.updates(told, FAR) == {2: [(0, 5_010)]}
    lab.says(1, update(FAR, 5_000, 1))  # it has stood down
    lab.flush()
    assert used(lab) == {10, 11, 12}


def test_a_pinned_node_is_in_scope_and_told_only_towards_its_home() -> None:
    lab = small_lab(6)
    lab.up(3)
    lab.says(2, landmark_update(HOME, 10))
    lab.flush()
    lab.says(1, Pin(address(FAR), address(HOME), is_pinned=True), update(FAR, 3_000))
    told = lab.flush()
    assert lab.next_hop(FAR) == 1
    assert lab.updates(told, FAR) == {2: [(0, 3_010)]}
    assert Pin(address(FAR), address(HOME), is_pinned=True) in told[2]
    lab.says(1, Pin(address(FAR), address(HOME), is_pinned=False))
    told = lab.flush()
    assert lab.next_hop(FAR) is None
    assert lab.updates(told, FAR) == {2: [(0, INFINITY)]}
    assert Pin(address(FAR), address(HOME), is_pinned=False) in told[2]


def test_a_pin_moves_with_the_way_to_the_home() -> None:
    lab = small_lab(6)
    lab.up(3)
    lab.says(2, landmark_update(HOME, 10))
    lab.says(1, Pin(address(FAR), address(HOME), is_pinned=True), update(FAR, 3_000))
    lab.flush()
    lab.says(3, landmark_update(HOME, 2))
    told = lab.flush()
    assert Pin(address(FAR), address(HOME), is_pinned=False) in told[2]
    assert Pin(address(FAR), address(HOME), is_pinned=True) in told[3]
    assert lab.updates(told, FAR) == {2: [(0, INFINITY)], 3: [(0, 3_010)]}


def test_pins_of_a_node_that_has_a_place_are_no_reason_to_tell_its_sequence_sooner() -> None:
    lab = small_lab(6)
    lab.says(2, landmark_update(HOME, 10))
    lab.flush()
    pin, unpin = (Pin(address(10), address(HOME), is_pinned=is_pinned) for is_pinned in (True, False))
    lab.says(1, update(10, 10, 1), pin)
    assert lab.flush() == {2: [pin]}
    lab.says(1, unpin)
    assert lab.flush() == {2: [unpin]}
    assert lab.updates(lab.wait(2.0), 10) == {2: [(1, 20)]}


def test_no_newer_sequence_is_asked_of_a_node_that_would_stay_out_of_scope() -> None:
    lab = small_lab(4)
    lab.flush()
    assert used(lab) == {10, 11, 12, 13}
    lab.says(1, *(update(20 + near, 1) for near in range(3)))
    lab.flush()
    assert used(lab) == {20, 21, 22}
    lab.says(1, update(12, 5_000))  # unfeasible, as it was told to 2 with less
    assert lab.requests(lab.flush()) == []
    lab.says(1, *(Update(address(20 + near), distance(seq(), INFINITY)) for near in range(3)))
    assert [(name, request.node) for name, request in lab.requests(lab.flush())] == [(1, address(12))]


def test_a_newer_sequence_is_asked_of_a_node_without_a_route_once_there_is_room_for_it() -> None:
    lab = small_lab(4)
    lab.flush()
    lab.says(1, *(update(20 + near, 1) for near in range(3)))
    lab.says(1, Update(address(12), distance(seq(), INFINITY)))
    lab.flush()
    lab.says(2, update(12, 5_000))  # unfeasible, as it was told to 2 with less
    assert lab.requests(lab.flush()) == []
    assert lab.metric(12) is None
    lab.says(1, *(Update(address(20 + near), distance(seq(), INFINITY)) for near in range(3)))
    assert [(name, request.node) for name, request in lab.requests(lab.flush())] == [(2, address(12))]


def test_a_newer_sequence_is_asked_for_a_route_with_which_a_node_has_a_place_once_there_is_room_for_it() -> None:
    lab = small_lab(6)
    lab.flush()
    lab.says(1, *(update(20 + near, 1) for near in range(3)))
    lab.flush()
    lab.says(1, update(12, 5_000), update(13, 3_000), update(14, 4_000), update(15, 4_000))
    lab.says(2, update(12, 1_000))  # unfeasible, as it was told to 2 with less
    assert lab.requests(lab.flush()) == []
    lab.says(1, *(Update(address(20 + near), distance(seq(), INFINITY)) for near in range(3)))
    assert [(name, request.node) for name, request in lab.requests(lab.flush())] == [(2, address(12))]
    assert used(lab) == {10, 11, 13}, "with its present route it has no place"


def test_news_of_a_landmark_are_told_at_once_and_a_newer_sequence_alone_is_not() -> None:
    lab = RoutingLab(SMALL)
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 10))
    lab.says(2, update(FAR, 50))
    lab.flush()
    lab.says(2, landmark_update(FAR, 50, 1))  # another way than the selected one
    assert lab.updates(lab.flush(), FAR) == {}
    lab.says(1, landmark_update(FAR, 10, 1))
    assert lab.updates(lab.flush(), FAR) == {2: [(1, 20)], 3: [(1, 20)]}
    lab.says(1, landmark_update(FAR, 10, 2))
    assert lab.updates(lab.flush(), FAR) == {}
    assert lab.updates(lab.wait(2.0), FAR) == {2: [(2, 20)], 3: [(2, 20)]}


def test_a_landmark_that_is_gone_is_forgotten() -> None:
    lab = RoutingLab(SMALL)
    lab.up(1, 2)
    lab.says(1, landmark_update(HOME, 10), update(FAR, 10))
    lab.wait(1.0)
    assert (lab.engine.home, lab.count("landmarks")) == (address(HOME), 1)
    lab.says(1, *(Update(address(name), distance(seq(), INFINITY)) for name in (HOME, FAR)))
    lab.flush()
    assert (lab.engine.home, lab.count("landmarks")) == (None, 1)
    lab.wait(200.0)
    assert (lab.count("destinations"), lab.count("landmarks")) == (1, 0)


def test_receivers_are_all_but_for_pins() -> None:
    table = RouteTable(address(0), announcement(0, 5), now=0.0)
    scope = Scope(table, SCOPE, keeps=lambda _: False)
    row = table.add_row(address(FAR), announcement(FAR, 5), 0.0)
    assert row is not None
    assert (scope.holds(row), scope.receivers(row)) == (True, EVERYBODY)
    scope.is_cutting = True
    assert (scope.holds(row), scope.receivers(row)) == (False, 0)
    scope.pins.pin(row.node, address(HOME), 1)
    assert (scope.holds(row), scope.receivers(row)) == (True, 0)


def test_a_leaf_tells_of_itself_alone() -> None:
    lab = RoutingLab(replace(QUICK, is_leaf=True))
    lab.up(1, 2)
    lab.says(1, update(FAR, 10))
    assert lab.updates(lab.flush(), FAR) == {}
    assert lab.next_hop(FAR) == 1
    lab.says(2, RouteRequest(ANY_NODE))
    told = lab.flush()
    assert (lab.updates(told, FAR), lab.updates(told, 0)) == ({}, {2: [(0, 0)]})


def test_a_leaf_uses_the_nearest_nodes_like_any_other() -> None:
    lab = RoutingLab(replace(SMALL, is_leaf=True))
    lab.up(1, 2)
    lab.says(1, *(update(10 + far, 10 * (1 + far)) for far in range(6)))
    lab.flush()
    assert used(lab) == {10, 11, 12}
    lab.says(1, *(Update(address(name), distance(seq(), INFINITY)) for name in (10, 11, 12)))
    lab.flush()
    assert used(lab) == {13, 14, 15}


class ScopedMesh(CheckedMesh):
    """A checked mesh whose nodes keep few others."""

    def __init__(self, nodes: list[int], scope: int, seed: int) -> None:
        parameters = replace(QUICK, scope=scope, landmark_after_s=0.0, landmark_wait_s=0.1, home_s=0.1)
        self.parameters = parameters
        super().__init__(nodes, seed=seed, settings=replace(SETTINGS, parameters=parameters))

    def check_shortest(self) -> None:
        """Checks what is in scope, that every node reaches every other, and that each pin has a reason."""
        oracle = ScopedOracle(self, self.parameters.scope)
        oracle.refresh()
        assert oracle.mismatches() == (0, [])
        flows = FlowWatch(self, black_hole_s=1e9)
        for one in self.epochs:
            for other in self.epochs:
                assert flows.path(one, other)[1] == ""
        self.check_pins()

    def check_pins(self) -> None:
        """Checks that a node holds pins of exactly those whose way to one of their homes leads over it."""
        due: dict[int, set[bytes]] = {node: set() for node in self.epochs}
        for node, engine in self.engines.items():
            for home in engine.landmarks.homes:
                at = node
                due[at].add(engine.node)
                while self.address(at) != home:
                    at = self.index_of[self.engines[at].forwarding.next_hop[home]]
                    due[at].add(engine.node)
        assert {node: set(engine._scope.pins.by_node) for node, engine in self.engines.items()} == due


@pytest.mark.parametrize("seed", range(2))
def test_a_network_larger_than_its_tables_survives_random_events_without_a_loop(seed: int) -> None:
    rng = random.Random(seed)
    graph = networkx.barabasi_albert_graph(24, 2, seed=seed)
    network = ScopedMesh(list(graph), 6, seed)
    for one, other in graph.edges:
        network.connect(one, other, rng.randint(1, 60))
    network.settle(60.0)
    assert any(engine.is_landmark for engine in network.engines.values())
    for _ in range(15):
        network.disturb(rng)
        network.pass_time(rng.uniform(0, 0.5))
    for one, other in network.links:
        network.connect(one, other, rng.randint(1, 60))
    network.settle(60.0)
    assert network.loops_checked > 100


def test_a_network_no_larger_than_its_tables_says_nothing_of_scope() -> None:
    said: list[Item] = []
    network = ScopedMesh(list(range(6)), 6, 0)
    for node in range(6):
        network.connect(node, (node + 1) % 6, 10)
    network.pass_time(30.0)
    said += [item for _, _, items in network.sent for item in items]
    assert not any(isinstance(item, Pin) for item in said)
    assert not any(isinstance(item, Update) and item.announcement and item.announcement.flags for item in said)


def test_a_node_that_keeps_all_nodes_takes_no_landmarks_and_no_pins() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, landmark_update(HOME, 10), Pin(address(FAR), address(HOME), is_pinned=True))
    lab.says(2, landmark_update(HOME, 500))
    told = lab.wait(5.0)
    assert (lab.engine.home, lab.count("landmarks"), lab.count("pins"), lab.count("pins_refused")) == (None, 0, 0, 1)
    pins = [(name, item) for name, items in told.items() for item in items if isinstance(item, Pin)]
    assert pins == [(1, Pin(address(FAR), address(HOME), is_pinned=False))], "nobody is to wait for it there"
    lab.says(1, update(HOME, 10, 1))  # another flag alone is no news
    assert lab.flush() == {}
