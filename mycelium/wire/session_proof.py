"""Bodies of trains that prove an ML-DSA key in a session: as in frames of links (`key_proof.py`), and with certificates.

    member wanted   4 | parts of the proof that have come, a bit for each, 2 | those of the certificates 4
    certificates    5 | number of the part 1 | length of the whole 2 | bytes of it, 480 in each part but the last

What is wanted of a member is the proof of the key that its certificate names, whichever that is, and the certificate.
"""

import struct
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError
from mycelium.wire.key_proof import (
    PROOF_PART_BYTES,
    KeyProofItem,
    decode_key_proof,
    encode_key_proof,
)
from mycelium.wire.membership import CERTIFICATE_BYTES, CHAIN_BYTES

MEMBER_WANTED: Final = 4
CERTIFICATE_PART: Final = 5
CERTIFICATE_PART_BYTES: Final = PROOF_PART_BYTES

_WANTED: Final = struct.Struct("!BHI")
_PART: Final = struct.Struct("!BBH")


class MemberWanted(Struct, frozen=True):
    """The sender asks for certificates and the proof of the key that they name; it has the parts of both that have a bit."""

    arrived: int = 0
    certificates_arrived: int = 0


class CertificatePart(Struct, frozen=True):
    """A part of the sender's certificates; `total` is the length of all."""

    number: int
    total: int
    data: bytes

    @property
    def is_last(self) -> bool:
        return self.number == certificate_parts(self.total) - 1


SessionProofItem = KeyProofItem | MemberWanted | CertificatePart


def certificate_parts(total: int) -> int:
    """Returns how many parts certificates of a length have."""
    return -(-total // CERTIFICATE_PART_BYTES)


def parts_of(certificates: bytes) -> Iterator[CertificatePart]:
    """Yields all parts of a node's certificates."""
    for number in range(certificate_parts(len(certificates))):
        start = number * CERTIFICATE_PART_BYTES
        yield CertificatePart(number, len(certificates), certificates[start : start + CERTIFICATE_PART_BYTES])


def encode_session_proof(item: SessionProofItem) -> bytes:
    """Returns the plain body of a train."""
    match item:
        case MemberWanted():
            return _WANTED.pack(MEMBER_WANTED, item.arrived, item.certificates_arrived)
        case CertificatePart():
            return _PART.pack(CERTIFICATE_PART, item.number, item.total) + item.data
        case _:
            return encode_key_proof(item)


def decode_session_proof(body: bytes) -> SessionProofItem:
    """Raises DecodeError. What follows the fields of `member wanted` is skipped."""
    kind = body[0] if body else 0
    if kind == MEMBER_WANTED and len(body) >= _WANTED.size:
        return MemberWanted(*_WANTED.unpack_from(body)[1:])
    if kind == CERTIFICATE_PART and len(body) >= _PART.size:
        _, number, total = _PART.unpack_from(body)
        data, start = body[_PART.size :], number * CERTIFICATE_PART_BYTES
        if total in (CERTIFICATE_BYTES, CHAIN_BYTES) and 0 < len(data) == min(CERTIFICATE_PART_BYTES, total - start):
            return CertificatePart(number, total, data)
        raise DecodeError("a part of certificates has a wrong length")
    return decode_key_proof(body)
