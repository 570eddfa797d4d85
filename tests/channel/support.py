"""Keypairs as a handshake yields them."""

from mycelium.crypto.handshake import AgreedKeys, KeySecrets
from mycelium.crypto.keys import OpeningKey, SealingKey
from mycelium.crypto.primitives import RealPrimitives
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305

OWN_KEY = b"\x05" * 32
CIPHER = RealPrimitives().aead(SUITE_CHACHA20_POLY1305, bytes(32))


def agreed_keys(*, is_initiator: bool, peer_key: bytes = b"\x09" * 32, index: int = 1) -> AgreedKeys:
    return AgreedKeys(
        peer_exchange_key=peer_key,
        peer_address=bytes(16),
        local_index=index,
        remote_index=index + 100,
        sealing=SealingKey(CIPHER),
        opening=OpeningKey(CIPHER),
        secrets=KeySecrets(SUITE_CHACHA20_POLY1305, bytes(32), bytes(32)),
        is_initiator=is_initiator,
    )
