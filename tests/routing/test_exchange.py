"""Requests for routes and tables, requests for sequences, and digests that compare tables."""

import pytest
from msgspec.structs import replace

from mycelium.limits import DUMPS_AT_ONCE, DUMPS_PER_SECOND, REQUESTS_PER_SECOND, SharedRate
from mycelium.routing.announcements import BUDGET_REFILL_S
from mycelium.routing.digest import share_of
from mycelium.wire.control import ANY_NODE, Digest, Pin, RouteRequest, SeqnoRequest, Update
from mycelium.wire.distance import INFINITY, distance
from tests.routing.engines import QUICK, address, announcement, home_record
from tests.routing.lab import RoutingLab, retraction, seq, update

FAR = 9


def test_a_table_asked_for_is_told_whole_and_ends_with_its_digest() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, RouteRequest(ANY_NODE))
    told = lab.flush()
    assert list(told) == [2]
    assert told[2][:-1] == [
        Update(address(0), distance(seq(), 0), announcement(0, seq())),
        Update(address(FAR), distance(seq(), 60), announcement(FAR, seq())),
    ]
    assert isinstance(told[2][-1], Digest)


def test_a_table_is_told_a_few_times_in_a_row_and_then_seldom() -> None:
    lab = RoutingLab()
    lab.up(1)
    for _ in range(DUMPS_AT_ONCE):
        lab.says(1, RouteRequest(ANY_NODE))
        assert list(lab.flush()) == [1]
    lab.says(1, RouteRequest(ANY_NODE))
    assert lab.flush() == {}
    lab.wait(1 / DUMPS_PER_SECOND)
    lab.says(1, RouteRequest(ANY_NODE))
    assert list(lab.flush()) == [1]


def test_a_route_asked_for_is_told_with_its_announcement() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, RouteRequest(address(FAR)))
    assert lab.flush() == {2: [Update(address(FAR), distance(seq(), 60), announcement(FAR, seq()))]}


def test_an_unknown_route_asked_for_is_answered_with_a_retraction() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, RouteRequest(address(FAR)))
    assert lab.flush() == {1: [Update(address(FAR), distance(0, INFINITY))]}


def test_a_known_node_without_a_route_is_answered_with_a_retraction_as_often_as_asked() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50), retraction(FAR))
    lab.flush()
    for _ in range(2):
        lab.says(2, RouteRequest(address(FAR)))
        assert lab.updates(lab.flush(), FAR) == {2: [(0, INFINITY)]}


def test_our_next_hop_that_asks_for_the_route_is_answered_with_a_retraction() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(1, RouteRequest(address(FAR)))
    assert lab.updates(lab.flush(), FAR) == {1: [(0, INFINITY)]}


def test_equal_tables_stay_quiet() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, Digest(bytes(16), 0))
    assert (lab.flush(), lab.count("digests_differing")) == ({}, 0)


def test_a_differing_digest_asks_for_the_whole_table() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, Digest(bytes(16), 3))
    assert lab.questions(lab.flush()) == [(1, RouteRequest(bytes(16)))]


def test_tables_that_stay_different_are_asked_for_ever_more_rarely() -> None:
    lab = RoutingLab()
    lab.up(1)
    asked = 0
    for _ in range(100):
        lab.says(1, Digest(bytes(16), 3))
        asked += len(lab.questions(lab.wait(10.0)))
    assert 5 <= asked <= 8


def test_what_a_whole_table_does_not_mention_is_retracted() -> None:
    one, other = RoutingLab(), RoutingLab()
    one.up(5)  # node 0 of the other lab plays neighbour 5 here: only items matter
    one.says(5, update(7, 50), update(8, 60), update(0, 0))
    other.up(1, 2)
    other.says(1, update(7, 50 - 10))
    other.flush()
    other.says(2, RouteRequest(bytes(16)))
    table = other.flush()[2]
    one.says(5, table[-1])  # the digest differs
    assert one.questions(one.flush()) == [(5, RouteRequest(bytes(16)))]
    one.says(5, *table)
    assert (one.metric(7), one.metric(8)) == (60, None)
    one.says(5, table[-1])
    assert one.count("digests_differing") == 2


def test_a_neighbours_requests_have_a_rate() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    for _ in range(3 * REQUESTS_PER_SECOND):
        lab.says(2, SeqnoRequest(address(FAR), seq(1), 10))
    assert lab.count("requests_dropped") >= REQUESTS_PER_SECOND


def test_a_request_of_an_older_epoch_is_answered_with_the_newer_announcement() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50, epoch=20))
    lab.says(1, retraction(FAR))
    lab.flush()
    lab.says(2, SeqnoRequest(address(FAR), seq(1, 19), 5))
    assert lab.flush()[2] == [Update(address(FAR), distance(seq(0, 20), INFINITY), announcement(FAR, seq(0, 20)))]


def test_a_home_record_is_passed_on_if_its_node_has_signed_it_and_it_is_newer() -> None:
    lab = RoutingLab(replace(QUICK, scope=100))
    lab.up(1, 2)
    home = address(60)
    lab.says(2, update(60, 10))
    lab.flush()
    newest = home_record(FAR, 2, home)
    lab.says(1, Pin(address(FAR), home, True, newest))
    assert Pin(address(FAR), home, True, newest) in lab.flush()[2]
    lies = [home_record(FAR, 1, home), replace(newest, number=3), home_record(8, 9, home)]
    foreign = replace(newest, number=4, network_id=bytes(8))
    lab.says(1, *(Pin(address(FAR), home, True, lie) for lie in (*lies, foreign)))
    assert 2 not in lab.flush()
    assert lab.engine._scope.pins.records == {address(FAR): newest}
    counted = [lab.count(f"announcements_{why}") for why in ("forged", "wrong_node", "foreign")]
    assert counted == [1, 1, 1]


def test_records_beyond_their_own_budget_are_asked_for_again_and_push_out_no_announcement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mycelium.routing.announcements.HOMES_VERIFIED_OF_ALL", SharedRate(1, 2, 0.1, 1))
    lab = RoutingLab(replace(QUICK, scope=100))
    lab.up(1, 2)
    first, second = (home_record(name, 1, address(60)) for name in (FAR, FAR + 1))
    pins = [Pin(address(FAR), address(60), True, first), Pin(address(FAR + 1), address(60), True, second)]
    lab.says(1, *pins)
    lab.says(1, update(60, 10))
    assert lab.engine._scope.pins.records == {address(FAR): first}
    assert lab.next_hop(60) == 1
    assert (1, RouteRequest(ANY_NODE)) in lab.questions(lab.wait(BUDGET_REFILL_S + 0.1))
    lab.says(1, *pins)
    assert lab.engine._scope.pins.records == {address(FAR): first, address(FAR + 1): second}


def test_who_asks_for_the_whole_table_is_told_once_more_of_records_too() -> None:
    lab = RoutingLab(replace(QUICK, scope=100))
    lab.up(1, 2)
    lab.says(2, update(60, 10))
    record = home_record(FAR, 1, address(60))
    lab.says(1, Pin(address(FAR), address(60), True, record))
    assert Pin(address(FAR), address(60), True, record) in lab.flush()[2]
    lab.says(1, RouteRequest(ANY_NODE))
    assert not [item for item in lab.flush().get(2, []) if isinstance(item, Pin)]
    lab.says(2, RouteRequest(ANY_NODE))
    assert [item for item in lab.flush()[2] if isinstance(item, Pin)] == [Pin(address(FAR), address(60), True, record)]


def test_the_sum_of_what_a_neighbour_advertises_is_the_same_whenever_it_is_begun() -> None:
    labs = RoutingLab(), RoutingLab()
    sums = []
    for lab, is_begun in zip(labs, (True, False), strict=True):
        lab.up(1)
        peer, table = lab.engine._table.by_address[address(1)], lab.engine._table
        if is_begun:
            assert table.received_from(peer) == 0
        lab.says(1, update(7, 50), update(8, 60), update(FAR, 70))
        lab.says(1, update(7, 40), retraction(8), update(FAR, 90, 1))
        lab.says(1, retraction(8), update(8, 10), retraction(7))
        assert (peer.received is None) is not is_begun
        sums.append((peer.routes, table.received_from(peer)))
    assert (
        sums[0]
        == sums[1]
        == (2, share_of(address(8), distance(seq(), 10)) + share_of(address(FAR), distance(seq(1), 90)))
    )
