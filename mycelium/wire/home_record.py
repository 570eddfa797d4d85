"""The home record: a node's signed statement of the landmarks at which those that have no route to it find it.

    0   1   version, 1
    1   3   zeros
    4   32  Ed25519 public key of the node
    36  6   sequence of the node's announcement when it signed this
    42  4   number of the record, which grows by one with each that the node signs
    46  8   network id
    54  16  home
    70  16  backup home, or zeros
    86  64  Ed25519 signature over the label and all fields above

Of two records of a node that with the greater (sequence, number) is the newer one. Records are no part of announcements: those
go to everybody who has a route, and these only to the homes, which are chosen once there are routes.
"""

import struct
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError, OtherVersion
from mycelium.identity import SIGNATURE_BYTES

VERSION: Final = 1
SIGNATURE_LABEL: Final = b"mycelium home 1\x00"
NOWHERE: Final = bytes(16)  # in place of a home
NUMBER_LIMIT: Final = 1 << 32

_FIXED: Final = struct.Struct("!B3x32s6sI8s16s16s")
HOME_RECORD_BYTES: Final = _FIXED.size + SIGNATURE_BYTES


class HomeRecord(Struct, frozen=True, gc=False):
    """Where a node is at home."""

    signing_public_key: bytes
    sequence: int
    number: int
    network_id: bytes
    home: bytes
    backup: bytes = NOWHERE
    signature: bytes = bytes(SIGNATURE_BYTES)

    @property
    def homes(self) -> tuple[bytes, ...]:
        """The home, and the backup home if there is one."""
        return (self.home,) if self.backup == NOWHERE else (self.home, self.backup)

    def is_newer_than(self, other: "HomeRecord | None") -> bool:
        """Tells whether this record replaces another one of the same node."""
        return other is None or (self.sequence, self.number) > (other.sequence, other.number)


def signed_bytes(record: HomeRecord) -> bytes:
    """Returns what the signature covers: the label and every field before it."""
    return SIGNATURE_LABEL + _encode_unsigned(record)


def encode_home_record(record: HomeRecord) -> bytes:
    """Returns the encoded record."""
    return _encode_unsigned(record) + record.signature


def decode_home_record(data: bytes) -> HomeRecord:
    """Decodes a record that fills `data`; raises DecodeError. The signature is not verified here."""
    if len(data) != HOME_RECORD_BYTES:
        raise DecodeError("wrong length of a home record")
    version, key, sequence, number, network_id, home, backup = _FIXED.unpack_from(data)
    if version != VERSION:
        raise OtherVersion(f"home record version {version}")
    signature = bytes(data[-SIGNATURE_BYTES:])
    return HomeRecord(key, int.from_bytes(sequence, "big"), number, network_id, home, backup, signature)


def _encode_unsigned(record: HomeRecord) -> bytes:
    return _FIXED.pack(
        VERSION,
        record.signing_public_key,
        record.sequence.to_bytes(6, "big"),
        record.number,
        record.network_id,
        record.home,
        record.backup,
    )


assert HOME_RECORD_BYTES == 150
