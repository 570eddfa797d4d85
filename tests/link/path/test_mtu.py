"""The search ends at the largest size that a path carries, and a path that shrinks is noticed."""

import math
import random
from itertools import pairwise

import pytest

from mycelium.endpoint import Endpoint
from mycelium.limits import DATAGRAM_CEILING, DATAGRAM_FLOOR, NARROW_DATAGRAM
from mycelium.link.path.mtu import (
    EARLY_TRIES,
    NARROW_SIZES,
    OVERTAKEN_SHARE,
    PROBE_TIMEOUT_S,
    SEARCH_AGAIN_S,
    SEARCH_ORDER,
    SEARCH_SOON_S,
    TRIES,
    URGENT_INTERVAL_S,
    VERIFY_INTERVAL_S,
    VERIFY_TIMEOUT_S,
    VERIFY_TRIES,
    PathMtu,
    least_size,
)

PTO_S = 0.03  # of a path on which the least timeout of verifications applies
BLACK_HOLE_S = VERIFY_TRIES * VERIFY_TIMEOUT_S + 0.01


@pytest.mark.parametrize(
    ("carries", "found"),
    [
        (1_232, 1_232),
        (1_372, 1_372),
        (1_392, 1_392),
        (1_400, 1_392),
        (1_432, 1_432),
        (1_444, 1_444),
        (1_452, 1_452),
        (1_464, 1_464),
        (1_472, 1_472),
        (4_052, 4_052),
        (8_952, 8_952),
        (65_507, 8_952),
    ],
)
def test_search_finds_the_largest_size_that_passes(carries: int, found: int) -> None:
    path = PathMtu(now=0.0)

    run(path, carries=carries, until=20.0)

    assert path.size == found
    assert 20.0 < path.deadline < SEARCH_AGAIN_S + 20.0


def test_ethernet_is_found_in_two_round_trips() -> None:
    path = PathMtu(now=0.0)

    run(path, carries=1_472, until=0.081, rtt=0.04)

    assert path.size == 1_472


def test_search_stands_some_loss() -> None:
    for seed in range(20):
        path = PathMtu(now=0.0)
        run(path, carries=1_472, until=60.0, loss=0.05, rng=random.Random(seed))
        assert path.size in (1_452, 1_472)


def test_search_costs_few_probes() -> None:
    path = PathMtu(now=0.0)

    assert run(path, carries=1_472, until=SEARCH_AGAIN_S - 1) == 2 + 2 * TRIES


def test_larger_path_is_found_after_ten_minutes() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_452, until=100.0)

    run(path, carries=1_472, until=SEARCH_AGAIN_S + 100.0, start=100.0)

    assert path.size == 1_472


def test_late_answer_counts() -> None:
    path = PathMtu(now=0.0)

    run(path, carries=1_472, until=30.0, rtt=3.0)

    assert path.size == 1_472


def test_doubted_size_that_still_passes_stays() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_472, until=50.0)

    path.verify(pto_s=PTO_S, now=50.0)
    assert path.probe_to_send(now=50.0) == 1_472
    path.acknowledged(1_472, now=50.02)

    assert path.size == 1_472
    assert path.deadline > 600.0


def test_black_hole_leads_to_the_floor_at_once_and_to_a_new_search() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_472, until=50.0)

    path.verify(pto_s=PTO_S, now=50.0)
    run(path, carries=1_400, until=50.0 + BLACK_HOLE_S, start=50.0)
    assert path.size in (DATAGRAM_FLOOR, 1_392)
    run(path, carries=1_400, until=60.0, start=50.0 + BLACK_HOLE_S)

    assert path.size == 1_392


def test_doubts_do_not_pile_up() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_472, until=50.0)
    probes = 0
    for step in range(1_000):
        now = 50.0 + step / 100
        path.verify(pto_s=PTO_S, now=now)
        probes += run(path, carries=1_472, until=now, start=now, rtt=0.0)

    assert probes <= 10 / VERIFY_INTERVAL_S + 1


def test_a_proved_size_is_doubted_again_and_again_but_not_before_its_time() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_472, until=50.0)
    for proved_at in (50.0, 60.0):
        path.verify(pto_s=PTO_S, now=proved_at)
        assert path.probe_to_send(now=proved_at) == 1_472
        path.acknowledged(1_472, now=proved_at)
        run(path, carries=1_472, start=proved_at, until=proved_at + 4)  # what is longer is tried anew
        path.verify(pto_s=PTO_S, now=proved_at + VERIFY_INTERVAL_S - 0.001)
        assert path.probe_to_send(now=proved_at + VERIFY_INTERVAL_S - 0.001) is None
    path.verify(pto_s=PTO_S, now=60.0 + VERIFY_INTERVAL_S)
    assert path.probe_to_send(now=60.0 + VERIFY_INTERVAL_S) == 1_472


def test_a_doubted_size_has_tries_that_wait_for_as_long_as_answers_take() -> None:
    for pto_s, wait_s in ((PTO_S, VERIFY_TIMEOUT_S), (0.7, 0.7)):
        path = PathMtu(now=0.0)
        run(path, carries=1_472, until=50.0)
        path.verify(pto_s=pto_s, now=50.0)
        times = [50.0 + 1.001 * wait_s * number for number in range(VERIFY_TRIES + 1)]
        for now in times[:VERIFY_TRIES]:
            assert path.probe_to_send(now=now) == 1_472
            assert path.probe_to_send(now=now + 0.9 * wait_s) is None
        assert path.size == 1_472
        path.probe_to_send(now=times[VERIFY_TRIES])
        assert path.size == DATAGRAM_FLOOR


@pytest.mark.parametrize(
    ("doubted", "least", "carries", "behind", "used"),
    [
        (8_952, NARROW_DATAGRAM, 1_252, (DATAGRAM_FLOOR, NARROW_DATAGRAM), DATAGRAM_FLOOR),
        (8_952, NARROW_DATAGRAM, 548, (DATAGRAM_FLOOR, NARROW_DATAGRAM), NARROW_DATAGRAM),
        (8_952, DATAGRAM_FLOOR, 1_232, (DATAGRAM_FLOOR,), DATAGRAM_FLOOR),
        (DATAGRAM_FLOOR, NARROW_DATAGRAM, 548, (NARROW_DATAGRAM,), NARROW_DATAGRAM),
        (972, NARROW_DATAGRAM, 548, (NARROW_DATAGRAM,), NARROW_DATAGRAM),
    ],
)
def test_the_longest_size_that_is_answered_alone_is_used_until_a_doubted_one_is_proved(
    doubted: int, least: int, carries: int, behind: tuple[int, ...], used: int
) -> None:
    path = PathMtu(least=least, now=0.0)
    path.size = least
    run(path, carries=doubted, until=20.0)
    path.verify(pto_s=PTO_S, now=20.0)
    soon = 20.0 + 0.02 + VERIFY_TIMEOUT_S / OVERTAKEN_SHARE + 0.001  # a round trip
    run(path, carries=carries, start=20.0, until=20.0)
    assert path.sizes_behind() == behind
    run(path, carries=carries, start=20.0, until=soon)
    assert path.size == doubted, "no probe of it has had a chance"
    path.acknowledged(used, now=20.02)
    assert path.probe_to_send(now=soon) == doubted
    assert path.size == used
    path.acknowledged(doubted, now=soon + 1.0)
    assert (path.size, path.sizes_behind()) == (doubted, ())


def test_the_first_tries_of_a_verification_alone_have_shorter_probes_behind_them_that_hasten_the_next() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_472, until=50.0)
    path.verify(pto_s=PTO_S, now=50.0)
    hastened = []
    for _ in range(VERIFY_TRIES):
        now = path.deadline
        assert path.probe_to_send(now=now) == 1_472
        behind = path.sizes_behind()
        path.acknowledged(DATAGRAM_FLOOR, now=now)
        hastened.append((behind, path.deadline < now + VERIFY_TIMEOUT_S))
    rest = VERIFY_TRIES - EARLY_TRIES
    assert hastened == [((DATAGRAM_FLOOR,), True)] * EARLY_TRIES + [((), False)] * rest


def test_a_size_that_was_given_up_by_accident_is_tried_again_soon_and_then_ever_later() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_472, until=50.0)
    path.verify(pto_s=PTO_S, now=50.0)
    run(path, carries=DATAGRAM_FLOOR, start=50.0, until=50.0 + BLACK_HOLE_S)
    assert path.size == DATAGRAM_FLOOR
    run(path, carries=1_464, start=50.0 + BLACK_HOLE_S, until=52.0)
    assert path.size == 1_464
    begins: list[float] = []
    while not begins or begins[-1] < 2_000.0:
        begins.append(path.deadline)
        run(path, carries=1_464, start=begins[-1], until=begins[-1] + 5 * TRIES * PROBE_TIMEOUT_S)
    assert 50.0 + SEARCH_SOON_S < begins[0] < 52.0 + SEARCH_SOON_S
    waits = [later - earlier for earlier, later in pairwise(begins)]
    assert waits == sorted(waits)
    growth = [later - earlier for earlier, later in pairwise(waits)]
    assert growth[2] == pytest.approx(2 * growth[1])
    assert SEARCH_SOON_S < waits[0] < 20 * SEARCH_SOON_S < SEARCH_AGAIN_S < waits[-1]
    run(path, carries=1_472, start=path.deadline, until=path.deadline + 1.0)
    assert path.size == 1_472


def test_a_burst_that_vanishes_has_a_size_proved_again_that_was_proved_a_moment_ago() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_472, until=50.0)
    path.acknowledged(1_472, now=50.0)
    path.verify(pto_s=PTO_S, now=50.05)
    assert path.deadline > 51.0
    path.verify(pto_s=PTO_S, is_urgent=True, now=50.05)
    assert path.deadline == 50.0 + URGENT_INTERVAL_S
    assert path.probe_to_send(now=path.deadline) == 1_472


def test_what_is_put_off_counts_as_no_try() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_472, until=50.0)
    path.verify(pto_s=PTO_S, now=50.0)
    for step in range(20):
        path.put_off(50.1 + step, now=50.0 + step)
        assert path.probe_to_send(now=50.0 + step) is None
        path.put_off(99.0, now=50.05 + step)
        assert path.deadline == 50.1 + step
    run(path, carries=1_472, start=70.0, until=71.0)
    assert path.size == 1_472


def test_doubts_do_not_hold_a_search_up() -> None:
    path = PathMtu(now=0.0)
    for step in range(2_000):
        now = step / 100
        path.verify(pto_s=PTO_S, now=now)
        run(path, carries=1_392, start=now, until=now, rtt=0.0)
    assert (path.size, path._probed) == (1_392, None)


def test_doubts_that_ordinary_loss_raises_seldom_narrow_a_path() -> None:
    narrowed = 0
    for seed in range(20):
        path, rng = PathMtu(now=0.0), random.Random(seed)
        run(path, carries=1_472, until=50.0)
        for second in range(50, 110):
            path.verify(pto_s=PTO_S, now=second)
            run(path, carries=1_472, start=second, until=second + 0.99, loss=0.19, rng=rng)  # a tenth each way
            narrowed += path._failed <= 1_472
            path.acknowledged(1_472, now=second + 0.99)
    assert narrowed == 0, "of 1,200"


@pytest.mark.parametrize("steps", [(8_952, 1_372, 548), (8_952, 4_052, 1_392, 1_232), (1_472, 548)], ids=str)
def test_a_path_that_narrows_again_and_again_is_followed_each_time(steps: tuple[int, ...]) -> None:
    path = PathMtu(least=NARROW_DATAGRAM, now=0.0)
    now = 0.0
    for carries in steps:
        path.verify(pto_s=PTO_S, now=now)
        run(path, carries=carries, start=now, until=now + BLACK_HOLE_S)
        assert path.size <= carries
        run(path, carries=carries, start=now + BLACK_HOLE_S, until=now + 10.0)
        assert path.size == carries
        now += 10.0


def test_answers_that_come_twice_or_late_change_nothing() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_472, until=50.0)
    deadline = path.deadline
    path.acknowledged(1_452, now=50.0)
    assert (path.size, path.deadline) == (1_472, deadline), "no search is under way"
    path.verify(pto_s=PTO_S, now=50.0)
    path.probe_to_send(now=50.0)
    path.acknowledged(1_452, now=50.01)
    assert path.probe_to_send(now=50.01) is None
    assert path.probe_to_send(now=50.0 + VERIFY_TIMEOUT_S) == 1_472, "the doubted size has not been answered"


def test_a_size_that_every_path_of_a_medium_carries_is_neither_probed_nor_doubted_nor_refused() -> None:
    path = PathMtu(fixed_size=9_000, now=0.0)
    path.verify(pto_s=PTO_S, now=100.0)
    path.refused(9_000, now=100.0)
    path.reset(now=100.0)
    assert (path.size, path.deadline, path.probe_to_send(now=200.0)) == (9_000, math.inf, None)


def test_floor_is_never_doubted() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_232, until=50.0)

    path.verify(pto_s=PTO_S, now=50.0)

    assert path.probe_to_send(now=50.0) is None


def test_size_that_the_kernel_refuses_is_not_tried_again() -> None:
    path = PathMtu(now=0.0)
    tried = []
    now = 0.0
    while (size := path.probe_to_send(now=now)) is not None:
        tried.append(size)
        if size > 1_452:
            path.refused(size, now=now)
        else:
            path.acknowledged(size, now=now)

    assert path.size == 1_452
    assert sorted(set(tried)) == sorted(tried) == [1_452, 1_464, 1_472]


def test_kernel_that_refuses_the_size_in_use_leads_to_the_floor() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_472, until=50.0)

    path.refused(1_472, now=50.0)

    assert path.size == DATAGRAM_FLOOR
    assert path.probe_to_send(now=50.0) == 1_452


def test_refused_floor_changes_nothing() -> None:
    path = PathMtu(now=0.0)
    path.refused(DATAGRAM_FLOOR, now=0.0)

    assert (path.size, path.probe_to_send(now=0.0)) == (DATAGRAM_FLOOR, SEARCH_ORDER[0])


def test_changed_path_starts_at_the_floor() -> None:
    path = PathMtu(now=0.0)
    run(path, carries=1_472, until=50.0)

    path.reset(now=50.0)

    assert (path.size, path.probe_to_send(now=50.0)) == (DATAGRAM_FLOOR, SEARCH_ORDER[0])


def test_all_sizes_lie_between_the_bounds() -> None:
    assert all(DATAGRAM_FLOOR < size <= DATAGRAM_CEILING for size in SEARCH_ORDER)
    assert all(NARROW_DATAGRAM < size < DATAGRAM_FLOOR for size in NARROW_SIZES)


# -- paths narrower than IPv6 allows -----------------------------------------------------------------------------------


def test_only_udp_over_ipv4_may_be_narrower_than_ipv6_allows() -> None:
    assert least_size(Endpoint("udp", "192.0.2.1", 1)) == NARROW_DATAGRAM
    for endpoint in (Endpoint("udp", "2001:db8::1", 1), Endpoint("quic", "192.0.2.1", 1)):
        assert least_size(endpoint) == DATAGRAM_FLOOR


@pytest.mark.parametrize(
    ("carries", "found"), [(548, 548), (971, 548), (972, 972), (1_231, 972), (1_232, 1_232), (1_472, 1_472)]
)
def test_a_path_whose_handshake_came_in_parts_starts_narrow(carries: int, found: int) -> None:
    path = PathMtu(least=NARROW_DATAGRAM, is_narrow=True, now=0.0)
    assert path.size == NARROW_DATAGRAM
    run(path, carries=carries, until=20.0)
    assert path.size == found


@pytest.mark.parametrize(("carries", "found"), [(548, 548), (1_000, 972), (1_300, 1_232)])
def test_a_path_that_becomes_narrow_falls_back_at_once_and_goes_as_far_up_as_it_can(carries: int, found: int) -> None:
    path = PathMtu(least=NARROW_DATAGRAM, now=0.0)
    run(path, carries=1_472, until=30.0)
    path.verify(pto_s=PTO_S, now=30.0)
    run(path, carries=carries, start=30.0, until=30.1 + BLACK_HOLE_S)
    assert path.size <= carries
    run(path, carries=carries, start=30.7, until=50.0)
    assert path.size == found


def test_the_floor_is_proved_again_where_the_path_may_be_narrower() -> None:
    path = PathMtu(least=NARROW_DATAGRAM, now=0.0)
    run(path, carries=DATAGRAM_FLOOR, until=50.0)
    path.verify(pto_s=PTO_S, now=50.0)
    run(path, carries=NARROW_DATAGRAM, start=50.0, until=60.0)
    assert path.size == NARROW_DATAGRAM
    path.refused(NARROW_DATAGRAM, now=60.0)
    assert path.size == NARROW_DATAGRAM


def test_the_floor_is_not_doubted_at_once_after_addresses_have_changed() -> None:
    path = PathMtu(least=NARROW_DATAGRAM, now=0.0)
    run(path, carries=DATAGRAM_FLOOR, until=20.0)
    path.reset(now=20.0)
    run(path, carries=DATAGRAM_FLOOR, start=20.0, until=20.0 + VERIFY_INTERVAL_S - 0.001)
    tried = path.probe_to_send(now=20.0 + VERIFY_INTERVAL_S - 0.001)
    path.verify(pto_s=PTO_S, now=20.0 + VERIFY_INTERVAL_S - 0.001)
    assert path.probe_to_send(now=20.0 + VERIFY_INTERVAL_S - 0.001) == tried
    path.verify(pto_s=PTO_S, now=20.0 + VERIFY_INTERVAL_S)
    assert path.probe_to_send(now=20.0 + VERIFY_INTERVAL_S) == DATAGRAM_FLOOR


def test_a_narrow_path_stays_narrow_when_addresses_change_until_more_is_proved() -> None:
    path = PathMtu(least=NARROW_DATAGRAM, is_narrow=True, now=0.0)
    run(path, carries=NARROW_DATAGRAM, until=20.0)
    path.reset(now=20.0)
    assert (path.size, path.probe_to_send(now=20.0)) == (NARROW_DATAGRAM, DATAGRAM_FLOOR)


def run(
    path: PathMtu,
    *,
    carries: int,
    until: float,
    start: float = 0.0,
    rtt: float = 0.02,
    loss: float = 0.0,
    rng: random.Random | None = None,
) -> int:
    """Answers the probes that a path of this size lets pass; returns how many were sent."""
    rng = rng or random.Random(0)
    answers: list[tuple[float, int]] = []
    sent = 0
    now = start
    while True:
        now = max(now, min(path.deadline, answers[0][0] if answers else math.inf))
        if now > until:
            return sent
        if answers and answers[0][0] <= now:
            path.acknowledged(answers.pop(0)[1], now=now)
        elif (size := path.probe_to_send(now=now)) is not None:
            sent += 1
            tried = (size, *path.sizes_behind())
            answers += [(now + rtt, one) for one in tried if one <= carries and rng.random() >= loss]
