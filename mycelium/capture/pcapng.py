"""Capture files, in the format pcapng (draft-ietf-opsawg-pcapng): what Wireshark and tcpdump read.

A datagram stands behind headers of IP and UDP that are made for it, since the daemon sees none; the comment of a packet is the
URL of the neighbour's end, whose scheme tells what it really travelled over. Keys are in Decryption Secrets Blocks of a type of
their own, a line each (`keys.py`), before the first datagram that they open.
"""

import struct
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError

SECRETS_TYPE: Final = 0x6D79_6365  # "myce"; Wireshark skips what it does not know
_SECTION: Final = 0x0A0D_0D0A
_INTERFACE: Final = 1
_STATISTICS: Final = 5
_PACKET: Final = 6
_SECRETS: Final = 10
_ORDER: Final = 0x1A2B_3C4D
_RAW_IP: Final = 101  # LINKTYPE_RAW
_MOST_BYTES: Final = 1 << 24  # of one block that is read

_HEAD: Final = struct.Struct("<II")
_SECTION_BODY: Final = struct.Struct("<IHHq")
_INTERFACE_BODY: Final = struct.Struct("<HHI")
_PACKET_BODY: Final = struct.Struct("<IIIII")
_STATISTICS_BODY: Final = struct.Struct("<III")
_OPTION: Final = struct.Struct("<HH")
_WORD: Final = struct.Struct("<I")
_COUNT: Final = struct.Struct("<Q")
_COMMENT: Final = 1
_FLAGS: Final = 2
_DROPPED: Final = 5
_INBOUND: Final = 1
_OUTBOUND: Final = 2
_DIRECTION: Final = 3  # bits of the flags
_VERSION_6: Final = 6
_UDP: Final = 17
_TTL: Final = 64
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_IPV6: Final = struct.Struct("!IHBB16s16s")
_PORTS: Final = struct.Struct("!HHHH")
_V4_BYTES: Final = 4
_MOST_IN_IP: Final = 0xFFFF - 20  # what a header can say; streams carry longer ones


class CapturedDatagram(Struct, frozen=True):
    """One datagram that was sent or received; `at` is Unix seconds, `endpoint` the URL of the neighbour's end."""

    at: float
    is_sent: bool
    endpoint: str
    data: bytes


class CapturedKeys(Struct, frozen=True):
    """Lines about keys."""

    lines: str


class CaptureDrops(Struct, frozen=True):
    """How many datagrams could not be kept, since the capture began."""

    count: int


Captured = CapturedDatagram | CapturedKeys | CaptureDrops


def head() -> bytes:
    """Returns the beginning of a file."""
    section = _block(_SECTION, _SECTION_BODY.pack(_ORDER, 1, 0, -1))
    return section + _block(_INTERFACE, _INTERFACE_BODY.pack(_RAW_IP, 0, 0))


def datagram_block(data: bytes, endpoint: Endpoint, url: str, *, is_sent: bool, at: float) -> bytes:
    """Returns a datagram to or from an endpoint, whose URL people are shown, at Unix seconds."""
    packet = _with_headers(data, endpoint, is_sent=is_sent)
    options = _option(_COMMENT, url.encode()) + _option(_FLAGS, _WORD.pack(_direction(is_sent)))
    fixed = _PACKET_BODY.pack(0, *_time(at), len(packet), len(packet))
    return _block(_PACKET, fixed + _padded(packet) + options + _option(0, b""))


def keys_block(lines: str) -> bytes:
    """Returns lines about keys."""
    data = lines.encode()
    return _block(_SECRETS, _HEAD.pack(SECRETS_TYPE, len(data)) + _padded(data))


def drops_block(count: int, *, at: float) -> bytes:
    """Returns how many datagrams are missing so far."""
    return _block(
        _STATISTICS, _STATISTICS_BODY.pack(0, *_time(at)) + _option(_DROPPED, _COUNT.pack(count)) + _option(0, b"")
    )


class CaptureReader:
    """Reads a capture file of ours that comes in pieces."""

    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def holds_more(self) -> bool:
        """Tells whether a block has begun that is not complete."""
        return bool(self._data)

    def feed(self, data: bytes) -> Iterator[Captured]:
        """Yields what is complete; raises DecodeError for what is no such file."""
        self._data += data
        for block in _taken(self._data):
            try:
                found = _read(_HEAD.unpack_from(block)[0], block[_HEAD.size : -_WORD.size])
            except (struct.error, ValueError, IndexError):
                raise DecodeError("a block of this capture is damaged") from None
            if found is not None:
                yield found


def whole_blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Passes on a file that comes in pieces, but no block that is cut off at its end; raises DecodeError for no such file."""
    data = bytearray()
    for piece in pieces:
        data += piece
        if blocks := b"".join(_taken(data)):
            yield blocks


def _taken(data: bytearray) -> Iterator[bytes]:
    """Takes the blocks out that are complete; raises DecodeError where none begins."""
    while len(data) >= _HEAD.size:
        _, length = _HEAD.unpack_from(data)
        if not 12 <= length <= _MOST_BYTES or length % 4:
            raise DecodeError("this is no capture of mycelium, or it is damaged")
        if len(data) < length:
            return
        block = bytes(data[:length])
        del data[:length]
        yield block


def _read(kind: int, body: bytes) -> Captured | None:
    if kind == _SECTION and _SECTION_BODY.unpack_from(body)[0] != _ORDER:
        raise DecodeError("this is a capture of another program: its numbers are big-endian")
    if kind == _SECRETS:
        type_, length = _HEAD.unpack_from(body)
        return CapturedKeys(body[_HEAD.size : _HEAD.size + length].decode()) if type_ == SECRETS_TYPE else None
    if kind == _STATISTICS:
        options = _options(body[_STATISTICS_BODY.size :])
        return CaptureDrops(_COUNT.unpack(options[_DROPPED])[0]) if _DROPPED in options else None
    return _read_datagram(body) if kind == _PACKET else None


def _read_datagram(body: bytes) -> CapturedDatagram:
    _, high, low, length, _ = _PACKET_BODY.unpack_from(body)
    packet = body[_PACKET_BODY.size : _PACKET_BODY.size + length]
    options = _options(body[_PACKET_BODY.size + -(-length // 4) * 4 :])
    headers = _IPV6.size if packet[0] >> 4 == _VERSION_6 else (packet[0] & 15) * 4
    flags = _WORD.unpack(options.get(_FLAGS, bytes(4)))[0]
    endpoint = options.get(_COMMENT, b"").decode()
    is_sent = flags & _DIRECTION == _OUTBOUND
    return CapturedDatagram(((high << 32) + low) / 1e6, is_sent, endpoint, packet[headers + _PORTS.size :])


def _with_headers(data: bytes, endpoint: Endpoint, *, is_sent: bool) -> bytes:
    remote = _packed(endpoint.host)
    local = endpoint.local if len(endpoint.local) == len(remote) else bytes(len(remote))
    ends = (local, endpoint.local_port), (remote, endpoint.port)
    (source, source_port), (destination, port) = ends if is_sent else ends[::-1]
    length = min(_PORTS.size + len(data), _MOST_IN_IP)
    udp = _PORTS.pack(source_port, port, length, 0) + data
    if len(remote) == _V4_BYTES:
        return _IPV4.pack(0x45, 0, _IPV4.size + length, 0, 0, _TTL, _UDP, 0, source, destination) + udp
    return _IPV6.pack(6 << 28, length, _UDP, _TTL, source, destination) + udp


def _packed(host: str) -> bytes:
    """Returns an address; that of nobody for a name, which a proxy is told."""
    try:
        return ip_address(host).packed
    except ValueError:
        return bytes(16)


def _direction(is_sent: bool) -> int:
    return _OUTBOUND if is_sent else _INBOUND


def _time(at: float) -> tuple[int, int]:
    microseconds = round(at * 1e6)
    return microseconds >> 32, microseconds & 0xFFFF_FFFF


def _block(kind: int, body: bytes) -> bytes:
    length = _HEAD.size + len(body) + _WORD.size
    return _HEAD.pack(kind, length) + body + _WORD.pack(length)


def _option(code: int, value: bytes) -> bytes:
    return _OPTION.pack(code, len(value)) + _padded(value)


def _options(data: bytes) -> dict[int, bytes]:
    found, at = dict[int, bytes](), 0
    while at + _OPTION.size <= len(data):
        code, length = _OPTION.unpack_from(data, at)
        if not code:
            break
        found[code] = data[at + _OPTION.size : at + _OPTION.size + length]
        at += _OPTION.size + -(-length // 4) * 4
    return found


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
