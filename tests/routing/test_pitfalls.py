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

from mycelium.wire.control import RouteRequest
from mycelium.wire.distance import INFINITY
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
