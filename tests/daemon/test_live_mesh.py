"""What the operator is told of the links of all nodes."""

import pytest

from mycelium.daemon import live_mesh
from mycelium.daemon.live_mesh import LiveMesh
from mycelium.node.names import Names
from sim.net.node_net import NodeNet
from tests.support.small_meshes import is_whole


def test_nodes_are_asked_while_somebody_looks_and_what_is_the_same_is_not_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = NodeNet()
    for name in "abc":
        net.add(name, tells_links=True, announced=f"host-{name}".encode())
    net.join("a", "b")
    net.join("b", "c")
    net.run(10, until=lambda: is_whole(net))
    monkeypatch.setattr(live_mesh, "monotonic", lambda: net.now)
    node = net.hosts["a"].node
    a, b, c = (net.hosts[name].address_text for name in "abc")
    view = LiveMesh(node, Names(node.routing, is_private=True), lambda action: action(net.now))
    assert [(address, one.answer) for address, one in view.look().items()] == [
        (a, "own"),
        (b, "waiting"),
        (c, "waiting"),
    ]
    net.drain("a")
    net.run(3)
    found = view.look()
    assert {address: (one.answer, one.name, sorted(one.links)) for address, one in found.items()} == {
        a: ("own", "host-a", [b]),
        b: ("told", "host-b", sorted((a, c))),
        c: ("told", "host-c", [b]),
    }
    link = found[c].links[b]
    assert link.rtt_ms == pytest.approx(10, abs=1)
    assert link.cost is not None
    assert not link.suspect
    again = view.look()
    assert again[c] is found[c]
