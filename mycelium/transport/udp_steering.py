"""Has the kernel sort the datagrams of one UDP port: those for this node's links, handshakes of others, and all else.

What strangers send then waits in buffers of its own and costs the links nothing, however much it is; nor do handshakes wait
behind what neighbours pour in that are read less. A program in classic BPF (SO_ATTACH_REUSEPORT_CBPF, which takes no privilege)
compares the index or connection identifier that a datagram names with those that the node expects. So it knows a link's
datagrams wherever they come from.
"""

import ctypes
import socket
import struct
from collections.abc import Callable, Collection
from math import inf
from time import monotonic, thread_time
from typing import Final

from mycelium.transport.quic.runs import LENGTH_AT, LONG_HEADER
from mycelium.transport.udp_burst import QUIC_BYTES
from mycelium.wire.datagram import HANDSHAKE_1, HANDSHAKE_3, HANDSHAKE_PART, RECEIVER_AT

SO_ATTACH_REUSEPORT_CBPF: Final = 51  # <asm-generic/socket.h>
# What the program returns: a socket, by the order in which they were bound. It ends with 0 where it reads beyond a datagram.
STRANGERS: Final = 0
HANDSHAKES: Final = 1
LINKS: Final = 2
BEGINNING: Final = (HANDSHAKE_1, HANDSHAKE_3, HANDSHAKE_PART)  # kinds of which nothing tells that they are expected
KEYS_PER_LEAF: Final = 16  # compared one after the other, at the end of a binary search
# Times as much as the last replacement took of this thread's time that the next one has to wait: with a thousand links it takes
# milliseconds.
REST: Final = 20

# <linux/filter.h>, <linux/bpf_common.h>
_LOAD_BYTE: Final = 0x30
_LOAD_WORD: Final = 0x20
_GO: Final = 0x05
_IF_EQUAL: Final = 0x15
_IF_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
_INSTRUCTION: Final = struct.Struct("=HBBI")
_PROGRAM: Final = struct.Struct("@HP")
_KEY: Final = struct.Struct("!I")

# code, instructions to skip if so, if not, operand, which for _GO is the number of instructions to skip
Instruction = tuple[int, int, int, int]
Program = list[Instruction]


class Steering:
    """The program of the sockets at one port; they expect nothing at first."""

    def __init__(
        self,
        udp: socket.socket,
        *,
        clock: Callable[[], float] = monotonic,
        work_clock: Callable[[], float] = thread_time,
    ) -> None:
        """Takes any of them; raises OSError if the kernel can't do it."""
        self._socket = udp
        self._clock = clock
        self._work_clock = work_clock
        self._indices: frozenset[int] = frozenset()
        self._identifiers: Collection[int] = ()
        self.on_replaced: Callable[[], None] = lambda: None
        self._rests_until = -inf
        self.due_at = inf  # when the program is to be replaced; infinity for never
        _attach(udp, exact((), ()))

    def expect(self, indices: Collection[int]) -> None:
        """Takes all indices that the datagrams of links name."""
        self._indices = frozenset(indices)
        self._replace()

    def expect_quic(self, identifiers: Collection[bytes]) -> None:
        """Takes all identifiers of connections that are not strangers'."""
        self._identifiers = {_KEY.unpack_from(one)[0] for one in identifiers if len(one) >= _KEY.size}
        self._replace()

    def is_expected(self, datagram: memoryview) -> bool:
        """Tells whether a datagram names one of the indices."""
        at = RECEIVER_AT.get(datagram[0]) if datagram else None
        return at is not None and len(datagram) >= at + _KEY.size and _KEY.unpack_from(datagram, at)[0] in self._indices

    def handle_timeout(self, *, now: float) -> None:
        """Replaces the program if that is due."""
        if now >= self.due_at:
            self._replace()

    def _replace(self) -> None:
        if self._clock() < self._rests_until:
            self.due_at = self._rests_until
            return
        self.due_at = inf
        begin = self._work_clock()  # not of the clock: while others have the processor this takes nothing
        try:
            _attach(self._socket, exact(self._indices, self._identifiers))
        except OSError:  # longer than this kernel takes
            _attach(self._socket, COARSE)
        self.on_replaced()
        self._rests_until = self._clock() + REST * (self._work_clock() - begin)


# Ends the program for a packet of QUIC that is of no connection: one with a long header begins another.
_OF_NO_CONNECTION: Final[Program] = [
    (_LOAD_BYTE, 0, 0, 0),
    (_IF_AT_LEAST, 0, 1, LONG_HEADER),
    (_RETURN, 0, 0, HANDSHAKES),
    (_RETURN, 0, 0, STRANGERS),
]


def exact(indices: Collection[int], identifiers: Collection[int]) -> Program:
    """Returns the program that expects these indices, and these beginnings of QUIC's identifiers."""
    quic = _search(sorted(identifiers), _OF_NO_CONNECTION)
    return _sort(
        ours=_search(sorted(indices), [(_RETURN, 0, 0, STRANGERS)]),
        long_headers=[(_LOAD_WORD, 0, 0, LENGTH_AT + 1), (_GO, 0, 0, 1)],
        short_headers=[(_LOAD_WORD, 0, 0, 1), *quic],
    )


def _sort(ours: Program, long_headers: Program, short_headers: Program) -> Program:
    """Returns a program that goes on with `ours` where it has loaded an index."""
    others: Program = []
    for kind in BEGINNING:
        others += [(_IF_EQUAL, 0, 1, kind), (_RETURN, 0, 0, HANDSHAKES)]
    others.append((_RETURN, 0, 0, STRANGERS))
    kinds: Program = []
    for kind, at in RECEIVER_AT.items():
        skipped = 3 * len(RECEIVER_AT) - len(kinds) - 3 + len(others)  # the rest of `kinds`, and `others`
        kinds += [(_IF_EQUAL, 0, 2, kind), (_LOAD_WORD, 0, 0, at), (_GO, 0, 0, skipped)]
    rest = [*kinds, *others, *ours]
    return [
        (_LOAD_BYTE, 0, 0, 0),
        (_IF_AT_LEAST, 0, 1, QUIC_BYTES),
        (_GO, 0, 0, len(rest)),
        *rest,
        (_IF_AT_LEAST, 0, len(long_headers), LONG_HEADER),
        *long_headers,
        *short_headers,
    ]


def _search(keys: list[int], otherwise: Program) -> Program:
    """Returns a program that goes on with `otherwise` unless what is loaded is one of the sorted keys."""
    if len(keys) <= KEYS_PER_LEAF:
        found = [(_IF_EQUAL, len(keys) - at - 1 + len(otherwise), 0, key) for at, key in enumerate(keys)]
        return [*found, *otherwise, (_RETURN, 0, 0, LINKS)]
    middle = len(keys) // 2
    lower = _search(keys[:middle], otherwise)
    return [(_IF_AT_LEAST, 0, 1, keys[middle]), (_GO, 0, 0, len(lower)), *lower, *_search(keys[middle:], otherwise)]


# Every kind of datagram that names an index, and every packet of QUIC that begins no connection, is taken for one of a link's.
COARSE: Final = _sort(
    ours=[(_RETURN, 0, 0, LINKS)], long_headers=[(_RETURN, 0, 0, HANDSHAKES)], short_headers=[(_RETURN, 0, 0, LINKS)]
)


def _attach(udp: socket.socket, program: Program) -> None:
    instructions = b"".join(_INSTRUCTION.pack(*one) for one in program)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    udp.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, _PROGRAM.pack(len(program), ctypes.addressof(buffer)))
