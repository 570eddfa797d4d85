"""The beacon: what a node sends to a multicast group on a link, so that others there find it without a peer list.

    0    8   "mycelium"
    8    1   version, 1
    9    1   flags, 0
    10   2   UDP port at which the sender takes handshakes
    12   16  instance: random, drawn at each start; tells a node its own beacons, and others that it has started again
    28   M   what a later version adds; skipped
    28+M 16  tag

The tag is BLAKE2b-16 over all before it and the 16-byte address that the beacon is sent from, keyed with
BLAKE2b-32("mycelium beacon 1" and a zero, the pre-shared key, the network id). Only who holds the key of a private network can
make a beacon that its nodes believe, and a copy sent from another address is none. Nothing in it tells who the sender is: that
is for the handshake. In a public network the key is zeros, and the tag no more than a checksum.
"""

import struct
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError
from mycelium.limits import BEACON_BYTES

BEACON_GROUP: Final = "ff12::ed79:6365"  # link-local, transient, in the range for dynamic use of RFC 3307 4.3
BEACON_KEY_LABEL: Final = b"mycelium beacon 1\x00"
INSTANCE_BYTES: Final = 16
BEACON_TAG_BYTES: Final = 16

_MAGIC: Final = b"mycelium"
_VERSION: Final = 1
_FIXED: Final = struct.Struct("!8sBBH16s")


class Beacon(Struct, frozen=True):
    """A node's call; `tag` is zeros until it is known from where it will be sent."""

    port: int
    instance: bytes
    tag: bytes = bytes(BEACON_TAG_BYTES)


def encode_beacon(beacon: Beacon) -> bytes:
    """Returns the beacon as it travels."""
    return _FIXED.pack(_MAGIC, _VERSION, 0, beacon.port, beacon.instance) + beacon.tag


def decode_beacon(data: bytes) -> Beacon:
    """Reads a beacon that fills a datagram; raises DecodeError. The tag is not checked here."""
    if not _FIXED.size + BEACON_TAG_BYTES <= len(data) <= BEACON_BYTES:
        raise DecodeError("beacon length")
    magic, version, _, port, instance = _FIXED.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise DecodeError("not a beacon of version 1")
    if not port:
        raise DecodeError("beacon with port 0")
    return Beacon(port, instance, data[-BEACON_TAG_BYTES:])


def tagged_bytes(data: bytes, source: bytes) -> bytes:
    """Returns what the tag of an encoded beacon covers when it is sent from `source`, 16 bytes."""
    return data[:-BEACON_TAG_BYTES] + source
