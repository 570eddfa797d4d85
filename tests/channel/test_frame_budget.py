"""Loss makes frames small, quickly; its absence makes them large again, slowly; reports are rare where nothing is lost."""

import math
import random
import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.channel.frame_budget import (
    CALM_EVERY_S,
    CALM_FOR_S,
    FRAMES_IN_A_ROW,
    OCCUPANCY_S,
    RELAX_AFTER_S,
    RELAX_DATAGRAMS,
    REPORT_AFTER_S,
    REPORT_EVERY_S,
    SHORT_BYTES,
    SHORT_S,
    TOLERANCE,
    UNUSED_AFTER_S,
    USED_DATAGRAMS,
    ArrivalReport,
    FrameBudget,
)
from mycelium.channel.frame_size import LONGEST_WAIT_S, STEP
from mycelium.limits import FRAME_PLAINTEXT, GSO_BYTES

FLOOR = 1_400
TEN_MBIT = 1_250_000.0  # bytes a second


@pytest.mark.parametrize(
    ("datagram_loss", "least", "most"),
    [
        (0.0, FRAME_PLAINTEXT, FRAME_PLAINTEXT),
        (0.00005, 44 * FLOOR, FRAME_PLAINTEXT),
        (0.001, 2 * FLOOR, 12 * FLOOR),
        (0.01, FLOOR, 2 * FLOOR),
        (0.05, FLOOR, FLOOR),
    ],
)
def test_limit_settles_where_few_frames_fail(datagram_loss: float, least: int, most: int) -> None:
    link = LossyLink(1)

    limits = []
    for _ in range(200):
        link.run(seconds=0.1, datagram_loss=datagram_loss)
        limits.append(link.budget.limit)

    assert least <= statistics.median(limits) <= most
    assert link.budget.datagram_loss == pytest.approx(datagram_loss, rel=0.4, abs=0.0008)


def test_heavy_loss_is_answered_by_the_first_report() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.sent_datagrams = 440

    budget.report(6, 10, sent=10, now=0.05)

    assert budget.limit == FLOOR
    assert budget.loss > 0.0


def test_light_loss_shortens_frames_by_a_step() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)

    budget.report(480, 500, sent=500, now=0.05)

    assert budget.limit == GSO_BYTES // STEP


def test_single_lost_frame_is_no_rate() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)

    budget.report(19, 20, sent=20, now=0.05)

    assert budget.limit == FRAME_PLAINTEXT


def test_the_limit_is_as_large_as_ever_within_a_second_of_a_short_loss() -> None:
    link = LossyLink(2)
    link.run(seconds=0.5, datagram_loss=0.03)
    assert link.budget.limit == FLOOR
    link.run(seconds=1.0, datagram_loss=0.0)
    assert link.budget.limit == FRAME_PLAINTEXT


@pytest.mark.parametrize("loss", [0.005, 0.02, 0.06])
def test_the_limit_is_as_large_as_ever_within_three_seconds_of_a_long_loss(loss: float) -> None:
    link = LossyLink(3)
    link.run(seconds=60.0, datagram_loss=loss)
    assert link.budget.limit <= 4 * FLOOR
    link.run(seconds=LONGEST_WAIT_S + 1.0, datagram_loss=0.0)
    assert link.budget.limit == FRAME_PLAINTEXT


def test_what_is_on_its_way_when_frames_become_shorter_is_not_counted_for_the_shorter_ones() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.sent_datagrams = 1_000
    budget.report(5, 10, sent=60, now=0.05)
    assert budget.limit == FLOOR
    budget.report(30, 60, sent=200, now=0.10)
    budget.report(40, 70, sent=300, now=0.15)  # the first that is about shorter ones begins here
    budget.report(270, 300, sent=300, now=0.20)
    assert budget.limit == FLOOR


def test_frames_that_were_only_late_are_not_lost() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    for step in range(1, 100):
        newest = 100 * step
        budget.report(newest - step % 2 * 4, newest, sent=newest, now=float(step))

    assert budget.limit == FRAME_PLAINTEXT


def test_figures_that_pass_32_bits_are_understood() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    for newest in range(0, (1 << 33) + 1, 1 << 30):
        budget.report(newest & 0xFFFF_FFFF, newest & 0xFFFF_FFFF, sent=newest & 0xFFFF_FFFF, now=0.0)

    assert (budget.limit, budget.loss) == (FRAME_PLAINTEXT, 0.0)


def test_report_that_comes_late_or_twice_is_ignored() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.report(1_000, 1_000, sent=1_000, now=0.1)
    for _ in range(50):
        budget.report(900, 990, sent=990, now=0.2)
        budget.report(1_000, 990, sent=990, now=0.2)
        budget.report(1_000, 1_000, sent=1_000, now=0.2)

    assert (budget.limit, budget.loss) == (FRAME_PLAINTEXT, 0.0)


def test_frames_that_are_given_up_after_they_were_reported_as_opened_are_lost() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.report(1_000, 1_000, sent=1_000, now=0.1)
    budget.report(1_010, 1_010, sent=1_012, now=0.2)  # ten of which may still be repaired
    budget.report(1_000, 1_010, sent=1_012, now=0.3)
    assert budget.missed == 10
    budget.report(1_002, 1_012, sent=1_012, now=0.4)
    assert budget.missed == 10
    budget.report(1_000, 1_014, sent=1_014, now=0.5)
    assert budget.missed == 14, "four more, two of which had been reported as opened"
    assert budget.recent.share(now=0.5) == pytest.approx(14 / 1_014)
    budget.report(0, 1_015, sent=1_000, now=0.6)
    assert budget.missed == 14, "more than were sent"
    budget.expendable = 2
    budget.report(998, 1_014, sent=1_014, now=0.7)
    assert (budget.missed, budget.expendable) == (14, 0)


def test_counters_of_a_new_session_start_over() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.report(1_000_000, 1_000_000, sent=1_000_000, now=0.1)
    budget.restart_counters()

    budget.report(60, 100, sent=100, now=0.2)

    assert budget.limit == FLOOR


def test_losses_of_a_load_fade_within_minutes_on_an_idle_link() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.report(1_800, 2_000, sent=2_000, now=10.0)
    assert budget.datagram_loss > 0.09
    for second in range(600):
        budget.report(1_801 + second, 2_001 + second, sent=2_001 + second, now=11.0 + second)
    assert budget.datagram_loss < 0.01


def test_one_frame_after_a_long_silence_says_little() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.report(100, 100, sent=100, now=1.0)
    budget.report(100, 101, sent=101, now=10_000.0)
    assert 0.0 < budget.datagram_loss < 0.01


def test_limit_is_never_below_a_datagram() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.report(50, 100, sent=100, now=0.1)

    budget.set_floor(8_900)

    assert budget.limit == 8_900


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), max_size=30))
def test_lying_reports_stay_within_bounds(reports: list[tuple[int, int]]) -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    for step, (opened, newest) in enumerate(reports):
        budget.sent_datagrams += step
        budget.report(opened, newest, sent=newest, now=float(step))
        assert FLOOR <= budget.limit <= FRAME_PLAINTEXT
        assert 0.0 <= budget.loss <= 1.0
        assert 0.0 <= budget.datagram_loss <= 1.0


def test_nothing_is_reported_where_nothing_is_missing() -> None:
    arrivals = ArrivalReport()
    for counter in range(1, 1_000):
        arrivals.add(counter, now=counter / 1_000)

    assert arrivals.due_at == math.inf
    assert arrivals.take(now=1.0) == (999, 999)


def test_missing_frame_is_reported_once() -> None:
    arrivals = ArrivalReport()
    for counter in (1, 2, 4):
        arrivals.add(counter, now=1.0)

    assert arrivals.due_at == 1.0 + REPORT_AFTER_S
    assert [arrivals.is_due(now=1.005), arrivals.is_due(now=1.0 + REPORT_AFTER_S)] == [False, True]
    assert arrivals.take(now=1.01) == (3, 4)
    for counter in range(5, 100):
        arrivals.add(counter, now=1.1)
    assert arrivals.due_at == 1.01 + REPORT_EVERY_S


def test_calm_after_a_loss_is_reported_soon_then_each_second_for_a_minute() -> None:
    arrivals = ArrivalReport()
    reports = []
    for step in range(1, 8_000):
        now = step / 100
        if arrivals.add(step + 1, now=now):
            reports.append(now)
            arrivals.take(now=now)

    gaps = [later - earlier for earlier, later in pairwise(reports)]
    doubling = [REPORT_EVERY_S * 2**step for step in range(5)]
    assert gaps[:5] == [pytest.approx(gap, abs=0.02) for gap in doubling]
    assert gaps[5:] == [pytest.approx(CALM_EVERY_S, abs=0.02)] * len(gaps[5:])
    assert len(reports) == pytest.approx(CALM_FOR_S / CALM_EVERY_S, abs=6)


def test_reports_keep_their_distance() -> None:
    arrivals = ArrivalReport()
    arrivals.add(2, now=1.0)
    arrivals.take(now=1.01)

    arrivals.add(4, now=1.02)

    assert arrivals.due_at == 1.01 + REPORT_EVERY_S


def test_frame_that_comes_in_time_makes_the_report_needless() -> None:
    arrivals = ArrivalReport()
    for counter in (1, 3, 2):
        arrivals.add(counter, now=1.0)

    assert [arrivals.add(4, now=1.0 + REPORT_AFTER_S), arrivals.take(now=2.0)] == [False, (4, 4)]
    assert arrivals.due_at == math.inf


class LossyLink:
    """A sender that always has much to send, 1,000 datagrams a second's hundredth, and the reports that come back."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.budget = FrameBudget(floor=FLOOR, now=0.0)
        self.arrivals = ArrivalReport()
        self.now = 0.0
        self.counter = 0

    def run(self, *, seconds: float, datagram_loss: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self._burst(datagram_loss)
            self.now += 0.01
            if self.arrivals.is_due(now=self.now) or self.counter % 10 == 0:
                self.budget.report(*self.arrivals.take(now=self.now), sent=self.counter, now=self.now)

    def _burst(self, datagram_loss: float) -> None:
        datagrams = -(-self.budget.limit // FLOOR)
        arrives = (1 - datagram_loss) ** datagrams
        for _ in range(max(200 // datagrams, 1)):
            self.counter += 1
            self.budget.sent_datagrams += datagrams
            if self.rng.random() < arrives:
                self.arrivals.add(self.counter, now=self.now)


def test_what_was_lost_while_the_link_was_dead_is_forgotten() -> None:
    budget = FrameBudget(floor=1_400, now=0.0)
    budget.report(100, 100, sent=100, now=1.0)
    budget.start_over(now=2.0)
    budget.report(205, 205, sent=205, now=2.1)  # a hundred of which the receiver still waits for
    budget.report(205, 305, sent=305, now=3.0)
    budget.report(305, 405, sent=405, now=4.0)
    assert (budget.loss, budget.missed) == (0, 0)
    budget.report(355, 505, sent=505, now=5.0)
    assert budget.loss > 0


def test_what_was_lost_while_the_link_was_dead_is_forgotten_though_other_keys_follow_at_once() -> None:
    budget = FrameBudget(floor=1_400, now=0.0)
    budget.start_over(now=2.0)
    budget.restart_counters()
    budget.report(205, 205, sent=205, now=2.05)  # a hundred of which the receiver still waits for
    budget.report(106, 206, sent=206, now=2.1)
    assert (budget.loss, budget.missed) == (0, 0)
    budget.report(10, 10, sent=10, now=3.0)
    budget.report(60, 110, sent=110, now=4.0)
    assert budget.missed == 50


# -- slow paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "limit"),
    [
        (1_000.0, FLOOR),
        (TEN_MBIT, 2_500),
        (3_000_000.0, SHORT_BYTES),
        (6_000_000.0, SHORT_BYTES),
        (12_500_000.0, 8_750),
        (1e12, FRAME_PLAINTEXT),
    ],
)
def test_no_frame_is_longer_than_a_slow_path_carries_soon(rate: float, limit: int) -> None:
    """Within two milliseconds, or within less where that is enough for some packets."""
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.slow(rate, now=0.0)
    assert budget.limit == limit
    assert limit == FLOOR or limit <= rate * OCCUPANCY_S
    assert limit <= SHORT_BYTES or limit <= rate * SHORT_S


def relaxed(budget: FrameBudget, *, length: int, now: float, frames: int = RELAX_DATAGRAMS) -> int:
    """Returns how long frames may be after so many of one length."""
    for _ in range(frames):
        budget.sent(length, 1 + length // FLOOR)
    budget.sweep(now=now)
    return budget.limit


def test_longer_frames_are_tried_while_there_is_traffic_only() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.slow(TEN_MBIT, now=0.0)
    for second in range(1, 60):
        budget.sweep(now=float(second))
    assert budget.limit == 2_500
    moments = (60.0, 60.0 + 0.9 * RELAX_AFTER_S, 60.0 + RELAX_AFTER_S)
    assert [relaxed(budget, length=5_000, now=now) for now in moments] == [5_000, 5_000, FRAME_PLAINTEXT]


def test_longer_frames_that_no_traffic_fills_prove_nothing() -> None:
    """They would not be reported: so the longest are used seldom, and the next report decides."""
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.slow(TEN_MBIT, now=0.0)
    borne, used_at = int(2_500 * TOLERANCE), RELAX_AFTER_S + UNUSED_AFTER_S
    assert relaxed(budget, length=borne, now=RELAX_AFTER_S) == 5_000
    assert relaxed(budget, length=borne, now=0.99 * used_at) == 5_000
    for _ in range(9):  # never as many in a row as a report takes
        budget.sent(borne, 3)
        assert relaxed(budget, length=borne + 1, frames=FRAMES_IN_A_ROW - 1, now=0.99 * used_at) == 5_000
    assert budget.usual == 2_500
    assert relaxed(budget, length=borne, now=used_at) == budget.usual == FRAME_PLAINTEXT


def test_longer_frames_that_some_traffic_fills_prove_enough() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.slow(TEN_MBIT, now=0.0)
    assert relaxed(budget, length=2_500, now=RELAX_AFTER_S) == 5_000
    assert relaxed(budget, length=5_000, frames=FRAMES_IN_A_ROW, now=2 * RELAX_AFTER_S) == 5_000, "few datagrams"
    assert relaxed(budget, length=1_000, now=2 * RELAX_AFTER_S) == budget.usual == FRAME_PLAINTEXT


def test_frames_of_before_a_report_prove_nothing_after_it() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.slow(TEN_MBIT, now=0.0)
    assert relaxed(budget, length=2_500, now=RELAX_AFTER_S) == 5_000
    for _ in range(FRAMES_IN_A_ROW):
        budget.sent(5_000, 4)
    budget.slow(TEN_MBIT, now=RELAX_AFTER_S)
    moments = (2 * RELAX_AFTER_S, 3 * RELAX_AFTER_S)
    assert [relaxed(budget, length=2_500, now=now) for now in moments] == [5_000, 5_000]


def test_single_datagrams_neither_prove_a_path_quick_nor_come_between_frames_that_do() -> None:
    """Their receiver can't tell how long they take, though they are longer than such a slow path allows."""
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.slow(TEN_MBIT / 10, now=0.0)
    assert relaxed(budget, length=FLOOR - 1, now=RELAX_AFTER_S) == 2 * FLOOR
    assert relaxed(budget, length=FLOOR - 1, now=2 * RELAX_AFTER_S) == 2 * FLOOR
    for _ in range(FRAMES_IN_A_ROW):
        budget.sent(2 * FLOOR, 3)
        budget.sent(100, 1)
    assert relaxed(budget, length=100, now=2 * RELAX_AFTER_S) == FRAME_PLAINTEXT


def test_a_report_ends_a_trial_of_longer_frames_and_the_next_one_begins_anew() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.slow(TEN_MBIT, now=0.0)
    limits = []
    for now in (1.0, 3.0):
        budget.sent_datagrams += RELAX_DATAGRAMS
        budget.sweep(now=now * RELAX_AFTER_S)
        limits.append(budget.limit)
        budget.slow(TEN_MBIT, now=(now + 0.5) * RELAX_AFTER_S)
        limits.append(budget.limit)
    assert limits == [5_000, 2_500, 5_000, 2_500]


def test_a_path_is_found_slow_once() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    assert budget.slow(TEN_MBIT, now=0.0)
    assert not budget.slow(2 * TEN_MBIT, now=0.0)
    relaxed(budget, length=2_500, now=RELAX_AFTER_S)
    assert not budget.slow(TEN_MBIT, now=RELAX_AFTER_S), "longer frames were only tried"
    relaxed(budget, length=2_500, now=2 * RELAX_AFTER_S)
    relaxed(budget, length=2_500, now=2 * RELAX_AFTER_S + UNUSED_AFTER_S)
    assert budget.slow(TEN_MBIT, now=20.0)


def test_a_path_that_is_said_to_be_slow_and_is_quick_is_no_news() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    assert not budget.slow(1e12, now=0.0)
    assert not budget.slow(1e12, now=0.0)
    assert budget.slow(TEN_MBIT, now=0.0)


def test_frames_that_loss_keeps_short_stay_short_on_a_path_that_becomes_quicker() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.slow(12_500_000.0, now=0.0)
    budget.report(6, 10, sent=10, now=0.05)
    assert budget.limit == FLOOR
    budget.sent_datagrams += RELAX_DATAGRAMS
    budget.sweep(now=10.0)
    assert budget.limit == FLOOR


def test_growth_after_loss_ends_at_what_a_slow_path_carries() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.slow(TEN_MBIT, now=0.0)
    budget.report(480, 500, sent=500, now=0.05)
    for step in range(1, 20):
        budget.report(480 + 700 * step, 500 + 700 * step, sent=500 + 700 * step, now=3.0 * step)
    assert budget.limit == 2_500


def test_a_floor_that_grows_beyond_what_a_slow_path_carries_counts() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.slow(1_000.0, now=0.0)
    budget.set_floor(8_900)
    assert budget.limit == 8_900


# -- use ---------------------------------------------------------------------------------------------------------------


def test_a_link_is_used_until_a_second_has_passed_with_little_traffic() -> None:
    budget = FrameBudget(floor=FLOOR, now=0.0)
    budget.sent(10_000, USED_DATAGRAMS - 1)
    assert not budget.is_used
    budget.sent(100, 1)
    assert budget.is_used
    budget.sweep(now=1.0)
    assert budget.is_used
    budget.sent(10_000, USED_DATAGRAMS - 1)
    budget.sweep(now=2.0)
    assert not budget.is_used
