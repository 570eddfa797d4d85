"""A TUN device whose packets a test hands over: what is read of them."""

import socket
from collections.abc import Sequence
from contextlib import closing

import pytest

from mycelium.packet.batch import PacketBatch
from mycelium.tun.linux import LinuxTun

Packet = tuple[bytes, bytes]  # virtio-net header, packet
Item = tuple[bytes, int, int]  # packet, item flags, segment size


class PlayedDevice:
    """A socket instead of a TUN device: each read takes one packet that was handed over."""

    name = "mesh0"

    def __init__(self) -> None:
        self._kernel, self._ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 23)
        self._kernel.setblocking(False)

    def hand_over(self, packets: Sequence[Packet]) -> None:
        for header, packet in packets:
            self._kernel.send(header + packet)

    def fileno(self) -> int:
        return self._ours.fileno()

    def close(self) -> None:
        self._kernel.close()
        self._ours.close()


def read(packets: Sequence[Packet]) -> list[list[Item]]:
    """Returns what each batch has of packets that wait together."""
    batches: list[list[Item]] = []
    with pytest.MonkeyPatch.context() as patch, closing(PlayedDevice()) as device:
        patch.setattr("mycelium.tun.linux.create_device", lambda name: device)
        patch.setattr("mycelium.tun.linux._set_offloads", lambda handle, offloads: True)
        tun, batch = LinuxTun.open("mesh0"), PacketBatch()
        device.hand_over(packets)
        while not tun.is_drained:
            count = tun.read_batch(batch)
            assert count >= len(batch.slots)
            slots = batch.slots
            batches.append([(bytes(batch.buffer[start:end]), flags, size) for start, end, flags, size in slots])
    counters = tun.counters
    read_in_all = counters.packets_read + counters.acks_left_out
    assert read_in_all + counters.not_ipv6 + counters.malformed == len(packets)
    assert counters.bytes_read == sum(len(packet) for items in batches for packet, *_ in items)
    return batches
