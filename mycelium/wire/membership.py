"""What members of a network show each other: certificates, and who was removed.

A certificate, 105 bytes; a chain is that of a member, and behind it that of the member who issued it unless the root key did:

    0   1   flags; bit 0: its holder may issue certificates
    1   4   not before } Unix seconds
    5   4   not after  }
    9   32  Ed25519 public key of its holder
    41  64  Ed25519 signature of the issuer over a label, the root key of the network and all fields above

Those removed are told in parts, each of which has versions and a signature of its own, by the root key over a label and all
fields before:

    0   2   number of the part
    2   4   sequence, which grows with each version of any part
    6   8R  /64 of each of them
    6+8R 64 signature
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError
from mycelium.identity import SIGNATURE_BYTES, SUBNET_BYTES
from mycelium.limits import REMOVAL_PARTS, REMOVED_PER_PART

CERTIFICATE_LABEL: Final = b"mycelium certificate 1\x00"
REMOVALS_LABEL: Final = b"mycelium removals 2\x00"
MEMBER_PROOF: Final = 11  # types of control messages
REMOVALS: Final = 12
MAY_ISSUE: Final = 0x01
CHAIN_LENGTH: Final = 2  # certificates at most

_CERTIFICATE: Final = struct.Struct("!BII32s64s")
_FIELDS_BYTES: Final = _CERTIFICATE.size - SIGNATURE_BYTES
_PART: Final = struct.Struct("!HI")
CERTIFICATE_BYTES: Final = _CERTIFICATE.size


class Certificate(Struct, frozen=True):
    """What an issuer says of a member; times are Unix seconds."""

    flags: int
    not_before: int
    not_after: int
    key: bytes
    signature: bytes = bytes(SIGNATURE_BYTES)

    @property
    def may_issue(self) -> bool:
        """Whether its holder may issue certificates."""
        return bool(self.flags & MAY_ISSUE)


Chain = tuple[Certificate, ...]


class MemberProof(Struct, frozen=True):
    """The sender's certificates."""

    chain: Chain


class Removals(Struct, frozen=True):
    """A part of the members that were removed, by their /64."""

    part: int
    sequence: int
    subnets: tuple[bytes, ...]
    signature: bytes = bytes(SIGNATURE_BYTES)


def certificate_signed_bytes(certificate: Certificate, root: bytes) -> bytes:
    """Returns what the signature of a certificate covers."""
    return CERTIFICATE_LABEL + root + encode_chain((certificate,))[:_FIELDS_BYTES]


def encode_chain(chain: Sequence[Certificate]) -> bytes:
    """Returns certificates, one behind the other."""
    return b"".join(
        _CERTIFICATE.pack(one.flags, one.not_before, one.not_after, one.key, one.signature) for one in chain
    )


def decode_chain(data: bytes) -> Chain:
    """Decodes the certificates that fill `data`, one or two; raises DecodeError."""
    count, rest = divmod(len(data), CERTIFICATE_BYTES)
    if rest or count not in range(1, CHAIN_LENGTH + 1):
        raise DecodeError("certificates of a wrong length")
    return tuple(Certificate(*fields) for fields in _CERTIFICATE.iter_unpack(data))


def removals_signed_bytes(removals: Removals) -> bytes:
    """Returns what the signature of a part covers."""
    return REMOVALS_LABEL + _PART.pack(removals.part, removals.sequence) + b"".join(removals.subnets)


def encode_removals(removals: Removals) -> bytes:
    """Returns an encoded part."""
    return removals_signed_bytes(removals)[len(REMOVALS_LABEL) :] + removals.signature


def decode_removals(data: bytes) -> Removals:
    """Decodes the part that fills `data`; raises DecodeError. The signature is not verified here."""
    count, rest = divmod(len(data) - _PART.size - SIGNATURE_BYTES, SUBNET_BYTES)
    if rest or count not in range(REMOVED_PER_PART + 1):
        raise DecodeError("removed members of a wrong length")
    part, sequence = _PART.unpack_from(data)
    if part >= REMOVAL_PARTS:
        raise DecodeError("a part of removed members beyond the last")
    end = len(data) - SIGNATURE_BYTES
    subnets = tuple(data[at : at + SUBNET_BYTES] for at in range(_PART.size, end, SUBNET_BYTES))
    return Removals(part, sequence, subnets, data[end:])


def encode_member_item(item: MemberProof | Removals) -> tuple[int, bytes]:
    """Returns the type and the body of a control message."""
    return (
        (MEMBER_PROOF, encode_chain(item.chain)) if isinstance(item, MemberProof) else (REMOVALS, encode_removals(item))
    )


def _decode_proof(body: bytes) -> MemberProof:
    return MemberProof(decode_chain(body))


MEMBER_DECODERS: Final[Mapping[int, Callable[[bytes], MemberProof | Removals]]] = {
    MEMBER_PROOF: _decode_proof,
    REMOVALS: decode_removals,
}
