"""Small meshes of whole nodes, pings with unique data, and what has become of them."""

from itertools import count, pairwise

from mycelium.link.link import Link, LinkState
from mycelium.packet.ipv6 import HEADER_BYTES, echo_request
from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.train import TRAIN_HEADER_BYTES
from sim.net.node_net import NodeNet

_ECHO_BYTES = 8
_numbers = count(1)


def line(net: NodeNet, names: str, delay: float = 0.005) -> None:
    """Adds hosts with names of one letter and joins neighbours; the first of two dials."""
    for name in names:
        net.add(name)
    for one, other in pairwise(names):
        net.join(one, other, delay)


def ready_line(names: str, delay: float = 0.005, *, seed: int = 0, pktinfo: bool = False) -> NodeNet:
    """Returns a line whose hosts have routes to each other."""
    net = NodeNet(seed, pktinfo=pktinfo)
    line(net, names, delay)
    net.run(10, until=lambda: is_whole(net))
    net.run(1)
    return net


def ready_pair(delay: float = 0.005, *, seed: int = 0, pktinfo: bool = False) -> NodeNet:
    """Returns the hosts a and b with a link and a session."""
    net = ready_line("ab", delay, seed=seed, pktinfo=pktinfo)
    deliver(net, "a", "b")
    return net


def square() -> NodeNet:
    """Returns a square in which a reaches b directly, or the long way."""
    net = NodeNet()
    for name in "abcd":
        net.add(name)
    for one, other in ("ab", "bc", "cd", "da"):
        net.join(one, other)
    net.run(5)
    deliver(net, "a", "b")
    net.hosts["a"].node.note_route_changes(now=net.now)
    return net


def reaches(net: NodeNet, source: str, destination: str) -> bool:
    """Tells whether `source` has a route to `destination`."""
    return net.hosts[destination].address in net.hosts[source].node.routing.forwarding.next_hop


def is_whole(net: NodeNet) -> bool:
    """Tells whether each host has a route to every other one."""
    return all(reaches(net, one, other) for one in net.hosts for other in net.hosts if one != other)


def ping_packet(net: NodeNet, source: str, destination: str, data: bytes, *, hop_limit: int = 64) -> bytes:
    """Returns an ICMPv6 echo request from one host to another."""
    packet = bytearray(echo_request(net.hosts[source].address, net.hosts[destination].address, 7, 1, data))
    packet[7] = hop_limit
    return bytes(packet)


def ping(net: NodeNet, source: str, destination: str, *, hop_limit: int = 64, size: int = 64) -> bytes:
    """Sends a ping with unique data; returns the data."""
    data = f"{source}>{destination}/{next(_numbers)}/".encode().ljust(size, b".")
    net.send(source, ping_packet(net, source, destination, data, hop_limit=hop_limit))
    return data


def data_of(packet: bytes) -> bytes:
    """Returns the data of an echo request."""
    return packet[HEADER_BYTES + _ECHO_BYTES :]


def received(net: NodeNet, name: str) -> list[bytes]:
    """Returns the data of all echo requests that a host has delivered, in order."""
    return [data_of(packet) for packet, _, _ in net.hosts[name].delivered]


def deliver(net: NodeNet, source: str, destination: str, within: float = 3.0) -> float:
    """Sends a ping and runs until it has arrived; returns the time that took, in seconds."""
    data = ping(net, source, destination)
    return net.run(within, until=lambda: data in received(net, destination))


def ping_until_answered(net: NodeNet, source: str, destination: str, within: float, every: float = 0.01) -> float:
    """Sends pings until one has arrived; returns the time that took, in seconds."""
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
    """Returns a list that collects (type, bytes) of the trains that a host receives."""
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
