"""Lines of nodes whose ends have a session, and trains with any items."""

from scapy.layers.inet6 import IPv6

from mycelium.wire.train import ITEM_HEADER
from sim.net.node_net import NodeNet
from tests.support.small_meshes import deliver, link_of, ready_line


def ready(names: str) -> NodeNet:
    """Returns a line whose ends have a session."""
    net = ready_line(names)
    deliver(net, names[0], names[-1])
    for host in net.hosts.values():
        host.delivered.clear()
    return net


def errors(net: NodeNet, name: str) -> list[IPv6]:
    """Returns what a host's applications got, dissected, having checked every checksum."""
    packets = [IPv6(packet) for packet, _, _ in net.hosts[name].delivered]
    for packet, (raw, _, _) in zip(packets, net.hosts[name].delivered, strict=True):
        del packet.payload.cksum
        assert bytes(packet) == raw
    return [IPv6(raw) for raw, _, _ in net.hosts[name].delivered]


def send_items(net: NodeNet, items: bytes) -> None:
    """Has a seal these bytes for c as the items of a train."""
    node = net.hosts["a"].node
    session = node.sessions.by_peer[net.hosts["c"].address]
    key = (0x60, 64, net.hosts["c"].address)
    node.sending._seal_train((link_of(net, "a", "b"), 0, b""), session, key, memoryview(items), 0, now=net.now)
    node.sending.flush(now=net.now)
    net.drain("a")
    net.run(1)


def item(packet: bytes, *, word: int | None = None) -> bytes:
    """Returns a packet as an item."""
    return ITEM_HEADER.pack(len(packet) << 8 if word is None else word, 0) + packet
