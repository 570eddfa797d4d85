"""The TUN device of Linux, opened with virtio-net headers, so that super-packets are not split.

It is not persistent: the kernel removes it with its addresses and routes once the process ends, however that happens.
"""

import errno
import fcntl
import os
from collections.abc import Sequence
from time import monotonic
from typing import Final

from mycelium.errors import DecodeError, DeviceError
from mycelium.limits import BYTES_PER_BATCH, PACKETS_PER_BATCH
from mycelium.packet.batch import SUPER_MASK, SUPER_UDP, Delivery, PacketBatch
from mycelium.packet.ipv6 import HEADER_BYTES as IPV6_HEADER_BYTES
from mycelium.packet.ipv6 import NEXT_HEADER, UDP, UDP_HEADER_BYTES, Buffer
from mycelium.packet.offload import split
from mycelium.timing import Silence
from mycelium.tun.ack_filter import ACK_BYTES, NO_SLOT, AckFilter
from mycelium.tun.base import TunCounters
from mycelium.tun.coalesce import coalesce
from mycelium.tun.device import TunHandle, create_device
from mycelium.tun.udp_run import HEADER as RUN_HEADER
from mycelium.tun.udp_run import HEADERS_BYTES as RUN_HEADERS_BYTES
from mycelium.tun.udp_run import UdpRun
from mycelium.tun.virtio import HEADER_BYTES, OTHER_SINGLE, SINGLES, header_of, item_of, partial_checksum_header
from mycelium.wire.train import ITEM_HEADER_BYTES

_NAME_BYTES: Final = 15
_TUNSETOFFLOAD: Final = 0x4004_54D0  # linux/if_tun.h
_TUNGETIFF: Final = 0x8004_54D2
_IFREQ_BYTES: Final = 40
_OFFLOAD_CHECKSUM_AND_TCP: Final = 0x01 | 0x02 | 0x04 | 0x08  # CSUM, TSO4, TSO6, TSO_ECN
_OFFLOAD_UDP: Final = 0x20 | 0x40  # USO4, USO6: Linux 6.2


class LinuxTun:
    """A TunDevice of the kernel; `open` creates it.

    After a silence one packet is returned alone: whatever came with it keeps the descriptor readable.
    """

    __slots__ = (
        "_acks",
        "_asked_for",
        "_fd",
        "_handle",
        "_header",
        "_run",
        "_silence",
        "_takes_udp_super_packets",
        "counters",
        "is_drained",
        "name",
    )

    def __init__(self, name: str, *, udp_super_packets: bool) -> None:
        self.counters = TunCounters()
        self._asked_for = name, udp_super_packets
        self._header = bytearray(HEADER_BYTES)
        self._acks = AckFilter()
        self._run = UdpRun()
        self._silence = Silence()
        self.is_drained = False
        self._create()

    @classmethod
    def open(cls, name: str, *, udp_super_packets: bool = True) -> "LinuxTun":
        """Creates the device `name` (the kernel chooses one for an empty name) with all offloads that the kernel supports.

        `udp_super_packets=False` disables UDP segmentation offload, as on Linux before 6.2. Raises DeviceError.
        """
        return cls(name, udp_super_packets=udp_super_packets)

    def _create(self) -> None:
        name, udp_super_packets = self._asked_for
        handle = _create(name)
        try:
            os.set_inheritable(handle.fileno(), False)  # a child that outlives this process would keep the device
            os.set_blocking(handle.fileno(), False)
            takes_udp = udp_super_packets and _set_offloads(handle, _OFFLOAD_CHECKSUM_AND_TCP | _OFFLOAD_UDP)
            if not takes_udp and not _set_offloads(handle, _OFFLOAD_CHECKSUM_AND_TCP):
                raise DeviceError(f"the kernel rejects segmentation offload for the TUN device {handle.name}")
        except BaseException:
            handle.close()
            raise
        self.name = handle.name
        self._handle = handle
        self._fd = handle.fileno()
        self._takes_udp_super_packets = takes_udp

    def reopen(self) -> None:
        """Creates the device again under the name that `open` was given, after it was removed or moved; raises DeviceError."""
        self.close()
        self._create()

    def is_removed(self) -> bool:
        """Tells whether the kernel has no device for this descriptor any more; one in another network namespace it has."""
        if self._fd < 0:
            return True
        try:
            fcntl.ioctl(self._fd, _TUNGETIFF, bytes(_IFREQ_BYTES))
        except OSError:
            return True
        return False

    def fileno(self) -> int:
        """Returns the descriptor to poll for reading."""
        return self._fd

    def close(self) -> None:
        """Closes the device, which removes the interface with its addresses and routes."""
        self._handle.close()
        self._fd = -1

    def read_batch(self, batch: PacketBatch) -> int:
        """Reads waiting packets into the buffer of `batch`; see TunDevice."""
        slots, run, counters = batch.slots, self._run, self.counters
        slots.clear()
        self._acks.next_slot = NO_SLOT
        if run.has_begun:
            run.restart()
        is_alone = self._silence.ends(is_drained=self.is_drained, now=monotonic())
        self.is_drained = self._silence.is_over
        try:
            self._fill(batch, 1 if is_alone else PACKETS_PER_BATCH)
        except BlockingIOError:
            self.is_drained = True
        except OSError as error:
            raise DeviceError(f"the TUN device {self.name} was removed: {error.strerror}") from error
        if run.room:
            slots[-1] = run.close()
        count = len(slots) + run.joined
        counters.packets_read += count
        counters.bytes_read += slots[-1][1] - ITEM_HEADER_BYTES * len(slots) if slots else 0
        return count

    def _fill(self, batch: PacketBatch, most: int) -> None:
        """Reads at most so many packets, until OSError; the last run stays open."""
        buffer, slots, header, run, counters = batch.buffer, batch.slots, self._header, self._run, self.counters
        read, device, next_head, acks = os.readv, self._fd, run.next_head, self._acks
        position = 0
        for _ in range(most):
            start = position + ITEM_HEADER_BYTES
            if run.room:
                size = read(device, (header, next_head, buffer[position:])) - HEADER_BYTES
                if size == run.size and next_head == run.head and header == RUN_HEADER:
                    position += size - RUN_HEADERS_BYTES
                    run.room -= 1
                    if not run.room:
                        slots[-1] = run.close()
                    if position >= BYTES_PER_BATCH:
                        break
                    continue
                slots[-1] = run.close()
                run.part(position, start, size)
            else:
                size = read(device, (header, buffer[start:])) - HEADER_BYTES
            if size < IPV6_HEADER_BYTES or buffer[start] >> 4 != 6:
                counters.not_ipv6 += 1
                continue
            protocol, segment_size = buffer[start + NEXT_HEADER], 0
            usual, flags = SINGLES.get(protocol, OTHER_SINGLE)
            if header != usual:
                try:
                    flags, segment_size = item_of(header, buffer[start : start + size])
                except DecodeError:
                    counters.malformed += 1
                    continue
            if size == ACK_BYTES and most > 1 and acks.replaces(buffer, start, flags, slots):
                counters.acks_left_out += 1
                continue
            position = start + size
            slots.append((start, position, flags, segment_size))
            if position >= BYTES_PER_BATCH:
                break
            if protocol == UDP and header == RUN_HEADER:
                run.begin(buffer, start, position)

    def write(self, deliveries: Sequence[Delivery]) -> None:
        """Writes packets, runs of one flow as one super-packet; see TunDevice."""
        self.counters.packets_written += len(deliveries)
        if len(deliveries) == 1:
            self._write_one(*deliveries[0])
            return
        for run in coalesce(deliveries, merge_udp=self._takes_udp_super_packets):
            if run.payloads:
                self._writev(run.buffers())
            else:
                self._write_one(run.packet, run.flags, run.segment_size)

    def _write_one(self, packet: memoryview, flags: int, segment_size: int) -> None:
        """Writes a packet that nothing was merged into."""
        try:
            if flags & SUPER_MASK == SUPER_UDP and not self._takes_udp_super_packets:
                self._write_segments(packet, flags, segment_size)
            else:
                self._writev([header_of(packet, flags, segment_size), packet])
        except DecodeError:
            self.counters.malformed += 1

    def _write_segments(self, packet: memoryview, flags: int, segment_size: int) -> None:
        for headers, payload, _, _ in split(packet, flags, segment_size, 1):
            self._writev([partial_checksum_header(UDP, len(headers) - UDP_HEADER_BYTES), headers, payload])

    def _writev(self, buffers: Sequence[Buffer]) -> None:
        self.counters.writes += 1
        try:
            self.counters.bytes_written += os.writev(self._fd, buffers) - HEADER_BYTES
        except OSError:
            self.counters.refused += 1


def _create(name: str) -> TunHandle:
    if len(os.fsencode(name)) > _NAME_BYTES:
        raise DeviceError(f"the TUN device name {name!r} is longer than {_NAME_BYTES} bytes")
    try:
        return create_device(name)
    except OSError as error:
        raise DeviceError(_reason(name, error.errno or error.args[0])) from error


def _reason(name: str, code: int) -> str:
    match code:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return (
                "/dev/net/tun is missing: load the tun module, pass the device to the container, or run with --no-tun"
            )
        case errno.EACCES:
            return "no permission to open /dev/net/tun: run as root, give this user the device, or run with --no-tun"
        case errno.EPERM:
            return f"no permission to create the TUN device {name}: run as root, with CAP_NET_ADMIN, or with --no-tun"
        case errno.EBUSY:
            return (
                f"the interface {name} already exists: is another mycelium running? Choose another name with --tun-name"
            )
        case errno.EINVAL:
            return f"the kernel rejects {name!r} as an interface name"
        case _:
            return f"cannot create the TUN device {name}: {os.strerror(code)}"


def _set_offloads(handle: TunHandle, offloads: int) -> bool:
    try:
        fcntl.ioctl(handle.fileno(), _TUNSETOFFLOAD, offloads)
    except OSError:
        return False
    return True
