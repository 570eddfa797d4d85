"""The estimator follows RFC 6298, and its minimum forgets after two seconds."""

import math

import pytest

from mycelium.link.path.rtt import (
    BUCKET_S,
    GRANULARITY_S,
    INITIAL_RTO_S,
    LEAST_BUCKETS,
    LOADED_WINDOW_S,
    RECENT_S,
    RTO_CEILING_S,
    SLOW_AMONG_LAST,
    SLOW_WITHIN_S,
    STEADY_SAMPLES,
    WINDOW_S,
    RttEstimator,
)


def test_first_sample_sets_both_averages() -> None:
    rtt = RttEstimator()
    assert (rtt.rto, rtt.pto, rtt.srtt) == (INITIAL_RTO_S, INITIAL_RTO_S, None)

    rtt.sample(0.100, now=0.0)

    assert (rtt.srtt, rtt.rttvar) == (0.100, 0.050)
    assert rtt.rto == pytest.approx(0.300)
    assert rtt.pto == pytest.approx(0.325)


def test_further_samples_move_the_averages_by_an_eighth_and_a_quarter() -> None:
    rtt = RttEstimator()
    rtt.sample(0.100, now=0.0)
    rtt.sample(0.180, now=0.1)

    assert rtt.rttvar == pytest.approx(0.050 * 3 / 4 + 0.080 / 4)
    assert rtt.srtt == pytest.approx(0.110)


def test_samples_far_apart_count_for_the_time_between_them() -> None:
    rtt = RttEstimator()
    for step in range(20):
        rtt.sample(0.400, now=step / 10)
    for step in range(1, 7):
        rtt.sample(0.001, now=2.0 + 2 * step)

    assert rtt.pto < 0.2  # twelve seconds after the load


def test_slow_round_trips_of_a_start_are_out_of_the_timeouts_after_a_few_quick_ones() -> None:
    rtt = RttEstimator()
    for step in range(4):
        rtt.sample(0.5, now=step / 10)
    ended = 0.3
    for step in range(1, 31):
        rtt.sample(0.001, now=ended + step / 10)
        is_remembered = step / 10 <= SLOW_WITHIN_S
        assert (rtt.pto > 0.001 * 5 + GRANULARITY_S) == is_remembered, step
    rtt.sample(0.001, now=ended + SLOW_WITHIN_S + 0.1)
    assert rtt.srtt == rtt.rttvar == 0.001


def test_a_slow_round_trip_among_the_last_few_is_allowed_for_however_old_it_is() -> None:
    rtt = RttEstimator()
    rtt.sample(0.5, now=0.0)
    for step in range(1, SLOW_AMONG_LAST):
        rtt.sample(0.001, now=4.0 * step)
        assert rtt.srtt is not None
        assert rtt.srtt > 0.01, step
    rtt.sample(0.001, now=4.0 * SLOW_AMONG_LAST)
    assert rtt.srtt == 0.001


def test_what_was_waited_at_the_ends_is_for_timeouts_and_not_for_the_metric() -> None:
    rtt = RttEstimator()
    for step in range(5):
        rtt.sample(0.300, now=step / 10, waited_s=0.2 + step / 50)

    assert rtt.srtt == pytest.approx(0.300)
    assert rtt.minimum(now=0.4) == pytest.approx(0.020)


@pytest.mark.parametrize("waited_s", [0.301, 1e9, -0.1, math.nan])
def test_an_impossible_wait_counts_as_none(waited_s: float) -> None:
    rtt = RttEstimator()
    rtt.sample(0.300, now=0.0, waited_s=waited_s)

    assert rtt.minimum(now=0.0) == 0.300


def test_jitter_is_what_one_sample_differs_from_the_next_on_the_wire() -> None:
    rtt = RttEstimator()
    for step in range(100):
        rtt.sample(0.100 + 0.5 * (step % 3), now=step / 10, waited_s=0.5 * (step % 3) + 0.004 * (step % 2))

    assert rtt.jitter == pytest.approx(0.004)


def test_jitter_of_a_load_is_forgotten_after_a_few_samples_of_an_idle_path() -> None:
    rtt = RttEstimator()
    for number in range(100):
        rtt.sample(0.010 * (number % 2), now=number * 0.01)
    assert rtt.jitter == pytest.approx(0.010)
    for number in range(5):
        rtt.sample(0.0, now=3.0 + number * 2)
    assert rtt.jitter < 0.001


def test_timeout_of_a_steady_link_ends_at_the_granularity() -> None:
    rtt = RttEstimator()
    for step in range(200):
        rtt.sample(0.010, now=step / 10)

    assert rtt.rto == pytest.approx(0.010 + GRANULARITY_S)


def test_timeout_is_bounded() -> None:
    rtt = RttEstimator()
    rtt.sample(50.0, now=0.0)

    assert (rtt.rto, rtt.pto) == (RTO_CEILING_S, RTO_CEILING_S)


def test_impossible_samples_are_ignored() -> None:
    rtt = RttEstimator()
    for sample in (-0.001, math.nan, math.inf, 61.0):
        rtt.sample(sample, now=0.0)

    assert rtt.srtt is None
    assert rtt.minimum(now=0.0) == math.inf


def test_minimum_forgets_after_the_window() -> None:
    rtt = RttEstimator()
    rtt.sample(0.010, now=0.0)
    for step in range(1, 40):
        rtt.sample(0.030, now=step / 10)
        expected = 0.010 if step / 10 <= WINDOW_S else 0.030
        assert rtt.minimum(now=step / 10) == expected


def test_minimum_of_an_idle_link_is_of_its_last_two_samples() -> None:
    rtt = RttEstimator()
    for now, rtt_s, expected in ((0.0, 0.010, 0.010), (5.0, 0.030, 0.010), (10.0, 0.020, 0.020), (15.0, 0.030, 0.020)):
        rtt.sample(rtt_s, now=now)
        assert rtt.minimum(now=now + 4.0) == expected


def test_many_samples_keep_little() -> None:
    rtt = RttEstimator()
    for step in range(10_000):
        rtt.sample(0.001 + step / 1e6, now=step / 1000)

    assert len(rtt._minima) <= 10


def test_round_trips_are_steady_while_the_last_ones_agree() -> None:
    estimator = RttEstimator()
    for index in range(4):
        estimator.sample(0.100, now=float(index))
    assert not estimator.is_steady  # too few to tell
    estimator.sample(0.120, now=5.0)
    assert estimator.is_steady
    estimator.sample(0.130, now=6.0)
    assert not estimator.is_steady


def test_a_longer_window_remembers_the_round_trip_without_the_queue() -> None:
    estimator = RttEstimator()
    estimator.window_s = LOADED_WINDOW_S
    estimator.sample(0.010, now=0.0)
    for second in range(1, 60):
        estimator.sample(0.200, now=float(second))
    assert estimator.minimum(now=59.0) == 0.010
    assert estimator.minimum(now=100.0) == 0.200


def test_what_is_shown_is_the_wire_and_when_it_was_measured() -> None:
    rtt = RttEstimator()
    assert (rtt.recent_on_wire, rtt.measured_at) == (None, None), "nothing is measured yet"
    for second, waited_s in enumerate((0.0, 0.040, 0.0, 0.003, 0.0)):
        rtt.sample(0.0006 + waited_s, waited_s=waited_s, now=float(second))
    assert rtt.recent_on_wire == pytest.approx(0.0006)
    assert rtt.measured_at == 4.0
    assert rtt.srtt is not None
    assert rtt.srtt > 0.002, "what timeouts need is another matter"


def test_a_wait_that_nobody_could_subtract_does_not_show() -> None:
    rtt = RttEstimator()
    for second, rtt_s in enumerate((0.0006, 0.0410, 0.0007, 0.0350, 0.0120)):
        rtt.sample(rtt_s, now=float(second))
    assert rtt.recent_on_wire == 0.0006


def test_a_path_that_got_longer_is_shown_so_after_a_few_probes() -> None:
    rtt = RttEstimator()
    rtt.sample(0.010, now=0.0)
    for second in range(1, STEADY_SAMPLES + 1):
        rtt.sample(0.050, now=float(second))
    assert rtt.recent_on_wire == 0.050


def test_what_was_measured_before_an_outage_is_not_recent() -> None:
    rtt = RttEstimator()
    for second in range(5):
        rtt.sample(0.010, now=float(second))
    rtt.sample(0.050, now=4.0 + RECENT_S + 0.1)
    assert rtt.recent_on_wire == 0.050


def test_the_newest_round_trip_is_the_last_one_without_its_waits() -> None:
    rtt = RttEstimator()
    assert rtt.newest_on_wire is None
    rtt.sample(0.5, now=1.0)
    rtt.sample(0.3, now=2.0, waited_s=0.1)
    assert rtt.newest_on_wire == pytest.approx(0.2)
    rtt.sample(0.4, now=3.0, waited_s=0.0)
    assert rtt.newest_on_wire == pytest.approx(0.4)


def test_jitter_is_the_mean_difference_of_the_first_samples() -> None:
    rtt = RttEstimator()
    rtt.sample(0.1, now=1.0)
    assert rtt.jitter == 0.0
    rtt.sample(0.2, now=1.0)
    assert rtt.jitter == pytest.approx(0.1)
    rtt.sample(0.5, now=1.0)
    assert rtt.jitter == pytest.approx(0.2)


def test_a_minimum_is_forgotten_although_the_one_after_it_is_still_remembered() -> None:
    rtt = RttEstimator()
    rtt.sample(0.1, now=0.0)
    for bucket in range(LEAST_BUCKETS):
        rtt.sample(0.2, now=WINDOW_S + bucket * BUCKET_S)
    assert rtt.minimum(now=WINDOW_S + BUCKET_S) == 0.2


def test_a_minimum_within_the_window_is_remembered_however_many_follow_it() -> None:
    rtt = RttEstimator()
    rtt.window_s = LOADED_WINDOW_S
    rtt.sample(0.1, now=100.0)
    for bucket in range(1, LEAST_BUCKETS + 2):
        rtt.sample(0.2, now=100.0 + bucket * BUCKET_S)
    assert rtt.minimum(now=100.0 + (LEAST_BUCKETS + 1) * BUCKET_S) == 0.1
