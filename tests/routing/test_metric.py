"""What a link costs, and when a change of it is told."""

import random
from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.routing.metric import UNSURE_SPAN_S, WORSE_SPAN_S, PublishedCost, link_cost
from mycelium.wire.distance import INFINITY


@pytest.mark.parametrize(
    ("rtt_s", "loss", "cost"),
    [
        (0.0, 0.0, 30),
        (0.0002, 0.0, 40),
        (0.010, 0.0, 530),
        (0.300, 0.0, 15_030),
        (0.010, 0.1, 689),
        (0.010, 1.0, 2_120),
    ],
)
def test_a_cost_is_half_the_round_trip_and_a_hop_times_the_loss_factor(rtt_s: float, loss: float, cost: int) -> None:
    assert link_cost(rtt_s, loss) == cost


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_any_measurement_makes_a_finite_cost(rtt_s: float, loss: float) -> None:
    assert 1 <= link_cost(min(rtt_s, 1e300), loss) < INFINITY


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 1))
def test_a_longer_round_trip_never_costs_less(one_s: float, other_s: float, loss: float) -> None:
    shorter, longer = sorted((one_s, other_s))
    assert link_cost(shorter, loss) <= link_cost(longer, loss)


def feed(published: PublishedCost, costs: list[int], interval_s: float = 0.16) -> list[int | None]:
    return [published.update(cost, now=index * interval_s) for index, cost in enumerate(costs)]


def test_the_first_cost_is_published_at_once() -> None:
    assert feed(PublishedCost(), [500]) == [500]


def test_a_worse_cost_is_published_with_its_third_sample() -> None:
    assert feed(PublishedCost(), [500, 900, 800, 850]) == [500, None, None, 800]


def test_a_better_cost_is_published_with_its_tenth_sample() -> None:
    assert feed(PublishedCost(), [500, *[300] * 9, 320]) == [500, *[None] * 9, 320]


def test_one_sample_back_to_normal_starts_the_count_anew() -> None:
    assert feed(PublishedCost(), [500, 900, 900, 500, 900, 900, 900]) == [500, *[None] * 5, 900]


def test_worse_samples_end_a_run_of_better_ones() -> None:
    assert feed(PublishedCost(), [500, *[300] * 9, 900, 300]) == [500, *[None] * 11]


def test_a_change_below_half_a_millisecond_is_not_told() -> None:
    assert feed(PublishedCost(), [30, *[80] * 20]) == [30, *[None] * 20]


def test_a_change_below_five_percent_is_not_told() -> None:
    assert feed(PublishedCost(), [10_000, *[10_500] * 20, *[9_500] * 20]) == [10_000, *[None] * 40]


def test_a_change_as_small_as_jitter_must_last_ten_times_longer() -> None:
    assert feed(PublishedCost(), [1_000, *[1_200] * 30], interval_s=1.1) == [1_000, *[None] * 29, 1_200]
    assert feed(PublishedCost(), [1_000, *[1_200] * 180])[-2:] == [None, None]  # less than half a minute
    assert feed(PublishedCost(), [*[1_000] * 300, *[800] * 100]) == [1_000, *[None] * 398, 800]


def test_a_burst_of_frames_is_one_piece_of_evidence() -> None:
    assert feed(PublishedCost(), [500, *[900] * 29], interval_s=0.001) == [500, *[None] * 29]


@pytest.mark.parametrize("seed", range(20))
def test_twenty_percent_jitter_of_the_cost_itself_moves_nothing_once_the_link_is_known(seed: int) -> None:
    rng = random.Random(seed)
    jittery = [round(10_000 * rng.uniform(0.8, 1.2)) for _ in range(5_000)]
    told = feed(PublishedCost(), [10_000] * 300 + jittery)
    assert [cost for cost in told[1:] if cost is not None] == []


@pytest.mark.parametrize("seed", range(20))
def test_twenty_percent_jitter_of_the_round_trip_moves_nothing(seed: int) -> None:
    rng = random.Random(seed)
    published = PublishedCost()
    window: deque[float] = deque((0.05 * rng.uniform(1.0, 1.2) for _ in range(20)), maxlen=20)
    told = []
    for step in range(5_000):
        window.append(0.05 * rng.uniform(1.0, 1.2))
        told.append(published.update(link_cost(min(window), 0.0), now=step * 0.1))
    assert [cost for cost in told[1:] if cost is not None] == []


def test_one_sample_as_small_as_jitter_does_not_hide_a_large_change() -> None:
    assert feed(PublishedCost(), [*[1_000] * 300, 800, *[300] * 10]) == [1_000, *[None] * 309, 300]
    assert feed(PublishedCost(), [1_000, 1_200, *[3_000] * 3]) == [1_000, *[None] * 3, 3_000]


def test_a_rise_whose_round_trips_disagree_is_believed_only_after_half_a_minute() -> None:
    published = PublishedCost()
    published.update(1_000, now=0.0)
    told = [now for now in range(1, 100) if published.update(9_000, is_steady=False, now=float(now)) is not None]
    assert told[0] == 31


def test_a_change_below_the_jitter_is_not_told_however_long_it_lasts() -> None:
    published = PublishedCost()
    published.update(100, now=0.0)
    assert all(published.update(300, jitter_s=0.0025, now=float(now)) is None for now in range(1, 1_000))
    assert any(published.update(300, jitter_s=0.0015, now=float(now)) is not None for now in range(1_000, 2_000))


def test_one_lucky_round_trip_that_stays_the_least_for_long_is_no_improvement() -> None:
    published = PublishedCost()
    published.update(4_000, now=0.0)
    told = [published.update(3_000, newest=3_000 if step == 0 else 4_000, now=40 + step * 0.08) for step in range(200)]
    assert told == [None] * 200


def test_a_rise_of_less_than_twice_the_jitter_is_believed_only_after_half_a_minute() -> None:
    published = PublishedCost()
    published.update(1_000, now=0.0)
    told = [now for now in range(1, 100) if published.update(1_500, jitter_s=0.003, now=float(now)) is not None]
    assert told[0] == 31


def test_a_small_improvement_counts_soon_while_the_link_is_young() -> None:
    assert feed(PublishedCost(), [1_000, *[900] * 10]) == [1_000, *[None] * 9, 900]


def swings(published: PublishedCost, seconds: float, *, dear: int, cheap: int, queue_s: float) -> list[float]:
    """Returns when the cost came down of a link whose queue is full `queue_s` after that, and empty once it is dear."""
    falls = []
    now, cost, full_at = 0.0, cheap, queue_s
    while now < seconds:
        now += 0.1
        cost = dear if now >= full_at and published.cost != dear else cheap
        before = published.cost
        if published.update(cost, now=now) is not None and before is not None and published.cost == cheap:
            falls.append(now)
            full_at = now + queue_s
    return falls


def test_a_cost_that_its_own_traffic_makes_swing_comes_down_ever_later() -> None:
    falls = swings(PublishedCost(), 900.0, dear=8_000, cheap=1_000, queue_s=2.0)
    pauses = [later - earlier for earlier, later in pairwise(falls)]
    assert pauses[0] < 10
    assert all(later > earlier for earlier, later in pairwise(pauses[:4]))
    assert pauses[-1] > 100


def test_after_a_calm_time_an_improvement_is_told_soon_again() -> None:
    published = PublishedCost()
    swings(published, 60.0, dear=8_000, cheap=1_000, queue_s=2.0)
    for now in range(61, 400):
        published.update(1_000, now=float(now))
    for now in range(400, 500):
        published.update(8_000, now=float(now))
    told = [now for now in range(500, 600) if published.update(1_000, now=float(now)) is not None]
    assert told == [509]


def test_what_is_to_be_published_and_when_can_be_seen() -> None:
    published = PublishedCost()
    assert published.pending(now=0.0) is None
    published.update(1_000, now=0.0)
    assert published.pending(now=0.0) is None
    published.update(2_000, now=1.0)
    published.update(1_900, now=1.125)
    assert published.pending(now=1.125) == (1_900, 1.0 + WORSE_SPAN_S - 1.125)
    published.update(1_100, now=1.25)
    assert published.pending(now=2.0) == (1_100, 1.0 + UNSURE_SPAN_S - 2.0), "too little to be sure of"
    published.update(1_000, now=1.5)
    assert published.pending(now=2.0) is None
