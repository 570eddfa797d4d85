"""What can be told of packets without their keys; batches of them are cut into runs that can be handled at once."""

from collections.abc import Iterator
from typing import Final

from mycelium.transport.quic.tokens import ID_BYTES

INITIAL_BYTES: Final = 1_200  # least size of a packet that begins a connection: RFC 9000, section 14.1
LONG_HEADER: Final = 0x80  # bit of the first byte, RFC 8999
LENGTH_AT: Final = 5  # offset, in a long header, of the length of the destination's identifier, which follows


def destination_of(packets: bytes, start: int) -> bytes:
    """Returns the identifier that a packet is addressed to; whatever bytes stand there if it is none."""
    if packets[start] & LONG_HEADER:
        identifier = start + LENGTH_AT + 1
        return packets[identifier : identifier + packets[identifier - 1]] if identifier <= len(packets) else b""
    return packets[start + 1 : start + 1 + ID_BYTES]


def runs_of_one_connection(packets: bytes, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields packets of `size` bytes, the last perhaps shorter, as runs with one destination each; that comes first."""
    begin, destination = 0, destination_of(packets, 0)
    for start in range(size, len(packets), size):
        following = destination_of(packets, start)
        if following != destination:
            yield destination, packets[begin:start]
            begin, destination = start, following
    yield destination, packets[begin:] if begin else packets


def runs_of_one_size(datagrams: list[bytes], most_bytes: int) -> Iterator[tuple[list[bytes], int]]:
    """Yields datagrams as runs of one size, of which the last may be shorter, and that size."""
    run: list[bytes] = []
    size = room = 0
    for datagram in datagrams:
        if run and len(datagram) <= size and len(datagram) <= room:
            run.append(datagram)
            room = room - size if len(datagram) == size else 0
        else:
            if run:
                yield run, size
            run, size = [datagram], len(datagram)
            room = most_bytes - size
    if run:
        yield run, size
