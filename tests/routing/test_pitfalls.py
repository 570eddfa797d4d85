"""Mistakes that Babel implementations have made, and what would show each of them here.

    total instead of advertised metric compared    test_selection: feasibility_compares_what_the_neighbour_advertises
    feasibility distance set on selection          test_selection: lowered_by_sending_not_by_selecting; on retraction: below
    unfeasible update left selected                test_selection: unselects_it_in_the_same_call
    retracted routes counted as feasible           below; test_requests: retracted_routes_are_not_asked_for
    request sent back, or to a retracted route     test_requests: never_goes_back_to_its_asker
    request sent along a route that is not selected   test_requests: goes_to_the_selected_next_hop_only
    selection put off together with output         below
    an answer that turns into nothing              test_requests: becomes_a_retraction; below
    retraction dropped for want of context         test_acquisition: needs_neither_sequence_nor_signature
    sequence lost at a restart                     test_network: restarted_with_its_memory_lost, clock_set_back
    source collected while neighbours hold it      test_expiry: stays_while_a_neighbour_holds_our_route
    filter that starts to match is not retracted   test_selection: suspicion_retracts
    neighbour added later is not told              test_advertise: a_new_neighbour_is_told_everything
    held route never removed                       test_expiry: without_routes_is_forgotten
    stale sequence on alternates                   below; test_advertise: tells_its_neighbours_a_new_sequence_at_once

Those about TLVs, hello intervals and prefixes that cover each other have nothing here that they could happen to.
"""

import random

from mycelium.identity import Identity, verify_signature
from mycelium.routing.engine import RoutingEngine
from mycelium.wire.announcement import Announcement, signed_bytes
from mycelium.wire.control import RouteRequest, Update, decode_items, encode_item
from mycelium.wire.distance import INFINITY, distance
from tests.routing.checked_mesh import CheckedMesh
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, retraction, update

FAR = 9


def test_a_retraction_does_not_touch_the_feasibility_distance() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(1, retraction(FAR))
    lab.flush()
    lab.says(1, update(FAR, 60))
    assert lab.next_hop(FAR) is None
    lab.says(1, update(FAR, 59))
    assert lab.next_hop(FAR) == 1


def test_a_neighbour_that_retracted_is_no_feasible_alternate() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 20))
    lab.says(2, retraction(FAR))
    lab.says(1, retraction(FAR))
    assert lab.next_hop(FAR) is None


def test_between_a_loss_and_its_batch_nothing_points_to_what_was_lost() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.down(1)
    assert lab.engine.forwarding.next_hop == {}
    assert lab.engine.selected_routes() == []


def test_a_question_is_answered_with_what_is_true_when_the_batch_leaves() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, RouteRequest(address(FAR)))
    lab.down(1)
    assert lab.updates(lab.flush(), FAR) == {2: [(0, INFINITY)]}
    lab.says(1, update(FAR, 50))
    assert lab.wait(5.0) == {}


def test_a_sequence_grown_for_one_asker_reaches_all_alternates_in_the_end() -> None:
    network = CheckedMesh(range(5))
    for node in range(5):
        network.connect(node, (node + 1) % 5, 10)
    network.settle()
    network.cut(0, 1)  # somebody starves and asks
    network.settle()
    for destination in range(5):
        newest = network.engines[destination].sequence
        for name, engine in network.engines.items():
            sequences = {
                route.sequence for route in engine.selected_routes() if route.node == network.address(destination)
            }
            assert sequences == (set() if name == destination else {newest})


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


def engine_of(identity: Identity) -> RoutingEngine:
    return RoutingEngine(
        node=identity.address,
        announce=lambda sequence: announce(identity, sequence),
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
