"""Waiting ends when the condition holds, or with what is missing."""

import itertools
from types import SimpleNamespace

import pytest

from tests.lab.waiting import PATIENCE_S, STOPPED_S, wait_steady, wait_until


def test_what_the_condition_returns_is_returned() -> None:
    values = iter([0, "", "there"])
    assert wait_until(lambda: next(values), PATIENCE_S, "a value", every_s=0) == "there"


def test_a_deadline_tells_what_is_missing() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.01 s: rain"):
        wait_until(lambda: False, 0.01, "rain")
    with pytest.raises(AssertionError, match="no rain yet"):
        wait_until(lambda: False, 0.01, lambda: "no rain yet")


@pytest.mark.parametrize(("stopped_s", "lasts_s"), [(0.0, 30.0), (STOPPED_S - 0.1, 30.0), (40.0, 70.0)])
def test_a_time_in_which_nothing_ran_does_not_count(
    monkeypatch: pytest.MonkeyPatch, stopped_s: float, lasts_s: float
) -> None:
    now, stops = 0.0, iter([stopped_s])

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds + next(stops, 0.0)

    monkeypatch.setattr("tests.lab.waiting.time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    with pytest.raises(AssertionError, match="not within 30 s"):
        wait_until(lambda: False, 30.0, "rain", every_s=0.5)
    assert lasts_s < now <= lasts_s + 0.5


def test_a_value_is_steady_when_it_stays_true_and_the_same() -> None:
    values = itertools.chain([[], [1], [2]], itertools.repeat([3]))
    assert wait_steady(lambda: next(values), 0.04, 10, "rest") == [3]


def test_neither_a_changing_nor_a_false_value_is_steady() -> None:
    numbers = itertools.count(1)
    with pytest.raises(AssertionError, match="rest"):
        wait_steady(lambda: next(numbers), 0.02, 0.1, "rest")
    with pytest.raises(AssertionError, match="rest"):
        wait_steady(lambda: 0, 0.02, 0.1, "rest")
