"""A host that slept is told from one that was busy."""

from mycelium.daemon.sleep import SLEEPS_REMEMBERED, SLEPT_S, SleepLog, SleepWatch, slept_s


def test_a_sleep_is_noticed_once() -> None:
    watch = SleepWatch(100.0)
    assert not watch.has_slept(100.0, 0.9)
    assert watch.has_slept(160.0, 0.9)
    assert not watch.has_slept(160.0, 0.9)


def test_a_process_that_was_stopped_has_slept_too() -> None:
    watch = SleepWatch(0.0)
    assert not watch.has_slept(0.0, 4.0)
    assert watch.has_slept(0.0, 60.0)


def test_clocks_that_drift_apart_are_no_sleep() -> None:
    watch = SleepWatch(slept_s())
    assert not watch.has_slept(slept_s(), 0.0)


def test_each_entry_of_a_journal_has_the_sleep_before_it() -> None:
    log = SleepLog(5.0)
    log.note(3, 5.0)
    log.note(4, 5.0 + SLEPT_S)  # too short to count
    log.note(6, 100.0)
    log.note(9, 100.0)
    assert [log.slept_before(sequence) for sequence in (1, 3, 4, 5, 6, 9, 10)] == [5.0, 5.0, 5.0, *[100.0] * 4]


def test_sleeps_that_are_remembered_are_bounded() -> None:
    log = SleepLog(0.0)
    for number in range(1, 2 * SLEEPS_REMEMBERED + 1):
        log.note(number, 10.0 * number)
    assert log.slept_before(2 * SLEEPS_REMEMBERED) == 20.0 * SLEEPS_REMEMBERED
    assert log.slept_before(1) == 10.0 * (SLEEPS_REMEMBERED + 1), "the oldest that is known"
