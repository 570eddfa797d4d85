"""The engine as a whole: the same seed gives the same run, with real keys and bytes too."""

import random

from mycelium.identity import Identity, verify_signature
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.neighbour import DAMPED_COST
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import RouteRequest, SeqnoRequest, Update, decode_items, encode_item
from mycelium.wire.distance import INFINITY, distance
from mycelium.wire.home_record import HomeRecord
from mycelium.wire.statement import signed_bytes
from tests.routing.checked_mesh import CheckedMesh
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, update


def engine_of(identity: Identity) -> RoutingEngine:
    return RoutingEngine(
        node=identity.address,
        announce=lambda sequence, flags: announce(identity, sequence),
        publish=lambda sequence, number, home, backup: HomeRecord(bytes(32), sequence, number, bytes(8), home, backup),
        verify=lambda signed: verify_signature(signed.signing_public_key, signed_bytes(signed), signed.signature),
        epoch=1,
        rng=random.Random(0),
        now=0.0,
    )


def announce(identity: Identity, sequence: int) -> Announcement:
    unsigned = Announcement(identity.signing_public_key, sequence, bytes(8))
    return Announcement(
        identity.signing_public_key, sequence, bytes(8), signature=identity.sign(signed_bytes(unsigned))
    )


def test_a_withdrawn_node_is_lost_to_others_until_it_readvertises() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.engine.withdraw(now=lab.now)
    assert lab.updates(lab.flush(), 0) == {1: [(0, INFINITY)], 2: [(0, INFINITY)]}
    lab.up(3)
    lab.says(1, SeqnoRequest(address(0), lab.engine.sequence + 1, 9), update(0, 7), update(4, 7))
    assert lab.updates(lab.wait(5.0), 0).keys() <= {1}, "whoever comes later is told nothing"
    assert lab.next_hop(0) is None, "a route of others to this node is never used"
    assert lab.next_hop(4) == 1, "it relays on"
    lab.engine.readvertise(now=lab.now)
    told = lab.updates(lab.wait(1.0), 0)
    assert {name: metrics[-1][1] for name, metrics in told.items()} == {1: 0, 2: 0, 3: 0}
    assert min(metrics[-1][0] for metrics in told.values()) > 0
    lab.engine.readvertise(now=lab.now)
    assert lab.updates(lab.wait(1.0), 0) == {}


def test_the_metric_over_each_neighbour_is_known() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(4, 7))
    costs = lab.engine.metric(address(1)), lab.engine.metric(address(4))
    assert lab.engine.metric_over(address(1), address(4)) == costs[1]
    assert lab.engine.metric_over(address(1), address(1)) == INFINITY  # which has not said where it is itself
    assert lab.engine.metric_over(address(2), address(4)) == INFINITY
    assert lab.engine.metric_over(address(3), address(4)) == INFINITY
    assert lab.engine.metric_over(address(1), address(9)) == INFINITY


def test_a_withdrawn_node_comes_back_everywhere() -> None:
    network = CheckedMesh(range(4), seed=1)
    for node in range(3):
        network.connect(node, node + 1, 10)
    network.pass_time(2.0)
    assert network.engines[3].metric(network.engines[0].node) == 30
    network.engines[0].withdraw(now=network.now)
    network._after_event(network._node(0))
    network.pass_time(2.0)
    assert network.engines[3].metric(network.engines[0].node) == INFINITY
    assert network.engines[3].metric(network.engines[1].node) == 20
    network.engines[0].readvertise(now=network.now)
    network._after_event(network._node(0))
    network.settle()
    assert network.engines[3].metric(network.engines[0].node) == 30


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> list[tuple[int, int, list[bytes]]]:
        network = CheckedMesh(range(6), seed=5)
        for node in range(6):
            network.connect(node, (node + 1) % 6, 10 + node)
            network.connect(node, (node + 2) % 6, 17)
        network.pass_time(1.0)
        network.cut(0, 1)
        network.restart(3, epoch=4)
        network.pass_time(5.0)
        return [(one, other, [encode_item(item) for item in items]) for one, other, items in network.sent]

    assert run() == run()


def test_real_keys_and_real_bytes_make_the_same_routes() -> None:
    identities = [Identity(bytes((number,)) * 32) for number in range(3)]
    engines = {identity.address: engine_of(identity) for identity in identities}
    line = [identity.address for identity in identities]
    for one, other in ((line[0], line[1]), (line[1], line[2])):
        engines[one].neighbour_up(other, 10, now=0.0)
        engines[other].neighbour_up(one, 10, now=0.0)
    for step in range(1, 100):
        now = step * 0.01
        for node, engine in engines.items():
            engine.handle_timeout(now=now)
            for neighbour, items in engine.outbox:
                data = b"".join(encode_item(item) for item in items)
                engines[neighbour].receive(node, decode_items(data), now=now)
            engine.outbox.clear()
    assert engines[line[0]].forwarding.next_hop == {line[1]: line[1], line[2]: line[1]}
    resolved = engines[line[0]].resolve(line[2])
    assert resolved is not None
    assert resolved.signing_public_key == identities[2].signing_public_key


def test_a_relay_cannot_make_up_a_node_with_a_key_of_its_own() -> None:
    victim, liar, reader = (Identity(bytes((number,)) * 32) for number in (1, 2, 3))
    engine = engine_of(reader)
    engine.neighbour_up(liar.address, 10, now=0.0)
    engine.receive(liar.address, [Update(victim.address, distance(1 << 16, 5), announce(liar, 1 << 16))], now=0.1)
    assert engine.forwarding.next_hop == {}
    assert engine.counters.announcements_wrong_node == 1


def test_items_of_an_unknown_neighbour_are_counted_and_dropped() -> None:
    lab = RoutingLab()
    lab.says(7, update(9, 50))
    lab.down(7)
    assert (lab.count("unknown_neighbour"), lab.count("destinations")) == (1, 1)


def test_a_neighbour_that_comes_up_again_starts_from_nothing() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(9, 50))
    lab.up(1)
    assert (lab.next_hop(9), lab.engine.metric(address(9))) == (None, INFINITY)


def test_costs_are_those_of_the_moment() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.engine.neighbour_cost(address(1), 25, now=lab.now)
    lab.engine.neighbour_suspect(address(2), True, now=lab.now)
    assert lab.engine.link_costs() == {address(1): 25, address(2): INFINITY}


def test_an_early_call_does_nothing() -> None:
    lab = RoutingLab()
    lab.up(1)
    deadline = lab.engine.next_deadline()
    lab.engine.handle_timeout(now=(lab.now + deadline) / 2)
    assert (lab.engine.outbox, lab.engine.next_deadline()) == ([], deadline)


def test_a_renamed_neighbour_is_the_next_hop_and_is_told_under_its_new_name() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(2, update(4, 7))
    lab.flush()
    lab.down(1)
    lab.says(2, update(5, 7), SeqnoRequest(address(0), lab.engine.sequence + 1, 9))
    lab.now += 0.01
    lab.engine.handle_timeout(now=lab.now)
    lab.engine.rename_neighbour(address(2), address(1))
    assert [lab.next_hop(node) for node in (4, 5)] == [1, 1]
    assert {neighbour for neighbour, _ in lab.engine.outbox} == {address(1)}
    assert lab.engine.link_costs() == {address(1): 10}
    lab.says(1, update(4, 6))
    assert lab.metric(4) == 16
    lab.engine.rename_neighbour(address(3), address(2))
    assert lab.engine.link_costs() == {address(1): 10}, "a neighbour that is not up has no name"


def test_who_retires_is_the_last_choice_of_everybody() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(4, 7), update(1, 0))
    lab.flush()
    lab.engine.retire(now=lab.now)
    told = lab.flush()
    assert lab.updates(told, 0) == {1: [(0, DAMPED_COST)], 2: [(0, DAMPED_COST)]}
    assert lab.updates(told, 4) == {2: [(0, DAMPED_COST + 17)]}
    assert [lab.next_hop(node) for node in (1, 4)] == [1, 1]
    lab.says(1, update(5, 7), update(6, INFINITY - DAMPED_COST - 10), update(7, INFINITY - 20))
    told = lab.flush()
    assert lab.updates(told, 5) == {2: [(0, DAMPED_COST + 17)]}
    assert lab.updates(told, 6) == {}, "too far for any"
    lab.says(2, RouteRequest(address(7)))
    assert lab.updates(lab.flush(), 7) == {2: [(0, INFINITY)]}
    lab.down(2)
    lab.engine.forget_duplicate(now=lab.now)
    lab.engine.neighbour_up(address(2), 10, now=lab.now)
    assert {node: lab.updates(told, node)[2] for told in [lab.flush()] for node in (0, 4, 5)} == {
        0: [(0, 0)],
        4: [(0, 17)],
        5: [(0, 17)],
    }
