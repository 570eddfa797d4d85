"""The counters of the data path: one packet on its way is counted once at each node, as what it is there."""

from dataclasses import asdict

from sim.net.node_net import NodeNet
from tests.dataplane.support import ready
from tests.support.small_meshes import ping


def counted(net: NodeNet, name: str) -> dict[str, int]:
    """Returns the counters of a host's data path that are not 0."""
    return {name: value for name, value in asdict(net.hosts[name].node.dataplane_counters).items() if value}


def test_a_packet_is_sent_once_forwarded_once_and_delivered_once() -> None:
    net = ready("abc")
    before = {name: counted(net, name) for name in "abc"}
    ping(net, "a", "c")
    net.run(1)
    grown = {
        name: {key: value - before[name].get(key, 0) for key, value in counted(net, name).items()} for name in "abc"
    }
    assert {key: value for key, value in grown["a"].items() if value} == {"packets_sent": 1}
    assert grown["b"]["trains_forwarded"] >= 1
    assert {key: value for key, value in grown["c"].items() if value} == {"packets_delivered": 1}
