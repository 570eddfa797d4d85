"""The announcement: a node's signed statement about itself, which every other node can verify.

    0   1   version, 1
    1   1   flags (upper 2 bits: landmark, key shared), length of the name, N (lower 6 bits)
    2   2   length of the prefixes, P
    4   32  Ed25519 public key of the origin
    36  4   epoch      } the sequence, one 48-bit integer
    40  2   counter    }
    42  8   network id
    50  P   prefixes of the origin besides its own /64, each: length in bits (1), address (16)
    50+P N   name of the origin, which may be anything; 0 bytes: it has none
    50+P+N 64 Ed25519 signature over the label and all fields above

Prefixes and name are signed and forwarded unchanged.
"""

import struct
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError, OtherVersion
from mycelium.identity import SIGNATURE_BYTES
from mycelium.limits import NAME_BYTES, PREFIXES_PER_NODE

VERSION: Final = 1
SIGNATURE_LABEL: Final = b"mycelium announcement 1\x00"
NETWORK_ID_BYTES: Final = 8
EPOCH_SHIFT: Final = 16
COUNTER_BYTES: Final = EPOCH_SHIFT // 8
SEQUENCE_LIMIT: Final = 1 << 48

LANDMARK: Final = 0x80  # flag: all nodes keep a route to the origin
KEY_SHARED: Final = 0x40  # flag: another host runs with the origin's key, as the origin has found
FLAGS_MASK: Final = LANDMARK | KEY_SHARED

_FIXED: Final = struct.Struct("!BBH32s6s8s")
_PREFIX: Final = struct.Struct("!B16s")


Prefix = tuple[int, bytes]  # length in bits, address of 16 bytes


class Announcement(Struct, frozen=True, gc=False):
    """A node's statement about itself; `sequence` is epoch << 16 | counter."""

    signing_public_key: bytes
    sequence: int
    network_id: bytes
    prefixes: tuple[Prefix, ...] = ()
    name: bytes = b""
    signature: bytes = bytes(SIGNATURE_BYTES)
    flags: int = 0


def signed_bytes(announcement: Announcement) -> bytes:
    """Returns what the signature covers: the label and every field before it."""
    return SIGNATURE_LABEL + _encode_unsigned(announcement)


def encode_announcement(announcement: Announcement) -> bytes:
    """Returns the encoded announcement."""
    return _encode_unsigned(announcement) + announcement.signature


def decode_announcement(data: bytes) -> Announcement:
    """Decodes an announcement that fills `data`; raises DecodeError. The signature is not verified here."""
    if len(data) < _FIXED.size + SIGNATURE_BYTES:
        raise DecodeError("the announcement is too short")
    version, flags_and_name, prefix_bytes, key, sequence, network_id = _FIXED.unpack_from(data)
    if version != VERSION:
        raise OtherVersion(f"announcement version {version}")
    name_bytes = flags_and_name & ~FLAGS_MASK
    name_at = _FIXED.size + prefix_bytes
    if name_bytes > NAME_BYTES or len(data) != name_at + name_bytes + SIGNATURE_BYTES:
        raise DecodeError("wrong length of an announcement")
    if prefix_bytes % _PREFIX.size or prefix_bytes > PREFIXES_PER_NODE * _PREFIX.size:
        raise DecodeError("wrong length of the prefixes of an announcement")
    prefixes = tuple(_PREFIX.iter_unpack(data[_FIXED.size : name_at]))
    if any(length > 128 for length, _ in prefixes):
        raise DecodeError("a prefix longer than an address")
    return Announcement(
        key,
        int.from_bytes(sequence, "big"),
        network_id,
        prefixes,
        bytes(data[name_at:-SIGNATURE_BYTES]),
        bytes(data[-SIGNATURE_BYTES:]),
        flags_and_name & FLAGS_MASK,
    )


def _encode_unsigned(announcement: Announcement) -> bytes:
    fixed = _FIXED.pack(
        VERSION,
        announcement.flags | len(announcement.name),
        len(announcement.prefixes) * _PREFIX.size,
        announcement.signing_public_key,
        announcement.sequence.to_bytes(6, "big"),
        announcement.network_id,
    )
    prefixes = b"".join(_PREFIX.pack(length, address) for length, address in announcement.prefixes)
    return fixed + prefixes + announcement.name


assert _FIXED.size + SIGNATURE_BYTES == 114
