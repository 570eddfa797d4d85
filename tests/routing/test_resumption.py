"""Neighbours that come back after a moment are not told everything again."""

import pytest

from mycelium.limits import (
    DUMP_BACKLOG_BYTES,
    RESUMABLE_ROUTES,
    ROWS_BEFORE_OFFER,
    STATES_REMEMBERED,
    SWEPT_ROWS_AT_ONCE,
)
from mycelium.routing.digest import digest_of
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.parameters import RoutingParameters
from mycelium.routing.resumption import OFFER_AWAITED_S
from mycelium.wire.control import Digest, Item, Resume, Resumed, RouteRequest, Update
from mycelium.wire.distance import INFINITY, NO_SOURCE
from tests.routing.engines import address, announcement, make_engine
from tests.routing.lab import RoutingLab, retraction, seq, update

RESUMED_S = RoutingParameters().resumed_s
MANY = range(10, 10 + 3 * ROWS_BEFORE_OFFER)


def updates_to(told: dict[int, list[Item]], name: int) -> list[tuple[int, int]]:
    """Returns node and metric of each update that a neighbour is told."""
    found = [item for item in told.get(name, []) if isinstance(item, Update)]
    return [(int.from_bytes(one.node[2:8], "big"), one.metric) for one in found]


def settled(*nodes: int) -> RoutingLab:
    """Returns a node with the neighbours 1 and 2; 1 has told it of 3, 4 and others."""
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(1, 0), update(3, 30), update(4, 40), *(update(node, 50) for node in nodes))
    lab.says(2, update(2, 0))
    lab.flush()
    return lab


def held_by(lab: RoutingLab, name: int) -> Digest:
    """Returns the digest of what a neighbour has been told."""
    return lab.engine._holdings.digest(lab.engine._table.by_address[address(name)])


def unheard(lab: RoutingLab, *names: int) -> None:
    """Has neighbours acknowledge nothing from now on."""
    silent = {address(name) for name in names}
    lab.engine._advertiser._untaken_bytes = lambda neighbour: int(neighbour in silent)


def back(lab: RoutingLab, name: int, away_s: float = 1.0) -> dict[int, list[Item]]:
    """Loses a neighbour for a while; returns what is told when it is back."""
    lab.down(name)
    lab.wait(away_s)
    lab.engine.neighbour_up(address(name), 10, now=lab.now)
    return lab.flush()


def test_a_neighbour_that_has_kept_all_is_told_only_what_has_changed() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    lab.down(2)
    lab.wait(1)
    lab.says(1, retraction(MANY[-1]), update(5, 50))
    lab.wait(1)
    lab.engine.neighbour_up(address(2), 10, now=lab.now)
    assert len(updates_to(lab.flush(), 2)) <= ROWS_BEFORE_OFFER, "most of the table waits for what it has to offer"
    lab.says(2, Resume(kept))
    told = lab.flush()[2]
    assert isinstance(told[0], Resumed)
    assert updates_to({2: told}, 2) == [(MANY[-1], INFINITY), (5, 60)]
    assert told[-1] == held_by(lab, 2), "that both hold the same is looked at afterwards"
    assert held_by(lab, 2).routes == len(MANY) + 4  # 0, 1, 3, 4, 5 and the others without the last
    assert lab.engine.counters.resumed == 1


def test_what_a_neighbour_was_told_while_it_was_suspected_is_told_anew() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    lab.engine.neighbour_suspect(address(2), True, now=lab.now)
    lab.says(1, update(MANY[-2], 51))
    lab.wait(0.1)
    unheard(lab, 2)
    lab.says(1, retraction(MANY[-1]))
    lab.wait(0.1)
    lab.engine.neighbour_suspect(address(2), True, now=lab.now)  # still
    back(lab, 2)
    lab.says(2, Resume(kept))
    assert sorted(updates_to(lab.flush(), 2)) == [(MANY[-2], 61), (MANY[-1], INFINITY)]


def test_what_may_not_have_arrived_of_a_table_is_told_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.advertise.DUMP_ROWS_AT_ONCE", ROWS_BEFORE_OFFER)
    lab = settled(*MANY)
    assert held_by(lab, 2).routes > len(MANY)
    lab.engine.neighbour_up(address(5), 10, now=lab.now)
    while not updates_to(lab.wait(0.001), 5):
        pass
    kept = held_by(lab, 5)
    unheard(lab, 5)
    missed = updates_to(lab.wait(1), 5)
    assert len(missed) > ROWS_BEFORE_OFFER
    back(lab, 5)
    unheard(lab)
    lab.says(5, Resume(kept))
    told = lab.wait(1)
    assert isinstance(told[5][0], Resumed)
    assert set(missed) <= set(updates_to(told, 5))


def test_what_others_hold_is_known_before_they_are_told_of_the_first_silence() -> None:
    kept = held_by(settled(*MANY), 2)
    lab = settled(*MANY)  # of which nobody has wanted a digest
    lab.engine.neighbour_suspect(address(1), True, now=lab.now)
    unheard(lab, 1, 2)
    assert updates_to(lab.flush(), 2)
    back(lab, 2)
    lab.says(2, Resume(kept))
    assert isinstance(lab.flush()[2][0], Resumed)


def test_a_route_of_which_a_neighbour_was_not_told_the_newest_is_told_anew() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    lab.engine._table.rows[address(MANY[-1])].current = 0  # as after an answer to another neighbour
    back(lab, 2)
    lab.says(2, Resume(kept))
    assert updates_to(lab.flush(), 2) == [(MANY[-1], 60)]


def test_a_node_that_is_forgotten_meanwhile_is_retracted() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    back(lab, 2)
    del lab.engine._table.rows[address(MANY[-1])]
    lab.says(2, Resume(kept))
    assert updates_to(lab.flush(), 2) == [(MANY[-1], INFINITY)]


def test_a_node_that_is_forgotten_meanwhile_is_retracted_although_the_offer_comes_after_the_whole_table() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    back(lab, 2)
    del lab.engine._table.rows[address(MANY[-1])]
    lab.wait(OFFER_AWAITED_S + 0.1)
    lab.says(2, Resume(kept))
    assert updates_to(lab.flush(), 2) == [(MANY[-1], INFINITY)]


def test_a_node_that_is_known_anew_before_the_dump_comes_to_it_is_not_retracted() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    back(lab, 2)
    lab.says(2, Resume(kept))
    lab.engine._advertiser._untaken_bytes = lambda neighbour: DUMP_BACKLOG_BYTES
    lab.flush()
    del lab.engine._table.rows[address(MANY[-1])]
    lab.says(1, update(MANY[-1], 70))
    assert updates_to(lab.flush(), 2) == [(MANY[-1], 80)]
    lab.engine._advertiser._untaken_bytes = lambda neighbour: 0
    assert updates_to(lab.flush(), 2) == []


def test_a_node_that_is_known_anew_over_the_neighbour_itself_is_retracted() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    back(lab, 2)
    lab.says(2, Resume(kept))
    lab.engine._advertiser._untaken_bytes = lambda neighbour: DUMP_BACKLOG_BYTES
    lab.flush()
    del lab.engine._table.rows[address(MANY[-1])]
    lab.says(2, update(MANY[-1], 5))
    lab.flush()
    lab.engine._advertiser._untaken_bytes = lambda neighbour: 0
    assert updates_to(lab.flush(), 2) == [(MANY[-1], INFINITY)]


def test_a_node_that_is_forgotten_while_the_table_is_told_keeps_no_other_back() -> None:
    lab = settled(*MANY)
    told = back(lab, 2)
    del lab.engine._table.rows[address(MANY[ROWS_BEFORE_OFFER])]
    assert len(updates_to(told, 2) + updates_to(lab.wait(OFFER_AWAITED_S), 2)) == len(MANY) + 3


def test_nothing_is_retracted_before_a_table_of_several_portions_has_been_gone_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    back(lab, 2)
    monkeypatch.setattr("mycelium.routing.advertise.DUMP_ROWS_AT_ONCE", 10)
    lab.says(2, Resume(kept))
    assert updates_to(lab.wait(1), 2) == []


def test_what_a_neighbour_has_kept_bounds_which_routes_are_feasible() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    back(lab, 2)
    row = lab.engine._table.rows[address(MANY[-1])]
    row.feasibility_distance = NO_SOURCE  # as if it had expired
    lab.says(2, Resume(kept))
    lab.flush()
    assert row.feasibility_distance == row.advertised


def test_a_neighbour_that_has_kept_a_route_needs_no_announcement_with_the_next_metric() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    back(lab, 2)
    lab.says(2, Resume(kept))
    lab.flush()
    lab.says(1, update(MANY[-1], 55))
    (told,) = lab.flush()[2]
    assert isinstance(told, Update)
    assert (told.metric, told.announcement) == (65, None)


def test_what_is_kept_is_out_of_date_at_the_second() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    lab.down(2)
    lost_at = lab.now
    lab.wait(RESUMED_S - 1)
    lab.engine.neighbour_up(address(2), 10, now=lab.now)
    lab.flush()
    lab.now = lost_at + RESUMED_S  # before any timer is looked at
    lab.says(2, Resume(kept))
    assert lab.engine.counters.resumed == 0


def test_who_begins_anew_after_it_has_spoken_is_told_everything() -> None:
    lab = settled(*MANY)
    back(lab, 1)
    lab.says(1, update(1, 0))
    lab.engine.neighbour_up(address(1), 10, now=lab.now)
    assert not any(isinstance(item, Resume) for item in lab.flush()[1])


@pytest.mark.parametrize("arrived", [0, 1, 2, 3])
def test_whatever_of_unacknowledged_batches_has_arrived_is_resumed_and_all_of_them_are_told_anew(arrived: int) -> None:
    lab = settled(*MANY)
    held = [held_by(lab, 2)]
    for node in MANY[-3:]:
        lab.says(1, update(node, 60))
        lab.flush()
        held.append(held_by(lab, 2))
        unheard(lab, 2)
    lab.engine.neighbour_suspect(address(2), True, now=lab.now)
    back(lab, 2)
    lab.says(2, Resume(held[arrived]))
    told = lab.flush()[2]
    assert isinstance(told[0], Resumed)
    assert updates_to({2: told}, 2) == [(node, 70) for node in MANY[-3:]]


def test_a_neighbour_that_is_told_much_in_its_silence_is_resumed_where_it_stopped() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    changed = MANY[-2 * STATES_REMEMBERED :]
    for node in changed:
        lab.says(1, update(node, 60))
        lab.flush()
        unheard(lab, 2)
    newest = held_by(lab, 2)
    back(lab, 2)
    lab.says(2, Resume(kept))
    told = lab.flush()[2]
    assert isinstance(told[0], Resumed)
    assert updates_to({2: told}, 2) == [(node, 70) for node in changed]
    assert held_by(lab, 2) == newest


def test_a_batch_that_was_acknowledged_before_the_loss_is_not_told_anew() -> None:
    lab = settled(*MANY)
    held_by(lab, 2)
    for node in MANY[-2:]:
        lab.says(1, update(node, 60))
        lab.flush()
    kept = held_by(lab, 2)
    back(lab, 2)
    lab.says(2, Resume(kept))
    told = lab.flush()[2]
    assert isinstance(told[0], Resumed)
    assert updates_to({2: told}, 2) == []


def test_an_older_state_than_was_acknowledged_is_not_resumed() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    lab.engine.neighbour_suspect(address(2), True, now=lab.now)
    lab.engine.neighbour_suspect(address(2), False, now=lab.now)
    for metric in (60, 61):
        lab.says(1, update(MANY[0], metric))
        lab.flush()
    back(lab, 2)
    lab.says(2, Resume(kept))
    assert not any(isinstance(item, Resumed) for item in lab.wait(1)[2])


def test_all_neighbours_of_a_hub_are_resumed_that_fall_silent_one_after_the_other() -> None:
    """The first that is suspected has its loss told to all others, which do not hear it any more."""
    leaves = range(300, 360)
    lab = settled(*MANY)
    lab.up(*leaves)
    for leaf in leaves:
        lab.says(leaf, update(leaf, 0))
    lab.wait(1)
    kept = {leaf: held_by(lab, leaf) for leaf in leaves}
    for leaf in leaves:
        lab.engine.neighbour_suspect(address(leaf), True, now=lab.now)
        lab.flush()
        unheard(lab, *leaves)
    for leaf in leaves:
        lab.down(leaf)
    lab.wait(1)
    for leaf in leaves:
        lab.engine.neighbour_up(address(leaf), 10, now=lab.now)
    lab.flush()
    unheard(lab)
    for leaf in leaves:
        lab.says(leaf, Resume(kept[leaf]))
    told = lab.flush()
    assert all(isinstance(told[leaf][0], Resumed) for leaf in leaves)
    assert not {node for leaf in leaves for node, _ in updates_to(told, leaf)} & set(MANY)


def test_routes_that_are_kept_are_used_once_the_neighbour_says_so() -> None:
    lab = settled()
    peer = lab.engine._table.by_address[address(1)]
    has = digest_of(lab.engine._table.received_from(peer))
    told = back(lab, 1)
    assert told[1][0] == Resume(has)
    assert address(3) not in lab.engine.forwarding.next_hop
    lab.says(1, update(4, 44), Resumed())
    assert lab.engine.forwarding.next_hop[address(3)] == lab.engine.forwarding.next_hop[address(4)] == address(1)
    assert lab.metric(4) == 54, "what it has told since it is back is newer"
    assert not any(isinstance(item, RouteRequest) for item in lab.flush().get(1, []))
    lab.says(1, retraction(3), Resumed())
    assert lab.metric(3) is None, "they are taken up once"


def test_a_neighbour_that_has_kept_nothing_is_told_everything_as_soon_as_it_speaks() -> None:
    lab = settled(*MANY)
    told = back(lab, 2)
    assert updates_to(told, 2)[0] == (0, 0), "this node comes first"
    lab.says(2, update(2, 0))
    assert len(updates_to(told, 2) + updates_to(lab.flush(), 2)) == len(MANY) + 4


def test_a_neighbour_that_says_nothing_is_told_everything_in_the_end() -> None:
    lab = settled(*MANY)
    told = back(lab, 2)
    assert len(updates_to(told, 2) + updates_to(lab.wait(OFFER_AWAITED_S), 2)) == len(MANY) + 4


def test_a_neighbour_that_has_kept_something_else_is_told_everything_at_once() -> None:
    lab = settled(*MANY)
    told = back(lab, 2)
    lab.says(2, Resume(Digest(bytes(16), 7)))
    again = lab.flush()
    assert len(updates_to(told, 2) + updates_to(again, 2)) == len(MANY) + 4
    assert not any(isinstance(item, Resumed) for item in again[2])


def test_a_neighbour_that_is_renamed_is_told_the_same() -> None:
    lab = settled(*MANY)
    kept = held_by(lab, 2)
    back(lab, 2)
    lab.engine.rename_neighbour(address(2), address(7))
    lab.says(7, Resume(kept))
    assert isinstance(lab.flush()[7][0], Resumed)


def test_a_neighbour_that_is_renamed_takes_the_place_of_what_was_kept_under_that_name() -> None:
    lab = settled(*MANY)
    lab.down(1)
    lab.wait(1)
    back(lab, 2)
    lab.engine.rename_neighbour(address(2), address(1))
    resumption = lab.engine._adjacencies._resumption
    assert resumption._routes == sum(kept.routes for kept in resumption._kept.values())


def test_a_start_while_nothing_was_said_offers_the_same_again() -> None:
    lab = settled()
    first = back(lab, 1)[1][0]
    lab.engine.neighbour_up(address(1), 10, now=lab.now)
    assert isinstance(first, Resume)
    assert lab.flush()[1][0] == first


def test_a_stream_that_begins_anew_while_the_link_lives_starts_with_the_table() -> None:
    lab = settled(*MANY)
    lab.engine.neighbour_up(address(2), 10, now=lab.now)
    told = lab.flush()
    assert not any(isinstance(item, Resume) for item in told[2])
    assert len(updates_to(told, 2)) == len(MANY) + 4


@pytest.mark.parametrize(("away_s", "is_offered"), [(RESUMED_S - 1, True), (RESUMED_S + 1, False)])
def test_who_is_away_for_long_is_told_everything(away_s: float, is_offered: bool) -> None:
    lab = settled()
    kept = held_by(lab, 1)
    told = back(lab, 1, away_s)
    assert isinstance(told[1][0], Resume) is is_offered
    lab.says(1, Resume(kept))
    assert isinstance(lab.flush().get(1, [None])[0], Resumed) is is_offered
    assert (RoutingParameters().source_s > RESUMED_S) is True


def test_an_offer_of_somebody_who_is_not_known_is_not_taken() -> None:
    lab = settled()
    lab.says(2, Resume(held_by(lab, 2)))
    assert lab.flush() == {}
    lab.says(2, Resumed())
    assert address(2) in lab.engine.forwarding.next_hop


def test_a_neighbour_that_is_back_before_its_rows_are_cleared_is_told_everything() -> None:
    nodes = range(10, 10 + 2 * SWEPT_ROWS_AT_ONCE)
    lab = settled(*nodes)
    kept = held_by(lab, 2)
    lab.down(2)
    lab.engine.neighbour_up(address(2), 10, now=lab.now)
    told = lab.wait(0.1)
    assert not any(isinstance(item, Resume) for item in told[2])
    assert len(updates_to(told, 2)) == len(nodes) + 4
    lab.says(2, Resume(kept))
    assert not any(isinstance(item, Resumed) for item in lab.flush().get(2, [])), "nor when they are cleared"


def star(names: range) -> RoutingLab:
    """Returns a node with these neighbours, each of which has told it of itself."""
    lab = RoutingLab()
    lab.up(*names)
    for name in names:
        lab.says(name, update(name, 0))
    lab.flush()
    return lab


def kept_in(lab: RoutingLab) -> dict[bytes, tuple[int, int]]:
    """Returns how many routes are kept of lost neighbours: what each was told, and what it told."""
    kept = lab.engine._adjacencies._resumption._kept
    return {name: (len(one.told), len(one.received)) for name, one in kept.items()}


@pytest.mark.parametrize("room", [0, 5])
def test_so_many_routes_of_lost_neighbours_are_kept_those_of_the_last_ones(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = range(1, 41)
    lab = star(names)
    assert not kept_in(lab)
    each = 2 + 40  # its own route, and this node's and those of all others, or its own besides
    monkeypatch.setattr("mycelium.routing.resumption.RESUMABLE_ROUTES", 3 * each + room)
    for name in names:
        lab.down(name)
    lab.wait(1)
    kept = kept_in(lab)
    assert list(kept) == [address(name) for name in names[-3:]]
    assert sum(map(sum, kept.values())) <= 3 * each
    assert lab.engine._adjacencies._resumption._routes >= sum(map(sum, kept.values()))


def test_a_neighbour_whose_routes_are_more_than_that_is_kept_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = settled(*MANY)
    monkeypatch.setattr("mycelium.routing.resumption.RESUMABLE_ROUTES", 3)
    lab.down(1)
    lab.down(2)
    assert list(kept_in(lab)) == [address(2)]


def test_hundreds_that_are_lost_for_a_moment_are_resumed() -> None:
    names = range(1, 301)
    lab = star(names)
    lab.wait(1)
    for name in names:
        lab.down(name)
    lab.wait(1)
    assert sum(map(sum, kept_in(lab).values())) < RESUMABLE_ROUTES
    for name in names:
        lab.engine.neighbour_up(address(name), 10, now=lab.now)
    told = lab.flush()
    assert all(any(isinstance(item, Resume) for item in told[name]) for name in names)


def test_what_is_kept_and_has_given_way_takes_no_room_though_its_rows_are_still_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = settled(*range(10, 10 + 2 * SWEPT_ROWS_AT_ONCE))
    monkeypatch.setattr("mycelium.routing.resumption.RESUMABLE_ROUTES", 3)
    lab.down(2)
    [dropped] = lab.engine._adjacencies._resumption._kept.values()
    lab.down(1)
    lab.wait(1)
    assert (dropped.told, dropped.received) == ({}, {})


def test_a_neighbour_that_is_lost_again_takes_the_place_of_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = RoutingLab()
    names = range(1, 17)
    monkeypatch.setattr("mycelium.routing.resumption.RESUMABLE_ROUTES", 16 * 18)
    lab.up(*names)
    for name in names:
        lab.says(name, update(name, 0))
    lab.flush()
    for name in names:
        lab.down(name)
    back(lab, names[-1])
    lab.down(names[-1])
    assert any(isinstance(item, Resume) for item in back(lab, names[0])[names[0]])


def test_what_is_kept_is_dropped_when_nobody_has_come_back_for_it() -> None:
    lab = settled(*MANY)
    lab.down(2)
    lab.wait(10)
    lab.down(1)
    kept = []
    for seconds in (RESUMED_S - 11, 1, 9, 1):
        lab.wait(seconds)
        kept.append(len(lab.engine._adjacencies._resumption._kept))
    assert kept == [2, 1, 1, 0]


def exchange(engines: dict[int, RoutingEngine], now: float) -> int:
    """Lets two engines tell each other all they have to say; returns how many updates that took."""
    updates = 0
    for _ in range(20):
        now += 0.05
        for here, there in ((1, 2), (2, 1)):
            engines[here].handle_timeout(now=now)
            for to, items in list(engines[here].outbox):
                if to != address(there):
                    continue
                updates += sum(isinstance(item, Update) for item in items)
                engines[there].receive(address(here), items, now=now)
            engines[here].outbox.clear()
    return updates


def test_two_ends_of_a_short_loss_tell_each_other_little_and_have_the_same_again() -> None:
    engines = {name: make_engine(name) for name in (1, 2)}
    for here, there, first in ((1, 2, 1_000), (2, 1, 5_000)):
        feeder = address(first)
        engines[here].neighbour_up(feeder, 10, now=1.0)
        known = [first + one for one in range(300)]
        items = [Update(address(one), update(one, 10).distance, announcement(one, seq())) for one in known]
        engines[here].receive(feeder, items, now=1.0)
        engines[here].neighbour_up(address(there), 10, now=1.0)
    assert exchange(engines, 1.0) > 600
    tables = {name: engine.selected_routes() for name, engine in engines.items()}
    for here, there in ((1, 2), (2, 1)):
        engines[here].neighbour_down(address(there), now=10.0)
    for here, there in ((1, 2), (2, 1)):
        engines[here].neighbour_up(address(there), 10, now=20.0)
    assert exchange(engines, 20.0) <= 2 * ROWS_BEFORE_OFFER
    assert {name: engine.selected_routes() for name, engine in engines.items()} == tables
    assert all(engine.counters.resumed == 1 for engine in engines.values())
