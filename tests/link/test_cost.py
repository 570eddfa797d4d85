"""Bursts of probes that settle whether a cost has really changed."""

import random
from math import inf

import pytest

from mycelium.link.cost import BURST_SPACING_S, FIRST_PROBES, PROBES_AT_ONCE, PROBES_PER_S, LinkCost, ProbeBurst
from mycelium.link.path.rtt import RttEstimator
from mycelium.routing.metric import PUBLISH_FLOOR, link_cost
from sim.net.node_net import NodeNet
from tests.link.lab import LinkLab

LAN_S = 0.00025  # one way
LAN_COST = link_cost(2 * LAN_S, 0.0)


def probes_until(burst: ProbeBurst, end: float) -> int:
    sent = 0
    while burst.due_at <= end:
        assert burst.take_due(now=burst.due_at)
        sent += 1
    return sent


def test_doubt_that_does_not_end_has_a_burst_and_then_a_probe_now_and_then() -> None:
    burst = ProbeBurst(now=0.0)
    assert burst.due_at == inf
    burst.judge(is_doubtful=True, now=0.0)
    assert PROBES_AT_ONCE <= probes_until(burst, 10.0) <= PROBES_AT_ONCE + 1
    sent = 0
    for second in range(10, 310):
        burst.judge(is_doubtful=True, now=float(second))
        sent += probes_until(burst, second + 1.0)
    assert sent <= 300 * PROBES_PER_S + 3  # granted in the first ten seconds


def test_probes_of_a_burst_are_spaced() -> None:
    burst = ProbeBurst(now=0.0)
    burst.judge(is_doubtful=True, now=0.0)
    assert burst.due_at == BURST_SPACING_S
    assert not burst.take_due(now=BURST_SPACING_S / 2)
    assert burst.take_due(now=BURST_SPACING_S)
    assert burst.due_at == 2 * BURST_SPACING_S
    burst.judge(is_doubtful=True, now=BURST_SPACING_S)
    assert burst.due_at == 2 * BURST_SPACING_S, "a burst under way is not begun again"


def test_a_burst_that_ended_early_leaves_the_rest_for_the_next_doubt() -> None:
    burst = ProbeBurst(now=0.0)
    burst.judge(is_doubtful=True, now=0.0)
    assert probes_until(burst, 2 * BURST_SPACING_S) == 2
    burst.judge(is_doubtful=False, now=0.2)
    assert burst.due_at == inf
    assert not burst.take_due(now=1.0)
    burst.judge(is_doubtful=True, now=1.0)
    assert probes_until(burst, 10.0) >= PROBES_AT_ONCE - 3


def test_the_first_sample_is_published_and_has_its_burst_and_the_same_again_changes_nothing() -> None:
    cost, rtt = LinkCost(now=0.0), RttEstimator()
    assert (cost.published, cost.probe_at) == (None, inf)
    rtt.sample(0.010, now=0.0)
    assert cost.sample(rtt, 0.0, now=0.0)
    assert (cost.published, cost.probe_at) == (link_cost(0.010, 0.0), BURST_SPACING_S)
    assert cost.take_probe(now=BURST_SPACING_S)
    rtt.sample(0.010, now=0.1)
    assert not cost.sample(rtt, 0.0, now=0.1)
    cost.reset()
    assert cost.published is None
    assert cost.sample(rtt, 0.1, now=0.2)
    assert cost.published == link_cost(0.010, 0.1) > link_cost(0.010, 0.0)


def test_a_new_link_has_its_whole_burst_whatever_the_first_probes_tell() -> None:
    burst = ProbeBurst(now=0.0)
    burst.begin(now=0.0)
    burst.judge(is_doubtful=False, now=0.01)
    assert probes_until(burst, FIRST_PROBES * BURST_SPACING_S) == FIRST_PROBES
    burst.judge(is_doubtful=True, now=1.0)
    burst.judge(is_doubtful=False, now=1.1)
    assert burst.due_at == inf


def test_a_second_after_it_came_up_a_link_knows_its_round_trip_well() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.join("a", "b", 0.05)
    net.run(1.5)
    for one, other in ("ab", "ba"):
        rtt = net.hosts[one].node.links[net.hosts[other].address].paths.active.rtt
        assert rtt.pto < 1.5 * rtt.minimum(now=net.now)


def test_a_cost_measured_under_load_is_corrected_within_seconds_on_an_idle_link() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.join("a", "b", 0.05)
    net.run(2)  # nothing is on its way
    link = net.hosts["a"].node.links[net.hosts["b"].address]
    assert link.cost is not None
    high = link.cost
    for wire in net.both("a", "b"):
        wire.reshape(delay_s=0.002)
    net.run(3.5)
    assert link.cost < high / 5


def busy_link(seed: int, busy_s: float, queue_s: float) -> LinkLab:
    """Returns a link on two hosts that have been busy since its start, so that datagrams waited, and are idle now."""
    lab = LinkLab(delay_s=LAN_S, seed=seed)
    dice = random.Random(seed)
    lab.queue_s = lambda: dice.expovariate(1 / queue_s)
    lab.settle(busy_s)
    lab.queue_s = lambda: dice.uniform(0.0, 0.1e-3)
    return lab


@pytest.mark.parametrize("queue_s", [0.002, 0.010])
@pytest.mark.parametrize("busy_s", [0.3, 2.0, 20.0])
def test_what_busy_hosts_made_of_a_cost_is_put_right_within_seconds_by_a_handful_of_probes(
    busy_s: float, queue_s: float
) -> None:
    for seed in range(8):
        lab = busy_link(seed, busy_s, queue_s)
        lab.run(14)
        for name in "ab":
            assert (lab.link(name).cost or inf) <= LAN_COST + PUBLISH_FLOOR + 10, f"seed {seed}, {name}"
        assert len(lab.sent) < 2 * 2 * (14 / 2 + 2 * FIRST_PROBES), f"seed {seed}"


@pytest.mark.parametrize("queue_s", [0.0005, 0.005])
def test_jitter_that_lasts_for_ten_minutes_moves_no_cost_and_takes_few_probes(queue_s: float) -> None:
    dice = random.Random(1)
    lab = LinkLab(delay_s=LAN_S)
    lab.queue_s = lambda: dice.expovariate(1 / queue_s)
    lab.settle(60)
    lab.run(600)
    assert "cost" not in lab.told("a") + lab.told("b")
    assert len(lab.sent) < 1.4 * 600 / 2 * 2 * 2  # probe and reply of each end, each 2 s
