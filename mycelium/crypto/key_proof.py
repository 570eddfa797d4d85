"""Proofs of ML-DSA keys: what X25519 and Ed25519 prove no more once somebody has a quantum computer that breaks them.

A proof is a public key and its signature over a label, the role of the signer in a handshake, and the hash of all that the
handshake's ends have sent each other. So it is worth nothing in another handshake, nor from the other end.
"""

from typing import Any, Final

from mycelium.crypto.primitives import Primitives
from mycelium.identity import Identity, fingerprint_of
from mycelium.wire.key_proof import PROOF_KEY_BYTES

PROOF_LABEL: Final = b"mycelium key proof 1\x00"
INITIATOR: Final = 1
RESPONDER: Final = 2


class KeyProver:
    """Makes a node's own proofs, and checks those of others. Its key is made when it is first used."""

    def __init__(self, identity: Identity, primitives: Primitives) -> None:
        self.identity = identity
        self._primitives = primitives
        self._private: Any = None
        self._public = b""

    @property
    def public_key(self) -> bytes:
        """Its own ML-DSA key; empty for a node that has none, since its X25519 secret came first."""
        seed = self.identity.proof_seed
        if seed is not None and not self._public:
            self._private, self._public = self._primitives.dsa_keypair(seed)
        return self._public

    @property
    def fingerprint(self) -> bytes | None:
        """That of its own key; None for a node that has none."""
        return fingerprint_of(self.public_key) if self.public_key else None

    def sign(self, message: bytes) -> bytes:
        """Returns the ML-DSA signature of a node that has such a key."""
        assert self.public_key, "a node without an ML-DSA key signs nothing"
        return self._primitives.dsa_sign(self._private, message)

    def prove(self, transcript: bytes, *, is_initiator: bool) -> bytes:
        """Returns the proof for a handshake, of a node that has an ML-DSA key."""
        return self.public_key + self.sign(_signed(transcript, is_initiator=is_initiator))

    def proves(self, proof: bytes, fingerprint: bytes, transcript: bytes, *, is_initiator: bool) -> bool:
        """Tells whether a proof is of the key with a fingerprint, and by this end of this handshake."""
        key, signature = proof[:PROOF_KEY_BYTES], proof[PROOF_KEY_BYTES:]
        signed = _signed(transcript, is_initiator=is_initiator)
        return fingerprint_of(key) == fingerprint and self._primitives.dsa_verify(key, signed, signature)


def _signed(transcript: bytes, *, is_initiator: bool) -> bytes:
    return PROOF_LABEL + bytes((INITIATOR if is_initiator else RESPONDER,)) + transcript
