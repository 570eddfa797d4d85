"""The log of a run: its digest and its newest events."""

import hashlib

from sim.net.run_log import _ENTRY, _FLUSH_BYTES, CHANGE, DOWN, LAST_EVENTS, RECEIVE, UP, WAKE, RunLog


def filled(*details: int) -> RunLog:
    log = RunLog()
    for detail in details:
        log.note(RECEIVE, 1, 2, detail, now=0.5)
    return log


def test_equal_runs_have_equal_digests_and_others_have_not() -> None:
    assert filled(1, 2).digest() == filled(1, 2).digest()
    assert len({filled(1, 2).digest(), filled(2, 1).digest(), filled(1).digest(), filled().digest()}) == 4


def test_a_digest_can_be_taken_at_any_time() -> None:
    one, other = filled(1), filled(1)
    one.digest()
    for log in (one, other):
        log.note(CHANGE, 3, -1, 0, now=1.0)
    assert one.digest() == other.digest()


def test_results_are_part_of_the_digest() -> None:
    log = filled(1)
    log.add(b"result")
    assert log.digest() != filled(1).digest()


def test_the_newest_events_are_kept_for_people() -> None:
    log = filled(*range(LAST_EVENTS))
    log.note(CHANGE, 3, -1, 7, now=1.0)
    assert len(log.last_events()) == LAST_EVENTS
    assert log.last_events(lambda node, peer: node == 3) == [
        {"t": 1.0, "what": "change", "node": 3, "peer": -1, "detail": 7}
    ]


def test_the_digest_of_a_long_log_covers_every_event_once() -> None:
    events = 3 * _FLUSH_BYTES // _ENTRY.size
    expected = hashlib.blake2b(digest_size=16)
    for detail in range(events):
        expected.update(_ENTRY.pack(0.5, RECEIVE, 1, 2, detail))
    assert filled(*range(events)).digest() == expected.hexdigest()


def test_events_of_different_kinds_differ() -> None:
    logs = [RunLog() for _ in range(5)]
    for kind, log in zip((RECEIVE, WAKE, UP, DOWN, CHANGE), logs, strict=True):
        log.note(kind, 1, 2, 3, now=0.5)
    assert len({log.digest() for log in logs}) == 5
    assert [log.last_events()[0]["what"] for log in logs] == ["receive", "wake", "up", "down", "change"]
