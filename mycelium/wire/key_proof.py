"""Bodies of frames that prove an ML-DSA key on a link: asked for by its fingerprint, shown in parts, accepted.

    wanted     1 | parts that have come, a bit for each, 2 | fingerprint 16
    part       2 | number of the part 1 | bytes of the proof, 480 in each part but the last
    accepted   3

A proof is the public key, 1,952 bytes, and a signature, 3,309 bytes. Whole datagrams carry its parts, on every path.
"""

import struct
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError
from mycelium.identity import FINGERPRINT_BYTES

PROOF_WANTED: Final = 1
PROOF_PART: Final = 2
PROOF_ACCEPTED: Final = 3
PROOF_KEY_BYTES: Final = 1_952  # ML-DSA-65 (FIPS 204)
PROOF_SIGNATURE_BYTES: Final = 3_309
PROOF_BYTES: Final = PROOF_KEY_BYTES + PROOF_SIGNATURE_BYTES
PROOF_PART_BYTES: Final = 480  # so that each part is a datagram on paths of 548 bytes too
PROOF_PARTS: Final = -(-PROOF_BYTES // PROOF_PART_BYTES)

_WANTED: Final = struct.Struct(f"!BH{FINGERPRINT_BYTES}s")
_PART: Final = struct.Struct("!BB")


class ProofWanted(Struct, frozen=True):
    """The sender asks for the proof of a key; `arrived` has a bit for each part that it has."""

    fingerprint: bytes
    arrived: int = 0


class ProofPart(Struct, frozen=True):
    """A part of a proof."""

    number: int
    data: bytes


class ProofAccepted(Struct, frozen=True):
    """The sender has the proof, or wants none."""


KeyProofItem = ProofWanted | ProofPart | ProofAccepted


def encode_key_proof(item: KeyProofItem) -> bytes:
    """Returns the body of a frame."""
    match item:
        case ProofWanted():
            return _WANTED.pack(PROOF_WANTED, item.arrived, item.fingerprint)
        case ProofPart():
            return _PART.pack(PROOF_PART, item.number) + item.data
        case ProofAccepted():
            return bytes((PROOF_ACCEPTED,))


def decode_key_proof(body: bytes) -> KeyProofItem:
    """Raises DecodeError. What follows the fields of `wanted` and `accepted` is skipped."""
    kind = body[0] if body else 0
    if kind == PROOF_WANTED and len(body) >= _WANTED.size:
        _, arrived, fingerprint = _WANTED.unpack_from(body)
        return ProofWanted(fingerprint, arrived)
    if kind == PROOF_PART and len(body) >= _PART.size:
        number, data = body[1], body[_PART.size :]
        if number < PROOF_PARTS and len(data) == len(range(PROOF_BYTES)[part_range(number)]):
            return ProofPart(number, data)
    if kind == PROOF_ACCEPTED:
        return ProofAccepted()
    raise DecodeError("frame of the proof of a key")


def part_range(number: int) -> slice:
    """Returns which bytes of a proof a part has."""
    return slice(number * PROOF_PART_BYTES, min((number + 1) * PROOF_PART_BYTES, PROOF_BYTES))
