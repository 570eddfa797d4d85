"""What members of a network state to each other: certificates, and who was removed. All signatures are hybrid (`hybrid.py`).

A certificate, 3,430 bytes:

    0   1     flags; bit 0: its holder may issue certificates
    1   4     not before } Unix seconds
    5   4     not after  }
    9   32    Ed25519 public key of its holder
    41  16    fingerprint of its holder's ML-DSA key; zeros where it has none
    57  3373  signature of the issuer over a label, the name of the network's root key and all fields above

A chain is the certificate of a member and, unless the root key has issued it, behind it that of the member who has, and that
member's ML-DSA key, 1,952 bytes.

Those removed are told in parts, each of which has versions and a signature of its own, by the root key over a label and all
fields before:

    0     2     number of the part
    2     4     sequence, which grows with each version of any part
    6     8R    /64 of each of them
    6+8R  3373  signature

Either is longer than a control message, and travels in pieces, one behind the other:

    0  2  offset of the piece
    2  2  length of the whole
    4  …  bytes of it
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError
from mycelium.identity import FINGERPRINT_BYTES, SUBNET_BYTES
from mycelium.limits import CONTROL_MESSAGE_BYTES, REMOVAL_PARTS, REMOVED_PER_PART
from mycelium.wire.hybrid import (
    HYBRID_KEY_BYTES,
    HYBRID_SIGNATURE_BYTES,
    HybridKey,
    as_hybrid_key,
    encode_hybrid_key,
)
from mycelium.wire.key_proof import PROOF_KEY_BYTES

CERTIFICATE_LABEL: Final = b"mycelium certificate 2\x00"
REMOVALS_LABEL: Final = b"mycelium removals 3\x00"
MEMBER_PROOF: Final = 11  # types of control messages
REMOVALS: Final = 12
MAY_ISSUE: Final = 0x01

_CERTIFICATE: Final = struct.Struct(f"!BII32s{FINGERPRINT_BYTES}s{HYBRID_SIGNATURE_BYTES}s")
_FIELDS_BYTES: Final = _CERTIFICATE.size - HYBRID_SIGNATURE_BYTES
_PART: Final = struct.Struct("!HI")
_PIECE: Final = struct.Struct("!HH")
CERTIFICATE_BYTES: Final = _CERTIFICATE.size
CHAIN_BYTES: Final = 2 * CERTIFICATE_BYTES + PROOF_KEY_BYTES  # of the longest
CREDENTIALS_BYTES: Final = HYBRID_KEY_BYTES + CHAIN_BYTES  # of the longest
REMOVALS_BYTES: Final = _PART.size + SUBNET_BYTES * REMOVED_PER_PART + HYBRID_SIGNATURE_BYTES  # of the longest part
STATEMENT_BYTES: Final = max(CHAIN_BYTES, REMOVALS_BYTES)
PIECE_BYTES: Final = CONTROL_MESSAGE_BYTES - _PIECE.size


class Certificate(Struct, frozen=True):
    """What an issuer says of a member; times are Unix seconds."""

    flags: int
    not_before: int
    not_after: int
    key: bytes
    proof_fingerprint: bytes = bytes(FINGERPRINT_BYTES)
    signature: bytes = bytes(HYBRID_SIGNATURE_BYTES)

    @property
    def may_issue(self) -> bool:
        """Whether its holder may issue certificates."""
        return bool(self.flags & MAY_ISSUE)

    @property
    def fingerprint(self) -> bytes | None:
        """That of its holder's ML-DSA key, None where it has none."""
        return self.proof_fingerprint if any(self.proof_fingerprint) else None


class Chain(Struct, frozen=True):
    """The certificate of a member and, unless the root key has issued it, what there is of the member who has."""

    own: Certificate
    issuer: Certificate | None = None
    issuer_proof_key: bytes = b""  # ML-DSA

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Returns all, the member's own first."""
        return (self.own,) if self.issuer is None else (self.own, self.issuer)


class Credentials(Struct, frozen=True):
    """What makes a node a member: the root key of its network, and its certificates."""

    root: HybridKey
    chain: Chain


class Removals(Struct, frozen=True):
    """A part of the members that were removed, by their /64."""

    part: int
    sequence: int
    subnets: tuple[bytes, ...]
    signature: bytes = bytes(HYBRID_SIGNATURE_BYTES)


class MemberPiece(Struct, frozen=True):
    """A piece of what a member states; `kind` is MEMBER_PROOF for the sender's certificates, or REMOVALS."""

    kind: int
    offset: int
    total: int
    data: bytes


def certificate_signed_bytes(certificate: Certificate, root: HybridKey) -> bytes:
    """Returns what the signature of a certificate covers."""
    return CERTIFICATE_LABEL + root.name + _encode_certificate(certificate)[:_FIELDS_BYTES]


def _encode_certificate(one: Certificate) -> bytes:
    return _CERTIFICATE.pack(one.flags, one.not_before, one.not_after, one.key, one.proof_fingerprint, one.signature)


def encode_chain(chain: Chain) -> bytes:
    """Returns the bytes of a chain."""
    return b"".join(map(_encode_certificate, chain.certificates)) + chain.issuer_proof_key


def decode_chain(data: bytes) -> Chain:
    """Decodes the chain that fills `data`; raises DecodeError."""
    if len(data) not in (CERTIFICATE_BYTES, CHAIN_BYTES):
        raise DecodeError("certificates of a wrong length")
    own = Certificate(*_CERTIFICATE.unpack_from(data))
    if len(data) == CERTIFICATE_BYTES:
        return Chain(own)
    return Chain(own, Certificate(*_CERTIFICATE.unpack_from(data, CERTIFICATE_BYTES)), data[2 * CERTIFICATE_BYTES :])


def encode_credentials(credentials: Credentials) -> bytes:
    """Returns root key and certificates."""
    return encode_hybrid_key(credentials.root) + encode_chain(credentials.chain)


def decode_credentials(data: bytes) -> Credentials:
    """Decodes root key and certificates that fill `data`; raises DecodeError."""
    return Credentials(as_hybrid_key(data[:HYBRID_KEY_BYTES]), decode_chain(data[HYBRID_KEY_BYTES:]))


def removals_signed_bytes(removals: Removals) -> bytes:
    """Returns what the signature of a part covers."""
    return REMOVALS_LABEL + _PART.pack(removals.part, removals.sequence) + b"".join(removals.subnets)


def encode_removals(removals: Removals) -> bytes:
    """Returns an encoded part."""
    return removals_signed_bytes(removals)[len(REMOVALS_LABEL) :] + removals.signature


def decode_removals(data: bytes) -> Removals:
    """Decodes the part that fills `data`; raises DecodeError. The signature is not verified here."""
    count, rest = divmod(len(data) - _PART.size - HYBRID_SIGNATURE_BYTES, SUBNET_BYTES)
    if rest or count not in range(REMOVED_PER_PART + 1):
        raise DecodeError("removed members of a wrong length")
    part, sequence = _PART.unpack_from(data)
    if part >= REMOVAL_PARTS:
        raise DecodeError("a part of removed members beyond the last")
    end = len(data) - HYBRID_SIGNATURE_BYTES
    subnets = tuple(data[at : at + SUBNET_BYTES] for at in range(_PART.size, end, SUBNET_BYTES))
    return Removals(part, sequence, subnets, data[end:])


def pieces_of(statement: Chain | Removals) -> Sequence[MemberPiece]:
    """Returns what a member states in pieces, to be sent in this order with nothing of the same kind in between."""
    if isinstance(statement, Chain):
        kind, data = MEMBER_PROOF, encode_chain(statement)
    else:
        kind, data = REMOVALS, encode_removals(statement)
    starts = range(0, len(data), PIECE_BYTES)
    return [MemberPiece(kind, start, len(data), data[start : start + PIECE_BYTES]) for start in starts]


def decode_statement(kind: int, data: bytes) -> Chain | Removals:
    """Decodes what all pieces of a kind are together; raises DecodeError."""
    return decode_chain(data) if kind == MEMBER_PROOF else decode_removals(data)


def encode_piece(piece: MemberPiece) -> tuple[int, bytes]:
    """Returns the type and the body of a control message."""
    return piece.kind, _PIECE.pack(piece.offset, piece.total) + piece.data


def _decode_piece(kind: int, body: bytes) -> MemberPiece:
    if len(body) > _PIECE.size:
        offset, total = _PIECE.unpack_from(body)
        if offset + len(body) - _PIECE.size <= total <= STATEMENT_BYTES:
            return MemberPiece(kind, offset, total, body[_PIECE.size :])
    raise DecodeError("a piece of what a member states has a wrong length")


MEMBER_DECODERS: Final[Mapping[int, Callable[[bytes], MemberPiece]]] = {
    kind: partial(_decode_piece, kind) for kind in (MEMBER_PROOF, REMOVALS)
}
