"""Neighbours that come back after a moment are not told everything again."""

import pytest

from mycelium.limits import RESUMABLE_NEIGHBOURS
from mycelium.routing.digest import digest_of
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.control import Item, Resume, Resumed, RouteRequest, Update
from mycelium.wire.distance import INFINITY
from tests.routing.engines import address, make_engine
from tests.routing.lab import RoutingLab, retraction, update

RESUMED_S = RoutingParameters().resumed_s


def told_updates(told: dict[int, list[Item]], name: int) -> list[Update]:
    return [item for item in told.get(name, []) if isinstance(item, Update)]


def offer_in(told: dict[int, list[Item]], name: int) -> Resume:
    (first, *_) = told[name]
    assert isinstance(first, Resume)
    return first


def settled() -> RoutingLab:
    """Returns a node with the neighbours 1 and 2; 1 has told it of 3 and 4."""
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(1, 0), update(3, 30), update(4, 40))
    lab.says(2, update(2, 0))
    lab.flush()
    return lab


def back(lab: RoutingLab, name: int, away_s: float = 1.0) -> dict[int, list[Item]]:
    """Loses a neighbour for a while; returns what is told when it is back."""
    lab.down(name)
    lab.wait(away_s)
    lab.engine.neighbour_up(address(name), 10, now=lab.now)
    return lab.flush()


def test_a_neighbour_that_has_kept_all_is_told_only_what_has_changed() -> None:
    lab = settled()
    lab.down(2)
    lab.wait(1)
    lab.says(1, retraction(3), update(5, 50))
    lab.wait(1)
    lab.engine.neighbour_up(address(2), 10, now=lab.now)
    told = lab.flush()
    assert told_updates(told, 2) == []
    lab.says(2, Resumed(offer_in(told, 2).number, True))
    again = {int.from_bytes(one.node[2:8], "big"): one.metric for one in told_updates(lab.flush(), 2)}
    assert again == {3: INFINITY, 5: 60}
    assert lab.engine._holdings.digest(lab.engine._table.by_address[address(2)]).routes == 4  # 0, 1, 4 and 5


def test_routes_of_a_neighbour_that_has_kept_all_are_used_at_once() -> None:
    lab = settled()
    peer = lab.engine._table.by_address[address(1)]
    has = digest_of(peer.received)
    back(lab, 1)
    assert address(3) not in lab.engine.forwarding.next_hop
    lab.says(1, Resume(7, has))
    told = lab.flush()
    assert told[1][0] == Resumed(7, True)
    assert lab.engine.forwarding.next_hop[address(3)] == lab.engine.forwarding.next_hop[address(4)] == address(1)
    assert lab.engine.counters.resumed == 1
    lab.says(1, Resume(8, has))  # of its next start, when it has heard of ours
    assert lab.flush()[1][0] == Resumed(8, True)
    assert not any(isinstance(item, RouteRequest) for item in told[1])


def test_a_neighbour_that_is_renamed_before_it_answers_is_told_the_same() -> None:
    lab = settled()
    other = 7
    told = back(lab, 2)
    lab.engine.rename_neighbour(address(2), address(other))
    lab.says(other, Resumed(offer_in(told, 2).number, False))
    assert [one.node for one in told_updates(lab.flush(), other)][:1] == [lab.engine.node]


def test_what_differs_is_told_anew() -> None:
    lab = settled()
    told = back(lab, 1)
    lab.says(1, Resume(7, offer_in(told, 1).told))  # not what it had told
    lab.says(1, Resumed(offer_in(told, 1).number, False))
    told = lab.flush()
    assert told[1][0] == Resumed(7, False)
    assert [one.node for one in told_updates(told, 1)] == [lab.engine.node, address(2)]
    assert address(3) not in lab.engine.forwarding.next_hop


def test_an_answer_to_an_earlier_offer_counts_for_nothing() -> None:
    lab = settled()
    first = offer_in(back(lab, 2), 2)
    second = offer_in(back(lab, 2), 2)
    lab.says(2, Resumed(first.number, True))
    assert lab.flush().get(2, []) == []
    lab.says(2, Resumed(second.number, True))
    lab.flush()
    assert first.told == second.told


def test_a_start_while_nothing_was_said_offers_the_same_again() -> None:
    lab = settled()
    first = offer_in(back(lab, 2), 2)
    lab.engine.neighbour_up(address(2), 10, now=lab.now)
    second = offer_in(lab.flush(), 2)
    assert (first.told, first.number + 1) == (second.told, second.number)


def test_a_stream_that_begins_anew_while_the_link_lives_starts_with_the_table() -> None:
    lab = settled()
    lab.engine.neighbour_up(address(2), 10, now=lab.now)
    assert told_updates(lab.flush(), 2)[0].node == lab.engine.node


@pytest.mark.parametrize(("away_s", "is_offered"), [(RESUMED_S - 1, True), (RESUMED_S + 1, False)])
def test_who_is_away_for_long_is_told_everything(away_s: float, is_offered: bool) -> None:
    lab = settled()
    told = back(lab, 2, away_s)
    assert isinstance(told[2][0], Resume) is is_offered
    assert (RoutingParameters().source_s > RESUMED_S) is True


def test_an_offer_of_somebody_who_is_not_known_is_declined() -> None:
    lab = settled()
    lab.says(2, Resume(5, offer_in(back(lab, 1), 1).told))
    assert lab.flush()[2][0] == Resumed(5, False)
    assert address(2) in lab.engine.forwarding.next_hop


def test_so_many_lost_neighbours_are_kept() -> None:
    engine = make_engine(0)
    for name in range(1, RESUMABLE_NEIGHBOURS + 3):
        engine.neighbour_up(address(name), 10, now=float(name))
        engine.handle_timeout(now=name + 0.5)
        engine.neighbour_down(address(name), now=name + 0.6)
    assert len(engine._adjacencies._resumption._kept) == RESUMABLE_NEIGHBOURS
