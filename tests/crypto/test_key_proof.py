"""A proof is of one key, one end and one handshake."""

import pytest

from mycelium.crypto.key_proof import KeyProver
from mycelium.identity import FINGERPRINT_BYTES, Identity, fingerprint_of
from mycelium.wire.key_proof import PROOF_BYTES, PROOF_KEY_BYTES
from tests.crypto.support import PRIMITIVES

TRANSCRIPT = bytes(range(64))
PROVER = KeyProver(Identity(bytes(range(32))), PRIMITIVES)


def proves(proof: bytes, transcript: bytes = TRANSCRIPT, *, is_initiator: bool = True) -> bool:
    assert PROVER.fingerprint is not None
    return PROVER.proves(proof, PROVER.fingerprint, transcript, is_initiator=is_initiator)


@pytest.mark.parametrize("is_initiator", [True, False])
def test_a_proof_is_of_one_end_of_one_handshake(is_initiator: bool) -> None:
    assert PROVER.fingerprint is not None
    proof = PROVER.prove(TRANSCRIPT, is_initiator=is_initiator)
    assert len(proof) == PROOF_BYTES
    assert len(PROVER.fingerprint) == FINGERPRINT_BYTES
    assert proves(proof, is_initiator=is_initiator)
    assert not proves(proof, is_initiator=not is_initiator)
    assert not proves(proof, bytes(64), is_initiator=is_initiator)


@pytest.mark.parametrize("at", [0, PROOF_KEY_BYTES - 1, PROOF_KEY_BYTES, PROOF_BYTES - 1])
def test_a_proof_with_any_byte_changed_is_none(at: int) -> None:
    assert PROVER.fingerprint is not None
    proof = bytearray(PROVER.prove(TRANSCRIPT, is_initiator=True))
    proof[at] ^= 1
    assert not proves(bytes(proof))


def test_a_proof_of_another_key_is_none() -> None:
    other = KeyProver(Identity(bytes(32)), PRIMITIVES)
    assert other.fingerprint not in (None, PROVER.fingerprint)
    assert not proves(other.prove(TRANSCRIPT, is_initiator=True))
    assert not proves(b"")


def test_a_node_whose_x25519_secret_came_first_has_no_fingerprint() -> None:
    """Who computes that secret from the public key has all that such a node has."""
    assert KeyProver(Identity.of_exchange_secret(bytes(range(32))), PRIMITIVES).fingerprint is None


def test_a_fingerprint_is_of_the_seed_alone() -> None:
    again = KeyProver(Identity(bytes(range(32))), PRIMITIVES)
    assert again.fingerprint == PROVER.fingerprint
    assert again.fingerprint == fingerprint_of(again.prove(b"", is_initiator=True)[:PROOF_KEY_BYTES])
    assert again.fingerprint.hex() == "54364a98c049f24982205578d0c911d8"
