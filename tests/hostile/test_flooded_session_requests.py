"""Somebody floods a node with requests for sessions, in the names of other nodes, at 32 Mbit/s."""

import pytest

from mycelium.wire.train import SESSION_REQUEST_BYTES
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, ready_line

REQUESTS_PER_SECOND = 3_000
WITHIN_S = 2.0  # in which a newcomer gets its session


def flood(net: NodeNet, seconds: float, names: str) -> None:
    """Has v pass on requests to b that nobody in whose name they are has made."""
    sources = [net.hosts[name].address for name in names]
    body = memoryview(bytes(SESSION_REQUEST_BYTES))
    started, victim = net.now, net.hosts["b"].node.sessions

    def act(number: int) -> None:
        source = sources[number % len(sources)]
        victim.receive_request(source, number, body, neighbour=net.hosts["v"].address, now=net.now)
        if net.now < started + seconds:
            net.at(started + (number + 1) / REQUESTS_PER_SECOND, lambda: act(number + 1))

    act(1)


@pytest.mark.parametrize("names", ["a", "cv"], ids=["in the name of the newcomer", "in the names of others"])
def test_a_newcomer_gets_its_session(names: str) -> None:
    net = ready_line("cavb")
    flood(net, 4, names)
    net.run(1)
    assert deliver(net, "a", "b", within=WITHIN_S) < 0.2
    assert net.hosts["b"].node.sessions.counters.sessions_sent_a_cookie > REQUESTS_PER_SECOND / 2
