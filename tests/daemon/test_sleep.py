"""A host that slept is told from one that was busy."""

from mycelium.daemon.sleep import SleepWatch, slept_s


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
