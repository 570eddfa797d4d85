"""How many events are noted, and that none goes uncounted."""

from mycelium.limits import JOURNAL_EVENTS_AT_ONCE, JOURNAL_EVENTS_PER_MINUTE, JOURNAL_SUBJECTS
from mycelium.node.event_kind import EventKind
from mycelium.node.event_rate import TELL_S, EventRate

A, B = b"a" * 16, b"b" * 16
UP, DOWN = EventKind.LINK_UP, EventKind.LINK_DOWN


def test_some_events_pass_at_once_then_a_few_a_minute_and_the_rest_is_counted() -> None:
    rate = EventRate(now=0.0)
    passed = counted = 0
    for tenth in range(6_000):  # ten minutes
        passed += rate.admits(UP, A, now=tenth / 10)
        counted += rate.take_left_out(now=tenth / 10).get(A, 0)
    assert passed <= JOURNAL_EVENTS_AT_ONCE + 10 * JOURNAL_EVENTS_PER_MINUTE + 1
    assert passed + counted + rate.take_left_out(now=600.0 + TELL_S).get(A, 0) == 6_000


def test_each_kind_and_each_subject_has_a_rate_of_its_own() -> None:
    rate = EventRate(now=0.0)
    while rate.admits(UP, A, now=1.0):
        pass
    assert rate.admits(UP, B, now=1.0)
    assert rate.admits(DOWN, A, now=1.0)
    assert rate.take_left_out(now=1.0) == {}
    assert rate.take_left_out(now=TELL_S) == {A: 1}
    assert rate.take_left_out(now=2 * TELL_S) == {}


def test_subjects_beyond_the_bound_are_counted_together() -> None:
    rate = EventRate(now=0.0)
    subjects = [number.to_bytes(16, "big") for number in range(JOURNAL_SUBJECTS + 5)]
    for subject in subjects:
        for _ in range(JOURNAL_EVENTS_AT_ONCE + 1):
            rate.admits(UP, subject, now=1.0)
    left_out = rate.take_left_out(now=TELL_S)
    assert left_out.pop(None) == 5
    assert set(left_out.values()) == {1}
    assert len(left_out) == JOURNAL_SUBJECTS
