"""The beacon: sent to a multicast group, so that nodes on the same network find each other without a peer list.

    0    8   "mycelium"
    8    1   version, 1
    9    1   flags, 0
    10   2   UDP port at which the sender accepts handshakes
    12   16  instance: random, chosen at each start; identifies a node's own beacons, and reveals its restarts
    28   M   reserved for later versions; skipped
    28+M 16  tag

The tag is BLAKE2b-16 over all bytes before it and the 16-byte source address, an IPv4 one mapped into IPv6, keyed with
BLAKE2b-32 of the label, the pre-shared key and the network id. So only a holder of a private network's key can make a valid
beacon, and a copy sent from another address is invalid. A beacon does not identify its sender; the handshake does. In a public
network the key is zeros, and the tag is only a checksum.
"""

import struct
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError
from mycelium.limits import BEACON_BYTES

BEACON_GROUP: Final = "ff12::ed79:6365"  # link-local, transient, in the range for dynamic use of RFC 3307 4.3
BEACON_GROUP_IPV4: Final = "239.255.99.101"  # of the local scope, which is free to be used: RFC 2365 6.1
BEACON_KEY_LABEL: Final = b"mycelium beacon 1\x00"
INSTANCE_BYTES: Final = 16
BEACON_TAG_BYTES: Final = 16

_MAGIC: Final = b"mycelium"
_VERSION: Final = 1
_FIXED: Final = struct.Struct("!8sBBH16s")


class Beacon(Struct, frozen=True):
    """A beacon; `tag` is zeros until the source address is known."""

    port: int
    instance: bytes
    tag: bytes = bytes(BEACON_TAG_BYTES)


def encode_beacon(beacon: Beacon) -> bytes:
    """Returns the encoded beacon."""
    return _FIXED.pack(_MAGIC, _VERSION, 0, beacon.port, beacon.instance) + beacon.tag


def decode_beacon(data: bytes) -> Beacon:
    """Decodes a beacon that fills a datagram; raises DecodeError. The tag is not verified here."""
    if not _FIXED.size + BEACON_TAG_BYTES <= len(data) <= BEACON_BYTES:
        raise DecodeError("wrong length of a beacon")
    magic, version, _, port, instance = _FIXED.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise DecodeError("not a beacon of version 1")
    if not port:
        raise DecodeError("beacon with port 0")
    return Beacon(port, instance, data[-BEACON_TAG_BYTES:])


def tagged_bytes(data: bytes, source: bytes) -> bytes:
    """Returns the bytes that the tag of an encoded beacon covers if it is sent from `source`, 16 bytes."""
    return data[:-BEACON_TAG_BYTES] + source
