"""Which route is taken, and when it changes."""

from mycelium.limits import REQUEST_HOPS
from mycelium.routing.neighbour import DAMPED_COST
from mycelium.wire.announcement import SEQUENCE_LIMIT
from mycelium.wire.control import SeqnoRequest, Update
from mycelium.wire.distance import INFINITY, distance
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, retraction, seq, update

FAR = 9


def test_the_smallest_sum_of_metric_and_cost_wins() -> None:
    lab = RoutingLab()
    lab.up(1, cost=10)
    lab.up(2, cost=50)
    lab.says(1, update(FAR, 100))
    lab.says(2, update(FAR, 50))
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (2, 100)


def test_the_incumbent_stays_on_a_tie() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(2, update(FAR, 100))
    lab.says(1, update(FAR, 100))
    assert lab.next_hop(FAR) == 2


def test_a_newer_sequence_alone_wins_nothing() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50, 0))
    lab.says(2, update(FAR, 60, 1))
    assert lab.next_hop(FAR) == 1


def test_feasibility_compares_what_the_neighbour_advertises_not_the_way_through_it() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 100))
    lab.flush()  # advertised: feasibility distance 110
    lab.engine.neighbour_cost(address(2), 40, now=lab.now)
    lab.says(2, update(FAR, 105))  # 145 through it, but 105 < 110
    lab.down(1)
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (2, 145)


def test_an_advertised_metric_equal_to_the_feasibility_distance_is_not_feasible() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 100))
    lab.flush()
    lab.says(2, update(FAR, 110))
    lab.down(1)
    assert lab.next_hop(FAR) is None


def test_a_node_that_has_advertised_nothing_takes_any_route() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, 100))
    lab.flush()
    lab.says(1, update(FAR, 5_000))
    assert lab.metric(FAR) == 5_010


def test_the_feasibility_distance_is_lowered_by_sending_not_by_selecting() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 100))  # selected, not yet sent
    lab.says(1, update(FAR, 5_000))
    assert lab.metric(FAR) == 5_010
    lab.flush()
    lab.says(2, update(FAR, 5_009))
    lab.down(1)
    assert lab.metric(FAR) == 5_019
    lab.flush()
    lab.says(2, update(FAR, 5_010), retraction(FAR))
    assert lab.metric(FAR) is None


def worsened() -> RoutingLab:
    """Returns node 0 whose route by 1, told to 2 with a metric of 110, has become worse than that."""
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 100))
    lab.flush()
    lab.says(1, update(FAR, 200))
    return lab


def test_a_selected_route_that_turns_unfeasible_is_kept_told_and_asked_for() -> None:
    lab = worsened()
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (1, 210)
    told = lab.flush()
    assert lab.updates(told, FAR) == {2: [(0, 210)]}
    assert lab.requests(told) == [(1, SeqnoRequest(address(FAR), seq(1), REQUEST_HOPS))]
    lab.says(1, update(FAR, 200, 1))
    lab.says(2, update(FAR, 205, 1))
    lab.down(1)
    assert lab.next_hop(FAR) == 2  # its distance is feasible: the answer has started afresh


def test_a_route_kept_though_unfeasible_makes_way_for_a_feasible_one() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 100))
    lab.says(2, update(FAR, 109))
    lab.flush()
    lab.says(1, update(FAR, 105))
    assert lab.next_hop(FAR) == 1
    lab.says(1, update(FAR, 200))
    assert lab.next_hop(FAR) == 2


def test_a_link_that_gets_cheaper_keeps_an_unfeasible_route_in_use_and_lowers_its_metric() -> None:
    lab = worsened()
    lab.engine.neighbour_cost(address(1), 4, now=lab.now)
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (1, 204)


def test_an_unfeasible_route_given_up_is_not_taken_again() -> None:
    lab = worsened()
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    lab.engine.neighbour_suspect(address(1), False, now=lab.now)
    assert lab.next_hop(FAR) is None


def test_an_older_sequence_is_unfeasible_however_small_its_metric() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 100, 1))
    lab.flush()
    lab.says(2, update(FAR, 20, 0))
    assert lab.next_hop(FAR) == 1
    lab.down(1)
    assert lab.next_hop(FAR) is None


def test_a_worse_but_feasible_update_makes_way_for_a_better_alternate() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 55))
    lab.flush()
    lab.says(1, update(FAR, 59))
    assert lab.next_hop(FAR) == 2


def test_a_better_cost_draws_routes_and_a_worse_one_sends_them_away() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 100))
    lab.says(2, update(FAR, 105))
    lab.engine.neighbour_cost(address(2), 1, now=lab.now)
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (2, 106)
    lab.engine.neighbour_cost(address(2), 30, now=lab.now)
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (1, 110)


def test_a_link_that_gets_cheaper_draws_no_route_whose_metric_equals_the_feasibility_distance() -> None:
    lab = RoutingLab()
    lab.up(1, 3)
    lab.up(2, cost=50)
    lab.says(1, update(FAR, 100))
    lab.flush()  # feasibility distance 110
    lab.engine.neighbour_cost(address(1), 40, now=lab.now)
    lab.says(2, update(FAR, 110))
    lab.engine.neighbour_cost(address(2), 5, now=lab.now)  # 115 by 2, 140 by 1
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (1, 140)


def test_the_incumbent_stays_where_a_link_gets_just_as_cheap() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.up(2, cost=50)
    lab.says(1, update(FAR, 100))
    lab.says(2, update(FAR, 100))
    lab.engine.neighbour_cost(address(2), 10, now=lab.now)
    assert lab.next_hop(FAR) == 1


def test_the_incumbent_stays_where_it_becomes_just_as_long_as_another_route() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 100))
    lab.says(2, update(FAR, 105))
    lab.flush()
    lab.says(1, update(FAR, 105))
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (1, 115)


def test_a_suspected_neighbour_is_no_next_hop_to_itself() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(1, 0))
    assert lab.next_hop(1) == 1
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    assert lab.next_hop(1) is None


def test_a_sum_beyond_infinity_is_no_route() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, INFINITY - 5))
    assert lab.next_hop(FAR) is None


def test_a_suspected_neighbour_is_left_for_a_feasible_alternate_without_a_retraction() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 55))
    lab.flush()
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    assert lab.next_hop(FAR) == 2
    assert lab.updates(lab.flush(), FAR)[3] == [(0, 65)]


def test_without_an_alternate_suspicion_retracts_and_trust_restores() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    assert lab.next_hop(FAR) is None
    told = lab.flush()
    assert (lab.updates(told, FAR), lab.requests(told)) == ({2: [(0, INFINITY)]}, [])
    lab.engine.neighbour_suspect(address(1), False, now=lab.now)
    assert lab.next_hop(FAR) == 1
    assert lab.updates(lab.flush(), FAR) == {2: [(0, 60)]}


def test_updates_of_a_suspected_neighbour_are_kept_for_later() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    lab.says(1, update(FAR, 50))
    assert lab.next_hop(FAR) is None
    lab.engine.neighbour_suspect(address(1), False, now=lab.now)
    assert lab.next_hop(FAR) == 1


def test_a_dead_neighbours_routes_go_at_once() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50), update(8, 50))
    lab.says(2, update(8, 55))
    lab.down(1)
    assert (lab.next_hop(FAR), lab.next_hop(8)) == (None, 2)


def test_a_fresh_stream_of_a_neighbour_voids_what_it_told_before() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, 50))
    lab.engine.neighbour_up(address(1), 10, now=lab.now)
    assert lab.next_hop(FAR) is None


def test_a_slot_is_used_again_without_what_its_last_neighbour_knew() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(2, update(FAR, 50))
    lab.flush()
    lab.down(1)
    lab.up(3)
    lab.says(2, update(FAR, 40))
    assert lab.updates(lab.flush(), FAR) == {3: [(0, 50)]}


def test_changes_of_next_hops_are_recorded_with_their_cause() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, 50))
    lab.says(1, retraction(FAR))
    assert [change[1:] for change in lab.engine.changes] == [
        (address(FAR), None, address(1), "better"),
        (address(FAR), address(1), None, "retracted"),
    ]


def test_a_better_neighbour_that_gets_worse_is_left_for_that_cause() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 60))
    lab.says(1, update(FAR, 70))
    assert lab.engine.changes[-1][1:] == (address(FAR), address(1), address(2), "worse")


def test_a_change_of_a_next_hop_or_of_a_metric_alone_counts_once() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    for metric, expected in ((50, 1), (40, 2), (40, 2), (45, 3)):
        lab.says(1, update(FAR, metric))
        assert lab.engine.choices == expected
    lab.says(2, update(FAR, 45))
    assert lab.engine.choices == 3
    lab.down(1)
    assert lab.engine.choices == 4


def test_a_selected_route_that_falls_back_to_the_feasibility_distance_is_asked_for_anew() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 100))
    lab.flush()  # feasibility distance 110
    lab.says(1, update(FAR, 500, 1))
    lab.says(1, update(FAR, 110, 0))  # shorter than before, but not feasible
    assert lab.metric(FAR) == 120
    assert lab.requests(lab.flush()) == [(1, SeqnoRequest(address(FAR), seq(1), REQUEST_HOPS))]


def test_the_last_sequence_of_all_can_be_retracted() -> None:
    epoch, counter = divmod(SEQUENCE_LIMIT - 1, 1 << 16)
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 0, counter, epoch=epoch))
    assert lab.next_hop(FAR) == 1
    lab.says(1, Update(address(FAR), distance(SEQUENCE_LIMIT - 1, INFINITY), None))
    assert lab.next_hop(FAR) is None
    lab.engine.neighbour_cost(address(1), 5, now=lab.now)
    assert lab.next_hop(FAR) is None
    lab.says(1, Update(address(FAR), distance(SEQUENCE_LIMIT - 1, INFINITY), None))
    peer = lab.engine._table.by_address[address(1)]
    assert (peer.routes, lab.engine._table.received_from(peer)) == (0, 0), "it is out of the digest once"


def test_no_route_to_ourselves_is_ever_selected() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(0, 1, 5))
    assert lab.next_hop(0) is None


def test_a_neighbour_that_leaves_prolongs_no_source_entry_of_which_it_held_nothing() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 100))
    lab.flush()
    lab.says(1, retraction(FAR))
    lab.flush()
    [since] = lab.engine._table.dying.values()
    lab.wait(1.0)
    lab.up(3)
    lab.down(3)
    assert list(lab.engine._table.dying.values()) == [since]


def test_a_route_that_is_avoided_counts_as_longer_until_it_is_tried_again() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 90))
    lab.engine.avoid(address(FAR), address(1), True, now=lab.now)
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (2, 100)
    lab.says(1, update(FAR, 40))
    assert lab.next_hop(FAR) == 2
    lab.engine.avoid(address(FAR), address(1), False, now=lab.now)
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (1, 50)
    assert [change[4] for change in lab.engine.changes] == ["better", "avoided", "tried again"]


def test_a_link_that_gets_cheaper_draws_routes_but_those_that_are_avoided() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    for name, metric in ((1, 50), (2, 60), (3, 70)):
        lab.says(name, update(FAR, metric))
    lab.engine.avoid(address(FAR), address(1), True, now=lab.now)
    lab.engine.neighbour_cost(address(1), 1, now=lab.now)
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (2, 70)
    lab.engine.neighbour_cost(address(3), 0, now=lab.now)
    assert lab.next_hop(FAR) == 2, "just as long"
    lab.engine.neighbour_cost(address(2), 5, now=lab.now)
    assert lab.metric(FAR) == 65
    lab.engine.neighbour_cost(address(2), 20, now=lab.now)
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (3, 70)
    lab.engine.neighbour_cost(address(2), 5, now=lab.now)
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (2, 65)


def test_an_avoided_route_stays_where_no_other_is_feasible_and_a_newer_sequence_is_requested() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 1))
    lab.says(2, update(FAR, 90))
    lab.flush()  # advertised: feasibility distance 11
    lab.engine.avoid(address(FAR), address(1), True, now=lab.now)
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (1, 11 + DAMPED_COST)
    told = lab.flush()
    assert lab.requests(told) == [(2, SeqnoRequest(address(FAR), seq(1), REQUEST_HOPS))]
    assert lab.updates(told, FAR)[2] == [(0, 11 + DAMPED_COST)]
    lab.says(2, update(FAR, 90, 1))
    lab.says(1, update(FAR, 1, 1))
    assert (lab.next_hop(FAR), lab.metric(FAR)) == (2, 100)


def test_what_is_avoided_is_forgotten_with_the_link() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, 50))
    lab.engine.avoid(address(FAR), address(1), True, now=lab.now)
    lab.engine.distrust(address(1), True, now=lab.now)
    assert lab.metric(FAR) == 60 + 2 * DAMPED_COST
    lab.down(1)
    lab.up(1)
    lab.says(1, update(FAR, 50))
    assert lab.metric(FAR) == 60


def test_our_own_route_and_unknown_ones_are_never_avoided() -> None:
    lab = RoutingLab()
    lab.up(1)
    for node, neighbour in ((0, 1), (FAR, 1), (1, FAR)):
        lab.engine.avoid(address(node), address(neighbour), True, now=lab.now)
    lab.engine.distrust(address(FAR), True, now=lab.now)
    lab.says(1, update(FAR, 50))
    assert lab.metric(FAR) == 60


def test_routes_of_a_distrusted_neighbour_come_after_all_others() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 90))
    lab.engine.distrust(address(1), True, now=lab.now)
    assert lab.next_hop(FAR) == 2
    lab.engine.distrust(address(1), False, now=lab.now)
    assert lab.next_hop(FAR) == 1
