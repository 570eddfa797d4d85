"""Bursts of probes that settle whether a cost has really changed."""

from math import inf

from mycelium.link.cost import BURST_PAUSE_S, BURST_PROBES, ProbeBurst
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
