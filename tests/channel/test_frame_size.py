"""Sizes are changed by trials, and each trial that does not pay is undone."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.channel.frame_size import (
    CALM_S,
    FEW_FRAMES,
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    STEP,
    FrameSize,
)

FLOOR = 1_400
CEILING = 131_072
STEP_S = 0.05  # between reports


def fresh() -> FrameSize:
    return FrameSize(floor=FLOOR, ceiling=CEILING)


def one_by_one(share: float) -> Callable[[int], float]:
    """Datagrams are lost alone: a frame of that many is lost with any of them."""
    return lambda datagrams: 1 - (1 - share) ** datagrams


def overflow(share: float) -> Callable[[int], float]:
    """A queue drops frames whatever their size."""
    return lambda datagrams: share


def limits(
    size: FrameSize, loss: Callable[[int], float], seconds: float, *, begin: float = 0.0, frames: int = 200
) -> list[int]:
    """Returns the size after each report."""
    rng = random.Random(repr(seconds))
    seen = []
    for step in range(round(seconds / STEP_S)):
        share = loss(-(-min(size.limit, 62_000) // FLOOR))
        size.judge(frames, sum(rng.random() < share for _ in range(frames)), now=begin + step * STEP_S)
        seen.append(size.limit)
    return seen


def test_shorter_frames_stay_where_they_help() -> None:
    size = fresh()
    seen = limits(size, one_by_one(0.01), 20.0)
    assert sum(limit <= STEP * FLOOR for limit in seen) > 0.99 * len(seen)
    assert sum(limit == FLOOR for limit in seen) > 0.7 * len(seen)


@pytest.mark.parametrize(("share", "least"), [(0.02, 0.5), (0.3, 0.9), (0.9, 0.9)])  # a low loss takes longer to judge
def test_shorter_frames_are_given_up_where_they_do_not_help(share: float, least: float) -> None:
    size = fresh()
    seen = limits(size, overflow(share), 60.0)
    assert sum(limit == CEILING for limit in seen) > least * len(seen)


def test_a_size_that_was_tried_in_vain_is_tried_again_ever_later() -> None:
    size = fresh()
    seen = limits(size, overflow(0.3), 60.0)
    tried = [round(at * STEP_S, 6) for at, (one, other) in enumerate(pairwise(seen)) if other < one]
    waits = [round(later - earlier, 6) for earlier, later in pairwise(tried)]
    assert waits[0] < 4 * FIRST_WAIT_S
    assert waits[:5] == sorted(waits[:5])
    assert all(LONGEST_WAIT_S <= wait < LONGEST_WAIT_S + 3 * STEP_S for wait in waits[10:])


@pytest.mark.parametrize("loss", [one_by_one(0.01), one_by_one(0.2), overflow(0.3), overflow(0.02)])
@pytest.mark.parametrize("seconds", [0.5, 3.0, 60.0])
def test_whatever_has_been_lost_the_size_is_as_ever_soon_after_it_ends(
    loss: Callable[[int], float], seconds: float
) -> None:
    size = fresh()
    limits(size, loss, seconds)
    after = limits(size, overflow(0.0), LONGEST_WAIT_S + 0.5, begin=seconds)
    assert after[-1] == CEILING
    assert limits(size, overflow(0.0), 1.0, begin=seconds + 5) == [CEILING] * round(1.0 / STEP_S)


def test_after_a_quiet_time_shorter_frames_are_tried_at_once_again() -> None:
    size = fresh()
    limits(size, overflow(0.3), 60.0)
    limits(size, overflow(0.0), 1.0, begin=60.0)
    size.judge(200, 100, now=61.0)
    assert size.limit == FLOOR


def test_few_frames_without_a_loss_are_enough_to_try_larger_ones() -> None:
    size = fresh()
    size.limit = FLOOR
    size.judge(FEW_FRAMES - 1, 0, now=0.0)
    assert size.limit == FLOOR
    size.judge(1, 0, now=0.0)
    assert size.limit == STEP * FLOOR


def test_frames_that_come_late_take_their_loss_back() -> None:
    size = fresh()
    size.judge(4, 2, now=0.0)
    size.judge(4, -2, now=0.0)
    size.judge(4, 2, now=0.0)
    assert size.limit == CEILING


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(-1, 1), st.floats(0, 10)), max_size=60))
def test_the_size_stays_within_its_bounds(reports: list[tuple[int, float, float]]) -> None:
    size, now = fresh(), 0.0
    for frames, share, pause in reports:
        now += pause
        size.judge(frames, int(frames * share), now=now)
        assert FLOOR <= size.limit <= CEILING


@pytest.mark.parametrize(
    ("begin", "seen"),
    [(2 * CALM_S, [4 * FLOOR, 16 * FLOOR, CEILING]), (0.2 * CALM_S, [4 * FLOOR, 4 * FLOOR, 16 * FLOOR])],
)
def test_once_nothing_was_lost_for_a_while_each_report_makes_frames_longer(begin: float, seen: list[int]) -> None:
    size = fresh()
    size.judge(10, 5, now=0.0)
    size.judge(32, 0, now=0.1 * CALM_S)
    assert size.limit == FLOOR
    limits = []
    for number in range(3):
        size.judge(FEW_FRAMES, 0, now=begin * (1 + number / 2))
        limits.append(size.limit)
    assert limits == seen
