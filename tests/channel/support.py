"""Keypairs as a handshake yields them, and proofs that they wait for."""

from mycelium.channel.awaited_proof import AwaitedProof
from mycelium.crypto.handshake import AgreedKeys, KeySecrets
from mycelium.crypto.keys import OpeningKey, SealingKey
from mycelium.crypto.primitives import RealPrimitives
from mycelium.limits import UNPROVED_BYTES_OF_ALL
from mycelium.timing import SharedBucket
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


def awaited_proof(*, until: float) -> AwaitedProof:
    return AwaitedProof(b"other", SharedBucket(UNPROVED_BYTES_OF_ALL, keys=1, now=0.0), until=until)
