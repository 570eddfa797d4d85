"""A keypair, named as in WireGuard: the sealing key and the opening key that one handshake yielded, in use.

Links and end-to-end sessions extend it. A rekey adds a keypair; the old one still opens frames that are under way.
"""

from math import inf
from typing import Final

from mycelium.channel.awaited_proof import AwaitedProof
from mycelium.crypto.handshake import AgreedKeys

REKEY_AFTER_S: Final = 15 * 60.0
RESPONDER_REKEYS_LATER_S: Final = 20.0  # so that only one end starts
REJECT_AFTER_S: Final = 30 * 60.0  # age at which a keypair seals and opens nothing more, though it may be the only one
IDLE_KEPT_S: Final = 30.0  # a keypair out of use is kept this long after the last frame opened under it


class Keypair:
    """Both keys, the index that each end gave them, and when they were agreed and last used."""

    __slots__ = (
        "accepted_by",
        "awaited",
        "established",
        "is_initiator",
        "last_opened",
        "local_index",
        "opening",
        "peer_exchange_key",
        "proof",
        "remote_index",
        "sealing",
        "secrets",
        "shown_at",
        "transcript",
    )

    def __init__(self, keys: AgreedKeys, *, now: float) -> None:
        self.peer_exchange_key = keys.peer_exchange_key
        self.local_index = keys.local_index
        self.remote_index = keys.remote_index
        self.sealing = keys.sealing
        self.opening = keys.opening
        self.secrets = keys.secrets
        self.is_initiator = keys.is_initiator  # of the handshake
        self.established = now
        self.last_opened = now
        self.transcript = keys.transcript
        self.awaited: AwaitedProof | None = None  # of the other end: before it nothing else under this keypair counts
        self.proof = b""  # of this node, once it is wanted; kept, so that who wants it again draws no other signature
        self.shown_at = -inf
        self.accepted_by = -inf  # this node seals nothing else under it until then, unless its proof is accepted before

    @property
    def is_settled(self) -> bool:
        """Tells whether neither end waits for a proof of the other."""
        return self.awaited is None and self.accepted_by == -inf

    def initiator_key(self, own_exchange_key: bytes) -> bytes:
        """Returns the X25519 key of the end that started the handshake."""
        return own_exchange_key if self.is_initiator else self.peer_exchange_key

    def wants_replacement(self, *, now: float) -> bool:
        """Tells whether this end should start a rekey."""
        limit_s = REKEY_AFTER_S if self.is_initiator else REKEY_AFTER_S + RESPONDER_REKEYS_LATER_S
        return now - self.established > limit_s or self.sealing.should_rekey

    def is_expired(self, *, now: float) -> bool:
        """Tells whether it is older than any may get: somebody keeps handshakes from passing, and must not keep the keys."""
        return now - self.established > REJECT_AFTER_S

    def expire(self) -> None:
        """Has it seal and open nothing more, whatever its age."""
        self.established = -inf
        self.sealing.wear_out()

    def is_idle(self, *, now: float) -> bool:
        """Tells whether no straggler is expected under this keypair any more."""
        return now - self.last_opened > IDLE_KEPT_S
