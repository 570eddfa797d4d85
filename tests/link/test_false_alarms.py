"""No link is taken for dead that lives: not while a process gets no processor, a queue fills, or datagrams are lost all day."""

import random
from math import pi, sin

import pytest

from mycelium.link.link import LinkState
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, is_whole, link_of, ping, ready_pair, received

LAN_S = 0.0004


def deaths(net: NodeNet, name: str) -> int:
    return len(net.hosts[name].deaths)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("flow", ["none", "out", "in", "both"])
def test_a_node_that_gets_no_processor_blames_nobody(flow: str, seed: int) -> None:
    net = ready_pair(LAN_S, seed=seed)
    rng = random.Random(seed)
    a, b = net.hosts["a"], net.hosts["b"]
    for _ in range(40):
        calm_until = net.now + rng.uniform(0.05, 0.6)
        for _ in range(rng.randrange(4)):  # a moment now and then is no help
            net.starve("a", rng.uniform(0.03, 0.4))
            net.run(a.running.starved_until - net.now)
        net.starve("a", rng.uniform(0.2, 1.0))
        while net.now < max(a.running.starved_until, calm_until):
            if flow in ("out", "both") and a.running.starved_until <= net.now:
                ping(net, "a", "b")
            if flow in ("in", "both"):
                ping(net, "b", "a")
            net.run(0.01)
        if link_of(net, "b", "a").state is not LinkState.UP:  # who was silent for a second may be given up
            net.run(5, until=lambda: link_of(net, "b", "a").state is LinkState.UP)
    assert deaths(net, "a") == 0
    assert b.link_events


@pytest.mark.parametrize("seed", range(4))
def test_a_neighbour_that_gets_no_processor_for_200_ms_is_not_given_up(seed: int) -> None:
    net = ready_pair(LAN_S, seed=seed)
    rng = random.Random(seed)
    for _ in range(80):
        net.starve("ab"[rng.randrange(2)], 0.2)
        for _ in range(20 + rng.randrange(20)):
            for one, other in ("ab", "ba"):
                if net.hosts[one].running.starved_until <= net.now:
                    ping(net, one, other)
            net.run(0.01)
    assert (deaths(net, "a"), deaths(net, "b")) == (0, 0)


def test_a_queue_of_a_tenth_of_a_second_is_no_cut() -> None:
    net = ready_pair(LAN_S)
    step_s = 0.002
    for step in range(10_000):
        queued = 0.1 * max(0.0, sin(2 * pi * step * step_s / 1.7))
        net.wires["a", "b"].reshape(delay_s=LAN_S + queued)
        ping(net, "a", "b", size=1_000)
        if step % 4 == 0:
            ping(net, "b", "a")  # the acknowledgements of four streams
        net.run(step_s)
    assert (deaths(net, "a"), deaths(net, "b")) == (0, 0)
    assert len(received(net, "b")) > 9_000


@pytest.mark.parametrize("hours", [0.25, pytest.param(24.0, marks=[pytest.mark.deep, pytest.mark.timeout(600)])])
def test_a_day_of_five_percent_loss_kills_no_link(hours: float) -> None:
    net = NodeNet(5)
    for name in "ab":
        net.add(name)
    net.join("a", "b", 0.01)
    net.run(10, until=lambda: is_whole(net))
    deliver(net, "a", "b")
    for wire in net.both("a", "b"):
        wire.reshape(loss=0.05)
    rng = random.Random(6)
    end = net.now + hours * 3_600
    while net.now < end:
        ping(net, *("ab" if rng.random() < 0.5 else "ba"))
        net.run(rng.expovariate(1 / 5))
        for host in net.hosts.values():
            host.delivered.clear()
    assert (deaths(net, "a"), deaths(net, "b")) == (0, 0)
