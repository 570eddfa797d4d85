"""What tests of whole nodes have in common: small meshes, pings that can be told apart, and what came of them."""

from itertools import count, pairwise

from mycelium.link.link import Link, LinkState
from mycelium.packet.ipv6 import HEADER_BYTES, echo_request
from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.train import TRAIN_HEADER_BYTES
from sim.net.node_net import NodeNet

_ECHO_BYTES = 8
_numbers = count(1)


def line(net: NodeNet, names: str, delay: float = 0.005) -> None:
    """Adds hosts of one letter each and joins neighbours; the first ones dial."""
    for name in names:
        net.add(name)
    for one, other in pairwise(names):
        net.join(one, other, delay)


def ready_line(names: str, delay: float = 0.005, *, seed: int = 0, pktinfo: bool = False) -> NodeNet:
    """Returns a line whose hosts all reach each other."""
    net = NodeNet(seed, pktinfo=pktinfo)
    line(net, names, delay)
    net.run(10, until=lambda: is_whole(net))
    net.run(1)
    return net


def ready_pair(delay: float = 0.005, *, seed: int = 0, pktinfo: bool = False) -> NodeNet:
    """Returns a and b with a link and a session."""
    net = ready_line("ab", delay, seed=seed, pktinfo=pktinfo)
    deliver(net, "a", "b")
    return net


def reaches(net: NodeNet, source: str, destination: str) -> bool:
    """Tells whether `source` has a route to `destination`."""
    return net.hosts[destination].address in net.hosts[source].node.routing.forwarding.next_hop


def is_whole(net: NodeNet) -> bool:
    """Tells whether each host has a route to every other one."""
    return all(reaches(net, one, other) for one in net.hosts for other in net.hosts if one != other)


def ping_packet(net: NodeNet, source: str, destination: str, data: bytes, *, hop_limit: int = 64) -> bytes:
    """Returns an echo request from one host to another."""
    packet = bytearray(echo_request(net.hosts[source].address, net.hosts[destination].address, 7, 1, data))
    packet[7] = hop_limit
    return bytes(packet)


def ping(net: NodeNet, source: str, destination: str, *, hop_limit: int = 64, size: int = 64) -> bytes:
    """Sends a ping with data of its own; returns the data."""
    data = f"{source}>{destination}/{next(_numbers)}/".encode().ljust(size, b".")
    net.send(source, ping_packet(net, source, destination, data, hop_limit=hop_limit))
    return data


def data_of(packet: bytes) -> bytes:
    """Returns the data of an echo."""
    return packet[HEADER_BYTES + _ECHO_BYTES :]


def received(net: NodeNet, name: str) -> list[bytes]:
    """Returns the data of all echoes that came out of a host's TUN, in order."""
    return [data_of(packet) for packet, _, _ in net.hosts[name].delivered]


def deliver(net: NodeNet, source: str, destination: str, within: float = 3.0) -> float:
    """Sends one ping and runs until it has arrived; returns how long it took."""
    data = ping(net, source, destination)
    return net.run(within, until=lambda: data in received(net, destination))


def ping_until_answered(net: NodeNet, source: str, destination: str, within: float, every: float = 0.01) -> float:
    """Sends pings until the first of them arrives; returns how long that took."""
    sent: list[bytes] = []
    start = net.now
    while net.now < start + within:
        sent.append(ping(net, source, destination))
        net.run(every)
        if set(sent) & set(received(net, destination)):
            return net.now - start
    raise AssertionError(f"no ping arrived within {within} s")


def link_of(net: NodeNet, name: str, neighbour: str) -> Link:
    """Returns the link of one host to another."""
    return net.hosts[name].node.links[net.hosts[neighbour].address]


def is_up(net: NodeNet, one: str, other: str) -> bool:
    """Tells whether both ends of a link are up."""
    for name, neighbour in ((one, other), (other, one)):
        link = net.hosts[name].node.links.get(net.hosts[neighbour].address)
        if link is None or link.state is not LinkState.UP:
            return False
    return True


def counter(net: NodeNet, host: str, name: str) -> int:
    """Returns one counter of a host."""
    return net.hosts[host].node.metrics.values()[name]


def train_kinds(net: NodeNet, name: str) -> list[tuple[int, bytes]]:
    """Returns a list that fills with the trains that come to a host, opened by its links: type, bytes."""
    trains: list[tuple[int, bytes]] = []
    receiving = net.hosts[name].node.receiving
    receive_frame = receiving.receive_frame

    def watch(frame: memoryview, *, now: float, neighbour: bytes = b"") -> None:
        position = FRAME_HEADER.size
        while position < len(frame):
            end = position + TRAIN_HEADER_BYTES + int.from_bytes(frame[position + 5 : position + 8], "big")
            trains.append((frame[position + 2], bytes(frame[position:end])))
            position = end
        receive_frame(frame, now=now, neighbour=neighbour)

    receiving.receive_frame = watch  # type: ignore[method-assign]
    return trains
