"""Every offload against a model that handles one packet at a time: what comes out is what went in, packet for packet.

Packets go from a TUN device through whole nodes and a relay to another TUN device. The kernels at both ends are
`tests/support/kernel_offloads.py`, joined to the devices by socket pairs; scapy makes the packets.
"""

import os
import socket
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.packet import Packet, Raw

from mycelium.packet.batch import PacketBatch
from mycelium.tun.linux import LinuxTun
from sim.net.node_net import NodeNet
from tests.dataplane.support import ready
from tests.support.kernel_offloads import Written, cut, offloaded, partial, plain
from tests.support.small_meshes import link_of

PLACE = {TCP: 16, UDP: 6}
HOPS = 1  # by the relay
EXTENSIONS = (
    (),
    (IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]),),
    (IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]), IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))])),
    (IPv6ExtHdrRouting(segleft=0, addresses=["400::9"]),),
    (IPv6ExtHdrFragment(id=7),),  # an atomic fragment (RFC 6946)
)


class JoinedTun(LinuxTun):
    """A LinuxTun whose device is a socket that keeps packets apart."""

    __slots__ = ("kernel",)

    def __init__(self, *, takes_udp: bool) -> None:
        super().__init__("joined", udp_super_packets=takes_udp)

    def _create(self) -> None:
        self.kernel, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.kernel, ours):
            end.setblocking(False)
        self._handle = ours  # type: ignore[assignment]
        self._fd = ours.fileno()
        self.name, self._takes_udp_super_packets = self._asked_for

    def written(self) -> list[Written]:
        """Returns what was written since the last call."""
        taken: list[Written] = []
        while True:
            try:
                data = self.kernel.recv(1 << 17)
            except BlockingIOError:
                return taken
            taken.append(Written(data[:10], data[10:]))

    def close(self) -> None:
        super().close()
        self.kernel.close()


@cache
def mesh() -> NodeNet:
    return ready("abc")


class Sender:
    """Makes the packets of a few flows, which go on from packet to packet."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._sequences = {1: draw(st.sampled_from([5, 0xFFFF_FF00])), 2: 77}
        self._number = 0

    def next(self) -> Written:
        draw = self._draw
        self._number += 1
        if draw(st.integers(0, 9)) == 0:
            return self._odd()
        kind = draw(st.sampled_from([TCP, TCP, UDP]))
        how = draw(st.sampled_from(["partial", "partial", "super", "super", "full", "damaged"]))
        size = draw(st.sampled_from([100, 100, 100, 99, 1, 1_337]))
        count = draw(st.integers(1, 4)) if how == "super" else 1
        length = max(size * count - draw(st.sampled_from([0, 0, 0, size // 2])), 1 if how == "super" else 0)
        extensions = draw(st.sampled_from([EXTENSIONS[0]] * 6 + list(EXTENSIONS[1:])))
        packet, offset = self._built(kind, extensions, bytes((self._number,)) * length)
        if how == "full":
            return plain(packet)
        if how == "damaged":
            return plain(packet[:-1] + bytes((packet[-1] ^ 0x55,)))
        packet = partial(packet, offset, PLACE[kind])
        return offloaded(packet, offset, PLACE[kind], size if how == "super" else 0)

    def _built(self, kind: type[Packet], extensions: Sequence[Packet], payload: bytes) -> tuple[bytes, int]:
        draw = self._draw
        port = draw(st.sampled_from([1, 1, 1, 2]))
        if kind is TCP:
            layer = TCP(sport=4_000, dport=port, seq=self._sequences[port], ack=7, window=500)
            layer.flags = draw(st.sampled_from(["A"] * 6 + ["PA", "FA", "EA", "CA", "CPA", "S", "R", "UA"]))
            layer.options = draw(st.sampled_from([[("Timestamp", (1, 2)), ("NOP", None), ("NOP", None)]] * 3 + [[]]))
            self._sequences[port] = self._sequences[port] + len(payload) & 0xFFFF_FFFF
        else:
            layer = UDP(sport=4_000, dport=port)
        below = self._header()
        for extension in extensions:
            below = below / extension.copy()
        return bytes(below / layer / Raw(payload)), len(below)

    def _header(self) -> Packet:
        hosts = mesh().hosts
        traffic_class = self._draw(st.sampled_from([0, 0, 0, 0, 2, 0xB8]))
        return IPv6(src=hosts["a"].address_text, dst=hosts["c"].address_text, fl=0x12345, tc=traffic_class, hlim=64)

    def _odd(self) -> Written:
        """Returns what no offload concerns: fragments, other protocols, bytes that are no packet of any."""
        data = bytes((self._number,)) * self._draw(st.sampled_from([0, 1, 7, 8, 1_000]))
        first = self._header()
        return plain(
            self._draw(
                st.sampled_from(
                    [
                        bytes(first / IPv6ExtHdrFragment(m=1, id=9, nh=17) / Raw(data)),
                        bytes(first / IPv6ExtHdrFragment(offset=64, id=9, nh=6) / Raw(data)),
                        bytes(first / ICMPv6EchoRequest(id=3, data=data)),
                        bytes(first / Raw(data)),
                        bytes(IPv6(bytes(first), nh=6) / Raw(data)),
                        bytes(IPv6(bytes(first), nh=17) / Raw(data)),
                        bytes(IPv6(bytes(first), nh=132) / Raw(data)),
                        bytes(first / UDP(len=9, chksum=0) / Raw(data)),
                    ]
                )
            )
        )


def flows(packets: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """Returns the packets of each flow, in order: addresses, and ports where they follow at once."""
    by_flow = defaultdict(list)
    for packet in packets:
        by_flow[packet[6:7] + packet[8:44]].append(packet)
    return by_flow


def through(messages: Sequence[Written], *, limits: Iterator[int], takes_udp: bool) -> list[Written]:
    """Sends packets from the device of a to that of c, with frames and trains of at most the next of `limits` bytes."""
    net, tun, out, batch = mesh(), JoinedTun(takes_udp=True), JoinedTun(takes_udp=takes_udp), PacketBatch()
    a, c = net.hosts["a"], net.hosts["c"]
    c.delivered.clear()
    try:
        for message in messages:
            os.writev(tun.kernel.fileno(), [message.header, message.packet])
        link_of(net, "a", "b").frames.budget.limit = next(limits)
        link_of(net, "b", "c").frames.budget.limit = next(limits)
        a.node.sessions.by_peer[c.address].budget.limit = next(limits)
        while tun.read_batch(batch):
            net.send_batch("a", [(bytes(batch.buffer[at:end]), flags, size) for at, end, flags, size in batch.slots])
        net.run(0.1)
        out.write([(memoryview(packet), flags, size) for packet, flags, size in c.delivered])
        assert tun.counters.malformed == out.counters.malformed == out.counters.refused == 0
        return out.written()
    finally:
        tun.close()
        out.close()


@given(st.data(), st.lists(st.sampled_from([1_200, 1_200, 5_000, 131_072]), min_size=3, max_size=3), st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_packets_come_out_of_the_far_device_as_they_went_into_the_near_one(
    data: st.DataObject, limits: list[int], takes_udp: bool
) -> None:
    messages = data.draw(batches())
    expected = [as_relayed(packet) for message in messages for packet in cut(message)]
    written = through(messages, limits=iter(limits), takes_udp=takes_udp)
    seen = [packet for message in written for packet in cut(message)]
    if min(limits) > 5_000:
        assert flows(seen) == flows(expected)
    else:  # TCP may be cut anew, so that a segment fits one datagram
        assert streams(seen) == streams(expected)


@st.composite
def batches(draw: st.DrawFn) -> list[Written]:
    sender = Sender(draw)
    return [sender.next() for _ in range(draw(st.integers(1, 16)))]


def as_relayed(packet: bytes) -> bytes:
    return packet[:7] + bytes((packet[7] - HOPS,)) + packet[8:]


def streams(packets: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """As `flows`, with adjacent segments of a TCP flow that differ in their place alone joined, wherever they are cut."""
    joined: dict[bytes, list[bytes]] = {}
    for flow, ours in flows(packets).items():
        joined[flow] = [piece for packet in ours for piece in bytewise(packet)]
    return joined


def bytewise(packet: bytes) -> list[bytes]:
    """Returns a TCP segment as its bytes, each with its sequence number and the headers but lengths, checksum and flags."""
    offset = tcp_offset(packet)
    start = offset + (packet[offset + 12] >> 4 << 2) if offset else 0
    if not offset or start < offset + 20 or start >= len(packet):
        return [packet]
    first = int.from_bytes(packet[offset + 4 : offset + 8], "big")
    head = packet[:4] + packet[6 : offset + 4] + packet[offset + 8 : offset + 13] + packet[offset + 18 : start]
    return [
        head + ((first + at - start) & 0xFFFF_FFFF).to_bytes(4, "big") + packet[at : at + 1]
        for at in range(start, len(packet))
    ]


def tcp_offset(packet: bytes) -> int:
    """Returns where the TCP header begins; 0 where there is no whole one."""
    protocol, offset = packet[6], 40
    while protocol in (0, 43, 44, 60) and offset + 8 <= len(packet):
        if protocol == 44 and packet[offset + 2 : offset + 4] != bytes(2):
            return 0
        protocol, offset = packet[offset], offset + (8 if protocol == 44 else (packet[offset + 1] + 1) * 8)
    return offset if protocol == 6 and offset + 20 <= len(packet) else 0
