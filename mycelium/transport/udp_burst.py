"""Many single datagrams by one system call (recvmmsg), where neither the network card nor the kernel has joined them (GRO).

Datagrams of one sender and size come to lie back to back in the buffer, as GRO leaves them. Each has room behind, apart, for
what is longer. The socket module has no such call, so it is made through ctypes; what the kernel wrote is compared as
a whole, and looked at one by one only where datagrams differ.

What a neighbour sends together ends with its only shorter datagram. A call mostly takes the first datagrams of what follows as
well; these begin the next one, so that what was sent together comes together.
"""

import ctypes
import errno
import socket
import struct
from collections.abc import Callable
from itertools import pairwise
from mmap import mmap
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.transport.base import Received
from mycelium.transport.udp_address import SocketAddress
from mycelium.transport.udp_mark import CLASS_KINDS, has_mark
from mycelium.transport.udp_socket import IP_PKTINFO, SOL_UDP, UDP_GRO

MOST: Final = 64  # datagrams of one call
PLACES: Final = MOST + 1  # the first is never received into: at least one datagram is there already
RECEIVE_BYTES: Final = 65_536  # more than the largest UDP payload, so nothing is ever truncated
# room for the GRO size, the larger PKTINFO, and the traffic class
ANCILLARY_BYTES: Final = socket.CMSG_SPACE(4) + socket.CMSG_SPACE(20) + socket.CMSG_SPACE(4)
KEYS_REMEMBERED: Final = 64  # senders; then all are forgotten
QUIC_BYTES: Final = 0x40  # first bytes from here on are QUIC's, those below ours (RFC 9443)

# struct mmsghdr: name, its length, pieces, their number, control messages, their length, flags; then what was received
_HEAD: Final = struct.Struct("=QI4xQQQQi4xI4x")
_PIECE: Final = struct.Struct("=QQ")  # struct iovec
_CONTROL: Final = struct.Struct("=Qii")  # struct cmsghdr
_INET6: Final = struct.Struct("!2xHI16s")  # behind the family, before the scope, which is in the host's order
_INET: Final = struct.Struct("!2xH4s")
_PKTINFO: Final = ((socket.IPPROTO_IPV6, socket.IPV6_PKTINFO), (socket.IPPROTO_IP, IP_PKTINFO))
_FAMILY: Final = struct.Struct("=H")
_SCOPE: Final = struct.Struct("=I")
_INT: Final = struct.Struct("=i")
_NAME_BYTES: Final = 28
_HEAD_WORDS: Final = _HEAD.size // 4
_LENGTH_WORD: Final = 14  # of a head: bytes received

_recvmmsg = ctypes.PyDLL(None, use_errno=True).recvmmsg  # it never waits, so it keeps the interpreter's lock
_recvmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)

_Key = tuple[Endpoint | None, int]  # source, and segment size where the kernel has joined several; else 0
# from address, PKTINFO and whether it is marked; None: it is to be dropped
SourceOf = Callable[[SocketAddress, bytes, bool], Endpoint | None]


class BurstReceiver:
    """Receives datagrams of one socket into `view`, behind one of the same size that is there already."""

    __slots__ = (
        "_address",
        "_controls",
        "_heads",
        "_is_long",
        "_is_open",
        "_keys",
        "_lengths",
        "_names",
        "_pieces",
        "_size",
        "_source_of",
        "_spare",
        "_template",
        "_udp",
        "_view",
    )

    def __init__(self, udp: socket.socket, view: memoryview, source_of: SourceOf) -> None:
        self._udp = udp
        self._view = view
        self._source_of = source_of
        self._keys: dict[bytes, _Key] = {}  # by what the kernel wrote
        self._names = bytearray(PLACES * _NAME_BYTES)
        self._controls = bytearray(PLACES * ANCILLARY_BYTES)
        self._pieces = bytearray(PLACES * 2 * _PIECE.size)
        self._heads = bytearray(PLACES * _HEAD.size)
        self._spare = memoryview(mmap(-1, PLACES * RECEIVE_BYTES))  # hardly ever written to: no memory till then
        self._lengths = memoryview(self._heads).cast("I")
        self._address = _address_of(self._heads)
        self._size = 0  # that the pieces are laid out for
        self._is_open = False  # whether a shorter datagram is to follow, the end of what was sent together
        self._is_long = False  # whether datagrams of that size were at least half of what may be gathered
        names, controls, pieces = map(_address_of, (self._names, self._controls, self._pieces))
        self._template = b"".join(
            _HEAD.pack(
                names + number * _NAME_BYTES,
                _NAME_BYTES,
                pieces + number * 2 * _PIECE.size,
                2,
                controls + number * ANCILLARY_BYTES,
                ANCILLARY_BYTES,
                0,
                0,
            )
            for number in range(PLACES)
        )

    def gather(self, begun: memoryview, size: int, source: Endpoint, most_bytes: int) -> tuple[list[Received], bool]:
        """Receives what waits behind `begun`, datagrams of `size` bytes from `source`, perhaps in another place of the view.

        Returns that and the others, those of one sender and size together (the last of them may be shorter), and whether
        nothing waits any more. Raises OSError.
        """
        if self._is_open and size < self._size:  # that end, alone: what follows does not fit its size
            self._is_open = False
            return [(begun, size, source)], False
        have = len(begun) // size
        most = min(most_bytes // size, MOST) + 1 - have
        self._view[: len(begun)] = begun
        lengths = self._receive(size, have, most)
        count = len(lengths)
        self._is_open = (lengths or [size])[-1] >= size
        self._is_long = 2 * (have + count) * size >= most_bytes
        are_alike = self._are_alike(have, count)
        keys = [self._key(have)] * count if are_alike and count else [self._key(have + at) for at in range(count)]
        lengths[:0] = [size] * have
        keys[:0] = [(source, 0)] * have
        starts = self._starts(lengths, keys, is_uniform=are_alike and keys[-1] == keys[0])
        gathered: list[Received] = []
        for at, end in pairwise([*starts, have + count]):
            its_source, segment_size = keys[at]
            if its_source is not None:
                gathered.append((self._data(at, end, lengths), segment_size or lengths[at] or 1, its_source))
        return gathered, count < most

    def may_begin(self, received: Received) -> bool:
        """Tells whether datagrams that were gathered behind others may go together with what comes next.

        Short ones may not: where the kernel joins what is long, that would be copied behind them.
        """
        data, size, _ = received
        return self._is_long and size == self._size and len(data) % size == 0

    def _starts(self, lengths: list[int], keys: list[_Key], *, is_uniform: bool) -> list[int]:
        """Returns the numbers of those datagrams that do not go together with the one before."""
        size, borders = self._size, {0}
        for at in [at for at, length in enumerate(lengths) if length != size]:
            borders |= {at + 1} if 0 < lengths[at] < size else {at, at + 1}
        firsts = bytes(self._view[: len(lengths) * size : size])
        if max(firsts) >= QUIC_BYTES:
            for at in [at for at, first in enumerate(firsts) if first >= QUIC_BYTES]:
                borders |= {at, at + 1}
        if not is_uniform:
            borders |= {at for at, (one, other) in enumerate(pairwise(keys), 1) if other != one or other[1]}
        return sorted(borders - {len(lengths)})

    def _data(self, at: int, end: int, lengths: list[int]) -> memoryview:
        """Returns datagrams that lie back to back, or one that is longer than its place."""
        size, last = self._size, lengths[end - 1]
        data = self._view[at * size : (end - 1) * size + min(last, size)]
        if last <= size:
            return data
        spare = at * RECEIVE_BYTES
        return memoryview(bytearray(data) + self._spare[spare : spare + last - size])

    def _receive(self, size: int, have: int, most: int) -> list[int]:
        """Receives datagrams to `have * size`, `(have + 1) * size` and so on of the view; returns their lengths.

        What is longer than `size` continues apart.
        """
        if size != self._size:
            self._lay_out(size)
        self._heads[:] = self._template
        self._names[:] = bytes(len(self._names))
        self._controls[:] = bytes(len(self._controls))
        descriptor, count = self._udp.fileno(), 0
        while count < most:
            head = self._address + (have + count) * _HEAD.size
            came = _recvmmsg(descriptor, head, most - count, socket.MSG_DONTWAIT, None)
            if came < 0:
                if ctypes.get_errno() == errno.EAGAIN:
                    break
                raise OSError(ctypes.get_errno(), "recvmmsg")
            count += came
        return self._lengths[have * _HEAD_WORDS + _LENGTH_WORD : (have + count) * _HEAD_WORDS : _HEAD_WORDS].tolist()

    def _are_alike(self, first: int, count: int) -> bool:
        """Tells whether the kernel wrote the same of so many: sender, our address, and how many it has joined."""
        name, control = first * _NAME_BYTES, first * ANCILLARY_BYTES
        names, controls = self._names, self._controls
        return (
            names[name : name + count * _NAME_BYTES] == names[name : name + _NAME_BYTES] * count
            and controls[control : control + count * ANCILLARY_BYTES]
            == controls[control : control + ANCILLARY_BYTES] * count
        )

    def _key(self, number: int) -> _Key:
        """Returns the key of one of those received."""
        name = bytes(self._names[number * _NAME_BYTES : (number + 1) * _NAME_BYTES])
        control = bytes(self._controls[number * ANCILLARY_BYTES : (number + 1) * ANCILLARY_BYTES])
        key = self._keys.get(name + control)
        if key is None:
            segment_size, pktinfo, is_marked = _ancillary(control)
            key = self._source_of(_socket_address(name), pktinfo, is_marked), segment_size
            if len(self._keys) >= KEYS_REMEMBERED:
                self._keys.clear()
            if key[0] is not None:
                self._keys[name + control] = key
        return key

    def _lay_out(self, size: int) -> None:
        first, spare = _address_of(self._view), _address_of(self._spare)
        for number in range(PLACES):
            at = number * 2 * _PIECE.size
            _PIECE.pack_into(self._pieces, at, first + number * size, size)
            _PIECE.pack_into(self._pieces, at + _PIECE.size, spare + number * RECEIVE_BYTES, RECEIVE_BYTES)
        self._size = size


def _address_of(buffer: bytearray | memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def _socket_address(name: bytes) -> SocketAddress:
    """Returns an address as the socket module has it."""
    if _FAMILY.unpack_from(name)[0] == socket.AF_INET:
        port, host = _INET.unpack_from(name)
        return socket.inet_ntop(socket.AF_INET, host), port
    port, flow, host = _INET6.unpack_from(name)
    return socket.inet_ntop(socket.AF_INET6, host), port, flow, _SCOPE.unpack_from(name, _INET6.size)[0]


def _ancillary(control: bytes) -> tuple[int, bytes, bool]:
    """Returns the segment size that GRO tells of, or 0, PKTINFO, and whether there is a congestion mark."""
    segment_size, pktinfo, is_marked, at = 0, b"", False, 0
    while at + _CONTROL.size <= len(control):
        length, level, kind = _CONTROL.unpack_from(control, at)
        if length < _CONTROL.size:  # the rest is zeros
            break
        data = control[at + _CONTROL.size : at + length]
        if kind == UDP_GRO and level == SOL_UDP:
            segment_size = _INT.unpack(data)[0]
        elif (level, kind) in _PKTINFO:
            pktinfo = data
        elif kind in CLASS_KINDS:
            is_marked = has_mark(data)
        at += length + 7 & ~7
    return segment_size, pktinfo, is_marked
