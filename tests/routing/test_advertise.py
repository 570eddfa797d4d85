"""What neighbours are told, when, and how often."""

import pytest
from msgspec.structs import replace

from mycelium.routing.digest import digest_of, share_of
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.control import ANY_NODE, Digest, Item, RouteRequest, SeqnoRequest, Update
from mycelium.wire.distance import INFINITY, distance
from tests.routing.engines import address, announcement
from tests.routing.lab import RoutingLab, retraction, seq, update

FAR = 9

# changes that more than three neighbours are told are followed by a rest
RESTING = RoutingParameters(many_neighbours=3, urgent_rest_s=0.05, rest_each_s=0.25, free_frames=0.0)


def test_a_new_neighbour_is_told_everything_with_announcements() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.engine.neighbour_up(address(2), 10, now=lab.now)
    assert lab.flush() == {
        2: [
            Update(address(0), distance(seq(), 0), announcement(0, seq())),
            Update(address(FAR), distance(seq(), 60), announcement(FAR, seq())),
        ]
    }


def test_a_neighbour_in_a_slot_used_before_is_told_with_announcements_too() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.down(2)
    lab.engine.neighbour_up(address(3), 10, now=lab.now)
    assert Update(address(FAR), distance(seq(), 60), announcement(FAR, seq())) in lab.flush()[3]


def test_an_update_goes_once_to_all_but_the_next_hop() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    assert lab.updates(lab.flush(), FAR) == {2: [(0, 60)], 3: [(0, 60)]}
    assert lab.wait(10.0) == {}


def test_a_new_next_hop_that_holds_our_route_is_told_a_retraction_and_the_old_one_the_route() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(2, update(FAR, 30))
    assert lab.updates(lab.flush(), FAR) == {1: [(0, 40)], 2: [(0, INFINITY)], 3: [(0, 40)]}


def test_better_news_waits_and_a_retraction_is_urgent() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    assert lab.wait(0.003) == {}
    assert lab.updates(lab.wait(0.004), FAR) == {2: [(0, 60)]}
    lab.says(1, retraction(FAR))
    assert lab.updates(lab.wait(0.0025), FAR) == {2: [(0, INFINITY)]}


def test_retractions_and_requests_come_first_in_a_batch() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(7, 50), update(8, 50))
    lab.flush()
    lab.says(1, update(6, 50), retraction(7), update(8, 70))
    told = lab.flush()[2]
    assert [type(item) for item in told] == [Update, Update, Update]
    assert [item.metric == INFINITY for item in told if isinstance(item, Update)] == [True, False, False]


def test_what_changed_back_before_the_batch_is_not_told() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.flush()
    lab.says(1, update(FAR, 40))
    lab.says(1, update(FAR, 50))
    assert lab.wait(5.0) == {}


def test_a_route_lost_before_the_batch_that_would_announce_it_is_not_told_at_all() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50), retraction(FAR))
    assert lab.wait(5.0) == {}


def test_an_announcement_rides_along_once_per_neighbour_and_sequence() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    assert lab.flush()[2] == [Update(address(FAR), distance(seq(), 60), announcement(FAR, seq()))]
    lab.says(1, update(FAR, 40, bare=True))
    assert lab.flush()[2] == [Update(address(FAR), distance(seq(), 50))]
    lab.says(1, update(FAR, 40, 1))
    lab.says(1, update(FAR, 30, 1, bare=True))
    assert lab.flush()[2] == [Update(address(FAR), distance(seq(1), 40), announcement(FAR, seq(1)))]


def test_a_neighbour_that_has_told_the_sequence_itself_needs_no_announcement() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 90))
    told = lab.flush()
    assert told[2] == [Update(address(FAR), distance(seq(), 60))]
    assert told[3] == [Update(address(FAR), distance(seq(), 60), announcement(FAR, seq()))]


def test_each_neighbour_is_told_a_batch_in_the_order_of_its_changes_whoever_else_is() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    for node, hop in ((10, 1), (11, 1), (12, 2), (13, 1), (14, 3)):
        lab.says(hop, update(node, 50))
    lab.says(2, update(13, 90))
    told = {name: [item.node for item in items if isinstance(item, Update)] for name, items in lab.flush().items()}
    assert told == {
        1: [address(12), address(14)],
        2: [address(10), address(11), address(13), address(14)],
        3: [address(10), address(11), address(12), address(13)],
    }


def test_the_announcement_of_an_older_sequence_in_use_is_kept_for_new_neighbours() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50, 0))
    lab.says(2, update(FAR, 55, 1))  # newer, but not better
    lab.flush()
    lab.engine.neighbour_up(address(3), 10, now=lab.now)
    assert Update(address(FAR), distance(seq(0), 60), announcement(FAR, seq(0))) in lab.flush()[3]
    assert lab.resolved(FAR) == announcement(FAR, seq(1))


def test_a_change_of_the_sequence_alone_is_passed_on_lazily() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50, 0))
    lab.flush()
    lab.says(1, update(FAR, 50, 1))
    assert lab.wait(14.9) == {}
    assert lab.updates(lab.wait(15.2), FAR) == {2: [(1, 60)]}


def test_lazy_changes_are_collected_into_one_batch() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(8, 50, 0), update(FAR, 50, 0))
    lab.flush()
    lab.says(1, update(8, 50, 1))
    lab.wait(5.0)
    lab.says(1, update(FAR, 50, 1), update(8, 50, 2))
    told = lab.wait(25.1)
    assert (lab.updates(told, 8), lab.updates(told, FAR)) == ({2: [(2, 60)]}, {2: [(1, 60)]})


def test_the_origin_tells_its_neighbours_a_new_sequence_at_once() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, SeqnoRequest(address(0), seq(1), 5))
    assert lab.updates(lab.wait(0.003), 0) == {1: [(1, 0)], 2: [(1, 0)]}


def lab_with_a_lazy_change(*others: int) -> RoutingLab:
    """Returns a node whose next hop to FAR, 1, has told it a newer sequence, of which 2 and others are not told yet."""
    lab = RoutingLab(RoutingParameters(lazy_s=(200.0, 200.0)))
    lab.up(1, 2, *others)
    lab.says(1, update(FAR, 50, 0))
    lab.flush()
    lab.says(1, update(FAR, 50, 1))
    return lab


def test_a_digest_speaks_of_what_the_neighbour_holds_and_hastens_no_lazy_change() -> None:
    lab = lab_with_a_lazy_change()
    held = share_of(address(0), distance(seq(), 0)) + share_of(address(FAR), distance(seq(0), 60))
    assert lab.wait(73.0)[2] == [digest_of(held)]


def test_a_digest_brings_the_next_hop_no_retraction_of_a_route_that_it_does_not_hold() -> None:
    lab = lab_with_a_lazy_change()
    assert [type(item) for item in lab.wait(73.0)[1]] == [Digest]


def test_a_digest_follows_what_only_others_were_told() -> None:
    lab = lab_with_a_lazy_change(3)
    lab.says(3, SeqnoRequest(address(FAR), seq(1), 5))
    told = lab.wait(73.0)
    held = share_of(address(0), distance(seq(), 0)) + share_of(address(FAR), distance(seq(1), 60))
    assert told[2] == [Update(address(FAR), distance(seq(1), 60), announcement(FAR, seq(1))), digest_of(held)]


def test_a_long_table_is_told_in_portions_and_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.advertise.DUMP_ROWS_AT_ONCE", 20)
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, *(update(name, 5) for name in range(10, 110)))
    lab.flush()
    lab.engine.neighbour_up(address(2), 10, now=lab.now)
    batches = []
    while lab.engine.next_deadline() < lab.now + 0.1:
        lab.now = lab.engine.next_deadline()
        lab.engine.handle_timeout(now=lab.now)
        batches += [items for neighbour, items in lab.engine.outbox if neighbour == address(2)]
        lab.engine.outbox.clear()
    assert max(len(items) for items in batches) == 20
    assert {item.node for items in batches for item in items if isinstance(item, Update)} == {
        address(name) for name in (0, 1, *range(10, 110)) if name != 1
    }


def test_many_neighbours_that_come_at_once_are_told_together_no_more_than_one_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mycelium.routing.dumps.DUMPED_AT_ONCE", 20)
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, *(update(name, 5) for name in range(10, 40)))
    lab.flush()
    newcomers = [address(name) for name in range(50, 60)]
    for newcomer in newcomers:
        lab.engine.neighbour_up(newcomer, 10, now=lab.now)
        lab.engine.receive(newcomer, [RouteRequest(ANY_NODE)], now=lab.now)  # its digest comes at the end
    told: dict[bytes, list[Item]] = {newcomer: [] for newcomer in newcomers}
    while lab.engine.next_deadline() < lab.now + 0.1:
        lab.now = lab.engine.next_deadline()
        lab.engine.handle_timeout(now=lab.now)
        assert sum(len(items) for neighbour, items in lab.engine.outbox if neighbour != address(1)) <= 20 + 1
        for neighbour, items in lab.engine.outbox:
            told[neighbour] += items
        lab.engine.outbox.clear()
    for items in told.values():
        assert len(items) == 31 + 1  # this node, what its first neighbour has brought, and the digest
        assert isinstance(items[-1], Digest)


def test_rows_that_are_kept_from_a_neighbour_leave_others_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.dumps.DUMPED_AT_ONCE", 36)
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, *(update(name, 5) for name in range(10, 40)))
    lab.flush()
    newcomer = address(50)
    lab.engine.neighbour_up(newcomer, 10, now=lab.now)
    for neighbour in (address(1), newcomer):  # the first has brought all the others
        lab.engine.receive(neighbour, [RouteRequest(ANY_NODE)], now=lab.now)
    told: list[Item] = []
    while not told:
        lab.now = lab.engine.next_deadline()
        lab.engine.handle_timeout(now=lab.now)
        told = [item for neighbour, items in lab.engine.outbox if neighbour == newcomer for item in items]
    assert sum(isinstance(item, Update) for item in told) == 31


def test_a_digest_waits_for_the_end_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.advertise.DUMP_ROWS_AT_ONCE", 20)
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, *(update(name, 5) for name in range(10, 110)))
    lab.flush()
    lab.says(2, RouteRequest(ANY_NODE))
    told = lab.wait(0.1)[2]
    assert isinstance(told[-1], Digest)
    assert told[-1].routes == 101  # all of it
    assert sum(isinstance(item, Digest) for item in told) == 1


def test_where_neighbours_are_many_changes_are_told_with_rests_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.advertise.TOLD_AT_ONCE", 3)
    monkeypatch.setattr("mycelium.routing.advertise.TOLD_ROWS_AT_ONCE", 2)
    lab = RoutingLab(RESTING)
    lab.up(1, 2, 3, 4, 5)
    lab.says(1, *(update(name, 50) for name in (10, 11, 12)))
    lab.wait(1.1)
    lab.says(1, update(10, 40, bare=True))
    assert lab.updates(lab.flush(), 10)[2] == [(0, 50)]  # nothing was told for so long
    lab.says(1, *(update(name, 30, bare=True) for name in (10, 11, 12)))
    assert lab.wait(0.9) == {}
    told = lab.wait(0.2)
    assert [lab.updates(told, name)[2] for name in (10, 11, 12)] == [[(0, 40)]] * 3  # though more than fits into one go
    lab.says(1, retraction(10))
    assert lab.wait(0.05) == {}
    assert lab.updates(lab.wait(0.15), 10)[2] == [(0, INFINITY)]
    lab.says(1, retraction(11))
    assert lab.wait(0.05) == {}
    assert lab.updates(lab.wait(0.15), 11)[2] == [(0, INFINITY)]
    lab.down(5)
    lab.says(1, update(11, 20, bare=True))
    lab.wait(1.1)
    lab.says(1, update(11, 15, bare=True))
    lab.flush()
    lab.says(1, update(11, 10, bare=True))
    assert lab.updates(lab.flush(), 11)[2] == [(0, 20)]


def test_few_changes_are_told_many_neighbours_without_a_rest() -> None:
    lab = RoutingLab(replace(RESTING, free_frames=8.0, free_frames_per_s=0.8))
    lab.up(1, 2, 3, 4, 5)
    lab.says(1, update(10, 50))
    lab.wait(20.0)
    for metric in (40, 30):
        lab.says(1, update(10, metric, bare=True))
        assert lab.updates(lab.flush(), 10)[2] == [(0, metric + 10)]
    lab.says(1, update(10, 20, bare=True))
    assert lab.updates(lab.flush(), 10)[2] == [(0, 30)]
    lab.says(1, update(10, 15, bare=True))
    assert lab.flush() == {}, "those before were more than are told without a rest"
    assert lab.updates(lab.wait(1.0), 10)[2] == [(0, 25)]
    lab.wait(5.0)
    lab.says(1, update(10, 14, bare=True))
    lab.flush()
    lab.says(1, update(10, 13, bare=True))
    assert lab.updates(lab.flush(), 10)[2] == [(0, 23)]


def test_changes_that_few_neighbours_are_told_need_no_rest() -> None:
    lab = RoutingLab(replace(RESTING, scope=4))
    lab.up(1, 2, 3, 4, 5)
    lab.says(1, *(update(name, 10 + name) for name in range(10, 20)))
    lab.wait(2.0)
    for metric in range(900, 905):
        lab.says(1, update(19, metric, bare=True))  # out of scope
        lab.flush()
    lab.says(1, update(10, 5, bare=True))
    assert lab.updates(lab.flush(), 10)[2] == [(0, 15)]


def test_who_changes_routes_all_the_time_has_them_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.budgets.CHANGES_AT_ONCE", 10)
    monkeypatch.setattr("mycelium.routing.budgets.CHANGES_PER_SECOND", 10)
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, *(update(name, 5) for name in (10, 11)))
    lab.says(2, update(12, 5))
    lab.flush()
    told = 0
    for metric in range(200):
        lab.says(1, *(update(name, 5 + metric % 7, bare=True) for name in (10, 11)))
        told += len(lab.flush().get(3, ()))
    assert told < 2 * 200 / 4
    lab.says(2, update(12, 4, bare=True))
    assert lab.updates(lab.flush(), 12)[3] == [(0, 14)]  # a bystander's are told at once
    last = lab.wait(RoutingParameters().over_budget_s)
    assert lab.updates(last, 10)[3][-1] == (0, 10 + 5 + 199 % 7)


def test_what_is_told_is_counted_by_what_it_is() -> None:
    lab = RoutingLab()
    for name in (1, 2):
        lab.engine.neighbour_up(address(name), 10, now=lab.now)
    told = [*lab.flush().values()]
    for items in ([update(3, 30), update(4, 40)], [retraction(3)], [Digest(bytes(16), 7)]):
        lab.says(1, *items)
        told += lab.flush().values()
    sent = [item for items in told for item in items]
    retractions = sum(isinstance(item, Update) and item.metric == INFINITY for item in sent)
    requests = sum(isinstance(item, RouteRequest) for item in sent)
    assert retractions > 0
    assert requests > 0
    counted = [lab.count(f"{kind}_sent") for kind in ("retractions", "requests", "updates")]
    assert counted == [retractions, requests, len(sent) - retractions - requests]
