"""Datagrams by the hundred thousand a second, each from another host: what a stranger with forged addresses can send."""

import ctypes
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv6Address
from itertools import islice
from typing import Final

from tests.lab.namespaces import LabHost

SOURCES: Final = "fd99"  # of the strangers' addresses, /16
AT_ONCE: Final = 512  # datagrams in one system call
POOL: Final = 2_048  # different datagrams, sent over and over
SEED: Final = 1

_IPV6: Final = struct.Struct("!IHBB16s16s")
_UDP: Final = struct.Struct("!HHHH")
_VERSION: Final = 6 << 28
_HOPS: Final = 64
_PORT: Final = 40_000


class _Buffer(ctypes.Structure):  # struct iovec
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):  # struct msghdr
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("buffers", ctypes.c_void_p),
        ("buffers_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Messages(ctypes.Structure):  # struct mmsghdr
    _fields_ = (("message", _Message), ("sent", ctypes.c_uint))


class Flood:
    """Datagrams to one address and port, ready to be sent; `make` returns the payload of one after the other."""

    def __init__(self, there: tuple[str, int], make: Callable[[], bytes]) -> None:
        self._address = ctypes.create_string_buffer(_socket_address(there[0]))
        self._packets = [_packet(source, there, make()) for source in islice(sources(), POOL)]
        self._buffers = (_Buffer * POOL)()
        self._messages = (_Messages * POOL)()
        for packet, buffer, one in zip(self._packets, self._buffers, self._messages, strict=True):
            message = one.message
            buffer.base, buffer.length = ctypes.cast(packet, ctypes.c_void_p).value, len(packet)
            message.name, message.name_length = ctypes.addressof(self._address), len(self._address) - 1
            message.buffers, message.buffers_length = ctypes.addressof(buffer), 1

    def send(self, host: LabHost, *, per_second: float, seconds: float) -> int:
        """Sends from a host, at most at a rate; returns the number of datagrams."""
        send = ctypes.CDLL(None, use_errno=True).sendmmsg
        with host.entered(), socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            sent, begin = 0, time.monotonic()
            while (elapsed := time.monotonic() - begin) < seconds:
                wanted = min(int(elapsed * per_second) - sent, AT_ONCE)
                if wanted <= 0:
                    time.sleep(1e-3)
                    continue
                at = sent % POOL
                taken = send(raw.fileno(), ctypes.byref(self._messages[at]), min(wanted, POOL - at), 0)
                if taken < 0:
                    raise OSError(ctypes.get_errno(), "sendmmsg")
                sent += taken
        return sent


def allow_sources(stranger: LabHost, target: LabHost, gateway: str) -> None:
    """Has a host send from addresses that nobody has, and be sent the answers: `gateway` is its own at the target's wire."""
    stranger.sysctl("net.ipv6.ip_nonlocal_bind", 1)
    stranger.ip(f"route add local {SOURCES}::/16 dev lo")
    target.ip(f"route add {SOURCES}::/16 via {gateway}")


def sources() -> Iterator[str]:
    """Yields addresses, each of another /64."""
    rng = random.Random(SEED)
    while True:
        yield f"{SOURCES}:{rng.randrange(1, 1 << 16):x}:{rng.randrange(1 << 16):x}:{rng.randrange(1 << 16):x}::1"


def _socket_address(host: str) -> bytes:
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16sI", 0, 0, IPv6Address(host).packed, 0)


def _packet(source: str, there: tuple[str, int], payload: bytes) -> ctypes.Array[ctypes.c_char]:
    """Returns an IPv6 packet with a UDP datagram."""
    length = _UDP.size + len(payload)
    ends = IPv6Address(source).packed, IPv6Address(there[0]).packed
    unsummed = _UDP.pack(_PORT, there[1], length, 0) + payload
    summed = _checksum(b"".join(ends) + struct.pack("!II", length, socket.IPPROTO_UDP) + unsummed)
    datagram = _UDP.pack(_PORT, there[1], length, summed) + payload
    packet = _IPV6.pack(_VERSION, length, socket.IPPROTO_UDP, _HOPS, *ends) + datagram
    return ctypes.create_string_buffer(packet, len(packet))


def _checksum(data: bytes) -> int:
    words: Sequence[int] = struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF
