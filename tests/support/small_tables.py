"""Meshes of whole nodes whose tables are smaller than the mesh, where each node knows where the others are at home."""

from itertools import pairwise

from msgspec.structs import replace

from mycelium.identity import subnet_of
from mycelium.node.directory import Home
from mycelium.node.node import Node
from mycelium.wire.home_record import NOWHERE, HomeRecord
from sim.net.node_net import NodeNet


def limit_tables(net: NodeNet, nodes: int) -> None:
    """Has the tables of all hosts, which have just been added, hold so many nodes."""
    for host in net.hosts.values():
        engine, scope = host.node.routing, host.node.routing._scope
        scope._least, scope._most, scope._uncut, scope.is_limited = nodes, nodes + nodes // 4, nodes + nodes // 4, True
        scope._shared = 0
        quick = replace(engine.landmarks._parameters, landmark_after_s=0.0, landmark_wait_s=0.5)
        engine.landmarks._parameters = quick


def small_line(names: str = "abcdefghij") -> NodeNet:
    """Returns a line of hosts whose tables hold four nodes each, with landmarks that have stood up."""
    net = NodeNet(seed=1)
    for name in names:
        net.add(name)
    limit_tables(net, 4)
    for one, other in pairwise(names):
        net.join(one, other)
    net.run(15)
    return net


def tell_homes(net: NodeNet) -> None:
    """Has each node know of each other one its address, its key, and where it is at home at any time."""
    by_address = {host.address: host.node for host in net.hosts.values()}

    def home_of(node: bytes) -> Home | None:
        home = by_address[node].routing.home
        return None if home is None else Home(node, HomeRecord(b"", 0, 0, b"", home, NOWHERE))

    for host in net.hosts.values():
        path = host.node._data_path
        path.directory.home_of = home_of  # type: ignore[method-assign]
        path.sessions._resolve = lambda node: by_address[node].routing.resolve(node)
        path.sessions._requests._look_up = lambda node, *, now: by_address[node].routing.resolve(node)
        for address in by_address:
            host.node.routing.forwarding.owner.setdefault(subnet_of(address), address)


def tell_home(node: Node, of: bytes, home: bytes, backup: bytes = NOWHERE) -> None:
    """Has a node know where another one is at home, and of no others."""
    known = Home(of, HomeRecord(b"", 0, 0, b"", home, backup))
    node._data_path.directory.home_of = lambda node: known if node == of else None  # type: ignore[method-assign]


def is_in_scope(node: Node, other: Node) -> bool:
    """Tells whether a node has a route to another one."""
    return other.identity.address in node.routing.forwarding.next_hop
