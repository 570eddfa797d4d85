"""What a host of a virtual network sends and receives, and the keys that open it."""

from mycelium.capture.dissector import Dissector
from mycelium.capture.keys import KeyLog, read_keys
from mycelium.capture.parts import DatagramPart
from mycelium.daemon.capturing import key_lines
from sim.net.node_net import NodeNet


def dissected(net: NodeNet, name: str) -> list[DatagramPart]:
    """Returns what a host has sent and received since the network began to capture, taken apart."""
    dissector = Dissector()
    dissector.learn(read_keys(key_lines(net.hosts[name].node, KeyLog())))
    assert net.capture is not None
    return [
        dissector.take(data, is_sent=sender == name)
        for sender, receiver, data in net.capture
        if name in (sender, receiver)
    ]


def all_parts(parts: list[DatagramPart]) -> list[DatagramPart]:
    """Returns these parts and all parts in them."""
    return [one for part in parts for one in (part, *all_parts(part.parts))]


def titles(parts: list[DatagramPart]) -> set[str]:
    return {part.title for part in all_parts(parts)}
