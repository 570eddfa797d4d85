"""What the journal tells, and what it does not cost."""

from collections.abc import Iterable
from math import inf

import pytest

from mycelium.endpoint import Endpoint
from mycelium.limits import (
    JOURNAL_ENTRIES,
    JOURNAL_EVENTS_AT_ONCE,
    JOURNAL_EVENTS_PER_MINUTE,
    JOURNAL_LOST_ROUTES,
    JOURNAL_ROUTES_PER_SECOND,
)
from mycelium.link.causes import NO_ANSWER
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Entry, Journal
from mycelium.routing.selection import RouteChange
from sim.net.network import url_of
from sim.net.node_net import NamedHost
from tests.support.small_meshes import deliver, is_up, ping, reaches, ready_line, ready_pair, square

HERE = Endpoint("udp", "192.0.2.1", 9651)
THERE = Endpoint("udp", "192.0.2.2", 9651)
A, B, C = (bytes((4, number)) + bytes(14) for number in range(3))


def destination(number: int) -> bytes:
    return b"\x05" + number.to_bytes(15, "big")


class Book:
    """A journal that is told of route changes as a node would tell it."""

    def __init__(self) -> None:
        self.journal = Journal(now=0.0)
        self.version = 0
        self.used: set[bytes] = set()
        self.silent: dict[bytes, float] = {}

    def tell(self, changes: Iterable[RouteChange], *, now: float, pushed_out: int = 0) -> None:
        changes = list(changes)
        self.version += len(changes) + pushed_out
        self.journal.routes_changed(
            changes,
            self.version,
            is_in_use=self.used.__contains__,
            silent_since=lambda node: self.silent.get(node, inf),
            now=now,
        )

    @property
    def told(self) -> list[tuple[object, ...]]:
        entries = self.journal.after(0)
        assert [entry.sequence for entry in entries] == sorted(entry.sequence for entry in entries)
        return [(one.kind, one.node, one.before, one.after, one.cause, one.without_s, one.count) for one in entries]


def route(node: bytes, before: bytes | None, after: bytes | None, cause: str, without_s: float | None = None) -> object:
    return (EventKind.ROUTE, node, before, after, cause, without_s, 1)


# -- routes ------------------------------------------------------------------------------------------------------------


def test_a_first_route_and_a_better_one_are_told_as_they_are() -> None:
    book = Book()
    book.tell([(1.0, A, None, B, "better"), (2.0, A, B, C, "better")], now=2.0)
    assert book.told == [route(A, None, B, "better"), route(A, B, C, "better")]
    assert [entry.at for entry in book.journal.after(0)] == [1.0, 2.0]
    assert [entry.at for entry in book.journal.after(1)] == [2.0]


def test_a_switch_away_from_a_silent_neighbour_tells_how_long_it_had_been_silent() -> None:
    book = Book()
    book.silent[B] = 9.75
    book.tell([(10.0, A, B, C, "suspected")], now=10.0)
    assert book.told == [route(A, B, C, "suspected", 0.25)]


def test_a_route_that_is_back_within_a_moment_is_one_entry_with_the_time_between() -> None:
    book = Book()
    book.silent[B] = 9.75
    book.tell([(10.0, A, B, None, "suspected")], now=10.0)
    assert book.told == []
    book.silent.clear()
    book.journal.sweep(now=10.1)
    book.tell([(10.5, A, None, C, "better")], now=10.5)
    book.journal.sweep(now=20.0)
    assert book.told == [route(A, B, C, "suspected", 0.75)]


def test_a_route_that_stays_away_is_told_as_lost_and_again_when_it_is_back() -> None:
    book = Book()
    book.tell([(10.0, A, B, None, "retracted")], now=10.0)
    book.journal.sweep(now=10.9)
    assert book.told == []
    for now in (11.0, 12.0):
        book.journal.sweep(now=now)
        assert book.told == [route(A, B, None, "retracted", 1.0)]
    assert book.journal.after(0)[0].at == 11.0, "told when it was sure, and since when"
    book.tell([(40.0, A, None, B, "better")], now=40.0)
    assert book.told[1:] == [route(A, B, B, "retracted", 30.0)]


def test_changes_that_were_pushed_out_unread_are_counted_and_confuse_nothing() -> None:
    book = Book()
    book.tell([(10.0, A, B, None, "lost")], now=10.0, pushed_out=5)
    book.tell([(11.0, A, B, C, "better")], now=11.0)  # that A had come back was pushed out
    book.journal.sweep(now=11.5)
    assert book.told == [route(A, B, C, "better"), (EventKind.ROUTES, None, None, None, None, None, 5)]


def test_a_mesh_whose_routes_all_change_costs_some_entries_and_a_count() -> None:
    book = Book()
    book.journal.note(EventKind.LINK_DOWN, node=B, cause="silent", silent_s=0.2, now=9.0)
    nodes = [destination(number) for number in range(1_000)]
    book.used = set(nodes[-5:])
    for second in range(100):
        now = 10.0 + second
        book.tell([(now, node, B, C, "worse") for node in nodes], now=now)
        book.journal.sweep(now=now + 0.5)
    told = book.told
    assert told[0][0] is EventKind.LINK_DOWN
    assert len(told) == 1 + JOURNAL_ENTRIES
    in_last_second = [one for one in book.journal.after(0) if one.at >= now]
    counted = sum(entry.count for entry in in_last_second)
    assert counted == len(nodes)
    assert len(in_last_second) == JOURNAL_ROUTES_PER_SECOND + 5 + 1
    assert book.used <= {entry.node for entry in in_last_second}


def test_routes_that_never_come_back_fill_no_memory() -> None:
    book = Book()
    for batch in range(3):
        now = 10.0 + 2 * batch
        first = batch * JOURNAL_LOST_ROUTES
        nodes = [destination(first + number) for number in range(JOURNAL_LOST_ROUTES + 10)]
        book.tell([(now, node, B, None, "lost") for node in nodes], now=now)
        book.journal.sweep(now=now + 1.5)
    story = book.journal._routes
    assert (len(story._lost), len(story._gone)) == (0, JOURNAL_LOST_ROUTES)
    book.tell([(99.0, nodes[-1], None, C, "better")], now=99.0)
    assert book.told[-1] == route(nodes[-1], B, C, "lost", 99.0 - now)


# -- everything else ---------------------------------------------------------------------------------------------------


def test_the_times_of_entries_never_fall() -> None:
    book = Book()
    book.journal.note(EventKind.LINK_DOWN, node=A, now=10.0)
    book.tell([(9.0, destination(1), None, A, "up")], now=10.5)  # read a moment after it was made
    book.journal.note(EventKind.LINK_UP, node=B, after=HERE, now=9.5)
    assert [entry.at for entry in book.journal.after(0)] == [10.0, 10.0, 10.0]


def test_a_peer_that_never_answers_is_told_ever_more_rarely() -> None:
    journal = Journal(now=0.0)
    for failures in range(1_000):
        journal.peer_failed("udp://a:1", "no answer", failures, now=float(failures))
    assert [entry.count for entry in journal.after(0)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


def test_the_oldest_entries_give_way_and_the_numbers_tell() -> None:
    journal = Journal(now=0.0)
    for number in range(JOURNAL_ENTRIES + 7):
        journal.note(EventKind.LINK_KEYS, node=destination(number), now=1.0)
    assert journal.newest == JOURNAL_ENTRIES + 7
    assert [entry.sequence for entry in journal.after(3)] == list(range(8, JOURNAL_ENTRIES + 8))


def test_a_neighbour_that_flaps_is_told_a_few_times_a_minute_and_the_rest_is_counted() -> None:
    journal = Journal(now=0.0)
    for tenth in range(6_000):  # ten minutes
        journal.note(EventKind.LINK_TRUSTED, node=C, now=tenth / 10)
        if tenth % 10 == 0:
            journal.sweep(now=tenth / 10)
    journal.sweep(now=700.0)
    told = journal.after(0)
    assert len(told) <= JOURNAL_EVENTS_AT_ONCE + 10 * (JOURNAL_EVENTS_PER_MINUTE + 1) + 1
    assert {entry.node for entry in told} == {C}
    assert sum(entry.count for entry in told) == 6_000
    assert [entry.count for entry in told if entry.kind is EventKind.MORE][1] == 600 - JOURNAL_EVENTS_PER_MINUTE


def test_a_neighbour_that_flaps_pushes_out_no_entry_of_another() -> None:
    journal = Journal(now=0.0)
    book = Book()
    for number, owner in enumerate((A, B)):
        journal.note(EventKind.LINK_UP, node=owner, after=HERE, now=float(number))
        book.tell([(float(number), owner, None, owner, "better")], now=float(number))
    journal.peer_failed("udp://a:1", "no answer", 1, now=2.0)
    for flap in range(5_000):
        now = 10.0 + flap
        journal.note(EventKind.LINK_DOWN, node=C, cause="silent", silent_s=0.2, now=now)
        journal.note(EventKind.LINK_UP, node=C, after=THERE, now=now)
        book.tell([(now, destination(flap % 100), C, THERE.host.encode(), "worse")], now=now)
    assert [one.node for one in journal.after(0)][:3] == [A, B, None]
    assert len(journal.after(0)) == len(book.journal.after(0)) == JOURNAL_ENTRIES
    assert [one.node for one in book.journal.after(0)][:2] == [A, B]


# -- of a node ---------------------------------------------------------------------------------------------------------


def entries(host: NamedHost, *kinds: EventKind) -> list[Entry]:
    """Returns what a host's journal has of these kinds."""
    host.node.note_route_changes(now=host.node.journal.after(0)[-1].at)
    return [entry for entry in host.node.journal.after(0) if entry.kind in kinds]


def test_a_cut_is_told_by_the_link_and_by_the_route_that_left_it() -> None:
    net = square()
    a, b, d = (net.hosts[name] for name in "abd")
    before = a.node.journal.newest
    cut_at = net.now
    net.cut("a", "b")
    while net.now < cut_at + 2:
        ping(net, "a", "b")
        net.run(0.01)
        a.node.note_route_changes(now=net.now)
    told = [entry for entry in a.node.journal.after(before) if b.address == entry.node]
    suspect, down = (entry for entry in told if entry.kind is not EventKind.ROUTE)
    (switch,) = (entry for entry in told if entry.kind is EventKind.ROUTE)
    assert (suspect.kind, down.kind, down.cause) == (EventKind.LINK_SUSPECT, EventKind.LINK_DOWN, "silent")
    assert suspect.silent_s == pytest.approx(suspect.at - cut_at, abs=0.03)
    assert down.silent_s == pytest.approx(down.at - cut_at, abs=0.03)
    assert (switch.before, switch.after, switch.cause) == (b.address, d.address, "suspected")
    assert switch.without_s == pytest.approx(switch.at - cut_at, abs=0.03)
    assert reaches(net, "a", "b")


def test_a_goodbye_is_told_as_one() -> None:
    net = ready_pair()
    b = net.hosts["b"].address
    net.close("b")
    net.run(1)
    (down,) = entries(net.hosts["a"], EventKind.LINK_DOWN)
    assert (down.cause, down.node) == ("closed", b)


def test_a_suspicion_that_proves_wrong_is_taken_back() -> None:
    net = ready_pair()
    net.cut("a", "b")
    a = net.hosts["a"]
    ping(net, "a", "b")
    net.run(1, until=lambda: bool(entries(a, EventKind.LINK_SUSPECT)))
    net.mend("a", "b")
    net.run(1)
    assert [one.kind for one in entries(a, EventKind.LINK_SUSPECT, EventKind.LINK_TRUSTED, EventKind.LINK_DOWN)] == [
        EventKind.LINK_SUSPECT,
        EventKind.LINK_TRUSTED,
    ]


def test_new_keys_of_a_link_are_told_and_new_keys_of_age_of_a_session_are_not() -> None:
    net = ready_pair()
    net.run(1)
    while net.now < 1_000 + 16 * 60:
        ping(net, "a", "b")
        net.run(10)
    for name in "ab":
        assert len(entries(net.hosts[name], EventKind.LINK_KEYS)) == 1
        assert entries(net.hosts[name], EventKind.SESSION_RENEWED, EventKind.LINK_DOWN) == []


def test_a_restart_is_told_by_the_link_and_by_the_session() -> None:
    net = ready_line("abc")
    deliver(net, "a", "c")
    net.run(12)
    net.restart("c")
    net.run(3)
    deliver(net, "a", "c")
    net.run(1)
    (renewed,) = entries(net.hosts["a"], EventKind.SESSION_RENEWED)
    assert renewed.node == net.hosts["c"].address
    restarts = entries(net.hosts["b"], EventKind.LINK_RESTARTED, EventKind.LINK_DOWN)
    assert [one.kind for one in restarts] == [EventKind.LINK_DOWN, EventKind.LINK_RESTARTED]
    assert {one.node for one in restarts} == {net.hosts["c"].address}


def test_a_neighbour_that_moves_is_told_with_both_addresses() -> None:
    net = ready_pair()
    net.move("b", "elsewhere")
    net.run(3)
    assert is_up(net, "a", "b")
    (moved,) = entries(net.hosts["a"], EventKind.LINK_MOVED)
    assert isinstance(moved.before, Endpoint)
    assert isinstance(moved.after, Endpoint)
    assert (moved.before.host, moved.after.host) == ("b", "elsewhere")


def test_peers_that_cannot_be_reached_are_told() -> None:
    net = ready_pair()
    net.add_peer("a", url_of("nobody"))
    a = net.hosts["a"]
    net.run(10)
    a.node.peer_resolved(url_of("nobody"), [], now=net.now)
    net.run(1)
    assert [(one.peer, one.cause, one.count) for one in entries(a, EventKind.PEER_FAILED)] == [
        (url_of("nobody"), NO_ANSWER, 1),
        (url_of("nobody"), "the name is not known", 1),
    ]
