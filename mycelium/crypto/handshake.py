"""What the link handshake and the session handshake share: what a node brings to each, and the keys each yields."""

from typing import Final

from msgspec import Struct

from mycelium.crypto.keys import OpeningKey, SealingKey
from mycelium.crypto.noise import Entropy, PeerKeys, SymmetricState
from mycelium.crypto.primitives import Primitives
from mycelium.errors import HandshakeError, LocalError
from mycelium.identity import Identity, address_of_exchange_key
from mycelium.wire.announcement import NETWORK_ID_BYTES
from mycelium.wire.beacon import INSTANCE_BYTES
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305

PSK_BYTES: Final = 32
NO_PSK: Final = bytes(PSK_BYTES)
NO_NETWORK_ID: Final = bytes(NETWORK_ID_BYTES)

_SUITES_BY_PREFERENCE: Final = (SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305)


class HandshakeConfig(Struct, frozen=True, kw_only=True):
    """What this node brings to every handshake; raises LocalError for a pre-shared key or a network id of the wrong size.

    `suites` is a set of SUITE_* bits. A node that is quicker with ChaCha20-Poly1305 leaves AES-256-GCM out. `instance` is
    random, and tells this start of the node from its others and from other hosts with its key.
    """

    identity: Identity
    psk: bytes = NO_PSK
    network_id: bytes = NO_NETWORK_ID
    suites: int
    instance: bytes = bytes(INSTANCE_BYTES)
    entropy: Entropy
    primitives: Primitives

    def __post_init__(self) -> None:
        if len(self.psk) != PSK_BYTES:
            raise LocalError(f"a pre-shared key must be {PSK_BYTES} bytes, not {len(self.psk)}")
        if len(self.network_id) != NETWORK_ID_BYTES:
            raise LocalError(f"a network id must be {NETWORK_ID_BYTES} bytes, not {len(self.network_id)}")


class KeySecrets(Struct, frozen=True):
    """The keys of both directions as bytes, and their suite: for captures that an operator wants to read."""

    suite: int
    sealing: bytes
    opening: bytes

    def __repr__(self) -> str:
        return "KeySecrets(...)"  # no log is to hold them


class AgreedKeys(Struct, frozen=True, kw_only=True):
    """What a completed handshake yields: the peer's identity, a key for each direction, and each end's index for them."""

    peer_exchange_key: bytes
    peer_address: bytes
    peer_instance: bytes = b""  # of links only
    local_index: int  # our index, which the peer puts into what it sends to us
    remote_index: int
    sealing: SealingKey
    opening: OpeningKey
    secrets: KeySecrets
    is_initiator: bool
    transcript: bytes = b""  # hash of the whole handshake, which both ends share and no other two


def choose_suite(offered: int, supported: int) -> int:
    """Returns the preferred suite of those in both sets; raises HandshakeError if there is none."""
    for suite in _SUITES_BY_PREFERENCE:
        if suite & offered & supported:
            return suite
    raise HandshakeError("no cipher suite in common")


def require_offered(suite: int, offered: int) -> None:
    """Raises HandshakeError unless a responder chose exactly one of the suites that were offered."""
    if suite not in _SUITES_BY_PREFERENCE or not suite & offered:
        raise HandshakeError(f"cipher suite {suite} was not offered")


def agreed_keys(
    state: SymmetricState,
    peer: PeerKeys,
    primitives: Primitives,
    *,
    suite: int,
    local_index: int,
    remote_index: int,
    is_initiator: bool,
    peer_instance: bytes = b"",
) -> AgreedKeys:
    """Splits the final state of a handshake into the keys of both directions (Noise, section 5.2)."""
    keys = state.split()
    ciphers = [primitives.aead(suite, key) for key in keys]
    own, other = (0, 1) if is_initiator else (1, 0)
    return AgreedKeys(
        peer_exchange_key=peer.exchange_key,
        peer_address=address_of_exchange_key(peer.exchange_key),
        peer_instance=peer_instance,
        local_index=local_index,
        remote_index=remote_index,
        sealing=SealingKey(ciphers[own]),
        opening=OpeningKey(ciphers[other]),
        secrets=KeySecrets(suite, keys[own], keys[other]),
        is_initiator=is_initiator,
        transcript=state.handshake_hash,
    )
