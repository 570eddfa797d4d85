"""The journal on the operator's side: wall-clock times, addresses as text, and the log."""

import logging
import time
from math import inf
from time import monotonic

import pytest

from mycelium.admin.control import EventInfo
from mycelium.admin.event_text import describe
from mycelium.daemon.events import EventLog, event_infos
from mycelium.endpoint import Endpoint
from mycelium.limits import JOURNAL_LINES_PER_SECOND
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Journal

A, B, C = (bytes((4, number)) + bytes(13) + b"\1" for number in range(3))
HERE = Endpoint("udp", "192.0.2.1", 9651)
THERE = Endpoint("udp", "2001:db8::2", 9651)


def full_journal() -> Journal:
    """Returns a journal with an entry of each kind."""
    now = monotonic()
    journal = Journal(now=now)
    journal.note(EventKind.LINK_UP, node=A, after=HERE, now=now)
    journal.note(EventKind.LINK_SUSPECT, node=A, silent_s=0.07, now=now)
    journal.note(EventKind.LINK_TRUSTED, node=A, now=now)
    journal.note(EventKind.LINK_RESTARTED, node=A, now=now)
    journal.note(EventKind.LINK_KEYS, node=A, now=now)
    journal.note(EventKind.LINK_MOVED, node=A, before=HERE, after=THERE, now=now)
    journal.note(EventKind.LINK_DOWN, node=A, cause="silent", silent_s=0.205, now=now)
    journal.note(EventKind.LINK_DOWN, node=B, cause="closed", silent_s=0.0, now=now)
    journal.peer_failed("udp://a:9651", "no answer", 1, now=now)
    journal.peer_failed("udp://a:9651", "no answer", 2, now=now)
    journal.note(EventKind.SESSION_RENEWED, node=C, now=now)
    changes = [(now, A, None, B, "better"), (now, A, B, C, "suspected")]
    journal.routes_changed(
        changes, 9, is_in_use=lambda node: False, silent_since=lambda node: now - 0.25 if node == B else inf, now=now
    )
    journal.sweep(now=now)
    journal.routes_changed(
        [(now, C, B, None, "lost")], 10, is_in_use=lambda node: False, silent_since=lambda node: inf, now=now
    )
    journal.sweep(now=now + 2)
    return journal


def test_every_kind_has_words() -> None:
    infos = event_infos(full_journal(), 0)
    assert [describe(info) for info in infos] == [
        "link up: 400::1 at udp://192.0.2.1:9651",
        "link suspect: 400::1, silent for 0.07 s",
        "link trusted again: 400::1",
        "link restarted: 400::1",
        "link keys renewed: 400::1",
        "link moved: 400::1 from udp://192.0.2.1:9651 to udp://[2001:db8::2]:9651",
        "link down: 400::1, silent for 0.20 s",
        "link down: 401::1, closed",
        "peer udp://a:9651: no answer",
        "peer udp://a:9651: no answer, 2 times in a row",
        "session renewed: 402::1",
        "route to 400::1: none -> 401::1, better",
        "route to 400::1: 401::1 -> 402::1, suspected, 0.250 s without",
        "routes: 7 more changes",
        "route to 402::1: 401::1 -> none, lost",
    ]
    assert {info.kind for info in infos} == {kind.value for kind in EventKind}
    assert all(abs(info.time - time.time()) < 5 for info in infos)
    assert describe(EventInfo(sequence=1, time=0.0, kind="of a newer daemon")) == "of a newer daemon"


def test_the_log_has_links_as_information_routes_as_details_and_failures_as_warnings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal = Journal(now=monotonic())
    log = EventLog(journal)
    with caplog.at_level(logging.DEBUG, "mycelium"):
        journal.note(EventKind.LINK_UP, node=A, after=HERE, now=monotonic())
        log.write_new()
        journal.peer_failed("udp://a:9651", "the name is not known", 1, now=monotonic())
        now = monotonic()
        journal.routes_changed(
            [(now, A, None, B, "better")], 1, is_in_use=lambda node: True, silent_since=lambda node: inf, now=now
        )
        log.write_new()
        log.write_new()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "link up: 400::1 at udp://192.0.2.1:9651"),
        ("WARNING", "peer udp://a:9651: the name is not known"),
        ("DEBUG", "route to 400::1: none -> 401::1, better"),
    ]


def test_a_flood_of_events_is_logged_in_part_and_the_rest_is_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("mycelium.daemon.events.monotonic", lambda: clock[0])
    journal = Journal(now=100.0)
    log = EventLog(journal)
    with caplog.at_level(logging.INFO, "mycelium"):
        for _ in range(500):
            journal.note(EventKind.LINK_TRUSTED, node=A, now=100.0)
            log.write_new()
        assert len(caplog.records) == JOURNAL_LINES_PER_SECOND
        clock[0] += 1.0
        journal.note(EventKind.LINK_TRUSTED, node=A, now=101.0)
        log.write_new()
    assert str(500 - JOURNAL_LINES_PER_SECOND) in caplog.records[-2].getMessage()
    assert "link trusted again" in caplog.records[-1].getMessage()
