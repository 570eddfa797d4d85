"""What the node itself costs, without any system call: microseconds per super-packet, per small packet, per relayed frame.

./dev bench datapath
"""

import argparse
import itertools
import statistics
from collections.abc import Callable
from time import perf_counter
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.node.node import Node
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_TCP, PacketBatch
from mycelium.policy.base import DEFAULT_POLICY, Policy
from mycelium.policy.node_policy import NodePolicy
from mycelium.policy.settings import parse_policy
from mycelium.wire.train import ITEM_HEADER_BYTES
from sim.net.node_net import NodeNet

DATAGRAM = 1_472
SUPER = SUPER_TCP | PARTIAL_CHECKSUM


def policy_of(rules: int | None) -> Policy:
    """Returns the policy of a network that lets everything in, or that has this many rules and a closed default."""
    if rules is None:
        return DEFAULT_POLICY
    texts = [f"allow udp {number} from 4{number % 100:02}:{number:x}::/64" for number in range(1, rules)]
    packets = [*texts, "allow"]
    return NodePolicy(parse_policy({"default": "closed", "packets": packets}), is_private=False)


def ready_net(names: str, rules: int | None) -> NodeNet:
    """Returns a line of nodes whose ends have a session."""
    net = NodeNet()
    for name in names:
        net.add(name, policy=policy_of(rules))
    for one, other in itertools.pairwise(names):
        net.join(one, other, 0.001)
    net.run(3)
    first, last = net.hosts[names[0]], net.hosts[names[-1]]
    net.send(names[0], packet(first.address, last.address, 64))
    net.run(3)
    net.send(names[-1], packet(last.address, first.address, 64))  # trains of both ends have been opened from now on
    net.run(3)
    for end in (first, last):
        assert end.delivered, "the first packets did not arrive"
    for host in net.hosts.values():
        for link in host.node.links.values():
            link.paths.active.mtu.size = DATAGRAM
    return net


def packet(source: bytes, destination: bytes, payload: int, protocol: int = 17) -> bytes:
    """Returns an IPv6 packet with zeros in it."""
    return b"\x60\0\0\0" + payload.to_bytes(2, "big") + bytes((protocol, 64)) + source + destination + bytes(payload)


def tcp(source: bytes, destination: bytes, payload: int) -> bytes:
    """Returns a TCP packet with zeros for payload."""
    header = bytes(12) + b"\x50\x10" + bytes(6)
    return packet(source, destination, len(header) + payload, 6)[:40] + header + bytes(payload)


def batch_of(data: bytes, copies: int, flags: int = 0, segment_size: int = 0) -> PacketBatch:
    """Returns a batch with copies of one packet."""
    batch = PacketBatch()
    position = 0
    for _ in range(copies):
        start = position + ITEM_HEADER_BYTES
        position = start + len(data)
        batch.buffer[start:position] = data
        batch.slots.append((start, position, flags, segment_size))
    return batch


def bursts(node: Node) -> list[tuple[memoryview, int]]:
    """Returns what the receiver's GRO would read of what is in the outbox, and clears it."""
    taken = [(memoryview(bytearray().join(buffers)), size) for _, buffers, size, *_ in node.outbox.transmits]
    node.outbox.clear()
    return taken


def measure(net: NodeNet, names: str, batch: PacketBatch, rounds: int) -> list[float]:
    """Returns the median microseconds that each node of a line spends on one batch."""
    nodes = [net.hosts[name].node for name in names]
    costs: list[list[float]] = [[] for _ in nodes]
    for _ in range(rounds):
        begin = perf_counter()
        nodes[0].send_packets(batch, now=net.now)
        costs[0].append(perf_counter() - begin)
        for index, node in enumerate(nodes[1:], 1):
            work = bursts(nodes[index - 1])
            sender = Endpoint("udp", names[index - 1], 9651)
            begin = perf_counter()
            for data, size in work:
                node.receive(sender, data, size, now=net.now)
            costs[index].append(perf_counter() - begin)
        nodes[-1].outbox.clear()
    return [statistics.median(cost) * 1e6 for cost in costs]


CASES: Final[dict[str, tuple[str, Callable[[bytes, bytes], PacketBatch]]]] = {
    "62 KB TCP super-packet, direct": ("ab", lambda a, b: batch_of(tcp(a, b, 61_900), 1, SUPER, 1340)),
    "62 KB TCP super-packet, one relay": ("abc", lambda a, c: batch_of(tcp(a, c, 61_900), 1, SUPER, 1340)),
    "64 UDP packets of 64 B, direct": ("ab", lambda a, b: batch_of(packet(a, b, 64 + 8), 64)),
    "12 TCP segments, lossy, direct": ("ab", lambda a, b: batch_of(tcp(a, b, 16_000), 1, SUPER, 1340)),
    "one packet of 104 B, direct": ("ab", lambda a, b: batch_of(packet(a, b, 64), 1)),
    "one packet of 104 B, one relay": ("abc", lambda a, c: batch_of(packet(a, c, 64), 1)),
}


def show(title: str, rounds: int, rules: int | None) -> None:
    """Prints one line of the table; on a lossy path every frame is one datagram."""
    names, make = CASES[title]
    net = ready_net(names, rules)
    if "lossy" in title:
        for host in net.hosts.values():
            for link in host.node.links.values():
                link.frames.budget.floor = link.frames.budget.limit = DATAGRAM - 32
    batch = make(net.hosts[names[0]].address, net.hosts[names[-1]].address)
    roles = ("send", *["relay"] * (len(names) - 2), "receive")
    costs = measure(net, names, batch, rounds)
    print(f"{title:34} {'  '.join(f'{role} {cost:6.1f}' for role, cost in zip(roles, costs, strict=True))}  us")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2_000, help="batches per line; the median is shown")
    parser.add_argument("--rules", type=int, help="of a closed policy; without this, everything is let in")
    arguments = parser.parse_args()
    for title in CASES:
        show(title, arguments.rounds, arguments.rules)


if __name__ == "__main__":
    main()
