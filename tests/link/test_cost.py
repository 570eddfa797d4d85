"""Bursts of probes that settle whether a cost has really changed."""

from math import inf

from mycelium.link.cost import BURST_PAUSE_S, BURST_PROBES, BURST_SPACING_S, LinkCost, ProbeBurst
from mycelium.link.path.rtt import RttEstimator
from mycelium.routing.metric import link_cost
from sim.net.node_net import NodeNet


def probes_until(burst: ProbeBurst, end: float) -> int:
    sent = 0
    while burst.due_at <= end:
        assert burst.take_due(now=burst.due_at)
        sent += 1
    return sent


def test_doubt_brings_a_burst_and_then_a_pause() -> None:
    burst = ProbeBurst()
    assert burst.due_at == inf
    burst.judge(is_doubtful=True, now=0.0)
    assert probes_until(burst, 1.0) == BURST_PROBES
    burst.judge(is_doubtful=True, now=1.0)
    assert burst.due_at == inf
    burst.judge(is_doubtful=True, now=BURST_PAUSE_S)
    assert probes_until(burst, BURST_PAUSE_S + 1) == BURST_PROBES


def test_probes_of_a_burst_are_spaced_and_the_pause_is_kept() -> None:
    burst = ProbeBurst()
    burst.judge(is_doubtful=True, now=0.0)
    assert burst.due_at == BURST_SPACING_S
    assert not burst.take_due(now=BURST_SPACING_S / 2)
    assert burst.take_due(now=BURST_SPACING_S)
    assert burst.due_at == 2 * BURST_SPACING_S
    burst.judge(is_doubtful=True, now=BURST_SPACING_S)
    assert burst.due_at == 2 * BURST_SPACING_S, "a burst under way is not begun again"
    burst.judge(is_doubtful=False, now=0.2)
    burst.judge(is_doubtful=True, now=BURST_PAUSE_S - 0.1)
    assert burst.due_at == inf


def test_the_first_sample_is_published_and_has_its_burst_and_the_same_again_changes_nothing() -> None:
    cost, rtt = LinkCost(), RttEstimator()
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


def test_certainty_ends_a_burst() -> None:
    burst = ProbeBurst()
    burst.judge(is_doubtful=True, now=0.0)
    burst.judge(is_doubtful=False, now=0.03)
    assert burst.due_at == inf
    assert not burst.take_due(now=1.0)


def test_a_new_link_has_its_whole_burst_whatever_the_first_probes_tell() -> None:
    burst = ProbeBurst()
    burst.begin(now=0.0)
    burst.judge(is_doubtful=False, now=0.01)
    assert probes_until(burst, 1.0) == BURST_PROBES
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
