"""Everything is counted, also what the journal leaves out because there is too much of it."""

from math import inf

from mycelium.limits import JOURNAL_EVENTS_AT_ONCE, JOURNAL_ROUTES_PER_SECOND
from mycelium.link.causes import NO_ANSWER
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Journal
from mycelium.node.tally import OUTAGE_BOUNDS_S, PUSHED_OUT, Tally
from mycelium.routing.selection import RouteChange

A, B = (bytes((4, number)) + bytes(14) for number in range(2))


def told(journal: Journal, *changes: RouteChange, silent_since: float = inf, pushed_out: int = 0) -> Tally:
    version = sum(journal.tally.routes.values()) + len(changes) + pushed_out
    journal.routes_changed(
        changes, version, is_in_use=lambda node: False, silent_since=lambda node: silent_since, now=changes[-1][0]
    )
    return journal.tally


def test_changes_of_links_are_counted_by_neighbour_and_kind_of_cause_however_many_there_are() -> None:
    journal, times = Journal(now=0.0), 2 * JOURNAL_EVENTS_AT_ONCE
    for _ in range(times):
        journal.note(EventKind.LINK_UP, node=A, now=1.0)
        journal.note(EventKind.LINK_SUSPECT, node=A, cause="silent", silent_s=0.1, now=1.0)
        journal.note(EventKind.LINK_TRUSTED, node=A, now=1.0)
        journal.note(EventKind.LINK_DOWN, node=A, cause="eth0 lost its carrier", silent_s=0.1, now=1.0)
    journal.note(EventKind.LINK_DOWN, node=B, cause="closed", silent_s=0.0, now=1.0)
    journal.note(EventKind.LINK_KEYS, node=B, now=1.0)
    journal.note(EventKind.SESSION_RENEWED, node=B, now=1.0)
    counts = {subject: dict(counts) for subject, counts in journal.tally.links if counts}
    assert counts == {
        A: {
            ("up", "linked"): times,
            ("suspect", "silent"): times,
            ("up", "answers again"): times,
            ("down", "interface"): times,
        },
        B: {("down", "closed"): 1},
    }
    assert journal.tally.session_renewals == 1


def test_each_failure_of_a_peer_is_counted() -> None:
    journal = Journal(now=0.0)
    for failures in range(1, 8):
        journal.peer_failed("udp://a:9651", NO_ANSWER, failures, now=float(failures))
    assert dict(journal.tally.failures.of("udp://a:9651")) == {("no-answer",): 7}


def test_each_outage_that_is_over_is_counted_once_and_each_change_by_its_cause() -> None:
    journal = Journal(now=0.0)
    tally = told(journal, (1.0, A, None, B, "up"))
    assert sum(tally.outages.counts) == 0
    told(journal, (5.0, A, B, A, "suspected"), silent_since=4.85)
    told(journal, (6.0, A, A, None, "lost"))
    journal.sweep(now=9.0)  # told as lost
    told(journal, (9.5, A, None, B, "up"))
    assert dict(zip(OUTAGE_BOUNDS_S, tally.outages.counts, strict=False)) | {0.2: 1, 5.0: 1} == dict(
        zip(OUTAGE_BOUNDS_S, tally.outages.counts, strict=False)
    )
    assert sum(tally.outages.counts) == 2
    assert tally.routes == {"up": 2, "suspected": 1, "lost": 1, PUSHED_OUT: 0}


def test_a_thousand_routes_over_a_neighbour_that_dies_are_a_thousand_outages() -> None:
    journal, nodes = Journal(now=0.0), 30 * JOURNAL_ROUTES_PER_SECOND
    changes = [(5.0, number.to_bytes(16, "big"), A, B, "suspected") for number in range(nodes)]
    tally = told(journal, *changes, silent_since=4.5, pushed_out=3)
    assert sum(tally.outages.counts) == nodes
    assert tally.routes == {"suspected": nodes, PUSHED_OUT: 3}
    assert len(journal.after(0)) < nodes
