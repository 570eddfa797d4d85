"""Pairs of handshakes in memory, from fixed seeds."""

import random
from collections.abc import Callable

from mycelium.crypto.handshake import NO_NETWORK_ID, NO_PSK, HandshakeConfig
from mycelium.crypto.keys import OpeningKey, SealingKey
from mycelium.crypto.link_handshake import LinkInitiator, LinkResponder
from mycelium.crypto.primitives import RealPrimitives
from mycelium.identity import Identity
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305

BOTH_SUITES = SUITE_AES_256_GCM | SUITE_CHACHA20_POLY1305
ALICE = Identity(bytes(range(32)))
BOB = Identity(bytes(range(32, 64)))
PRIMITIVES = RealPrimitives()


def entropy_of(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def config_of(
    identity: Identity,
    *,
    psk: bytes = NO_PSK,
    network_id: bytes = NO_NETWORK_ID,
    suites: int = BOTH_SUITES,
    seed: int = 1,
) -> HandshakeConfig:
    return HandshakeConfig(
        identity=identity,
        psk=psk,
        network_id=network_id,
        suites=suites,
        entropy=entropy_of(seed),
        primitives=PRIMITIVES,
    )


def link_initiator(
    identity: Identity = ALICE,
    *,
    psk: bytes = NO_PSK,
    network_id: bytes = NO_NETWORK_ID,
    suites: int = BOTH_SUITES,
    pin: bytes | None = None,
    period: int = 0,
    seed: int = 1,
) -> LinkInitiator:
    config = config_of(identity, psk=psk, network_id=network_id, suites=suites, seed=seed)
    return LinkInitiator(config, local_index=0x11111111, pin=pin, period=period)


def link_responder(
    identity: Identity = BOB, *, psk: bytes = NO_PSK, suites: int = BOTH_SUITES, seed: int = 2
) -> LinkResponder:
    return LinkResponder(config_of(identity, psk=psk, suites=suites, seed=seed), local_index=0x22222222)


def flip(data: bytes, bit: int) -> bytes:
    """Returns `data` with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def carries(sending: SealingKey, opening: OpeningKey) -> bool:
    """Tells whether what one end seals the other end opens."""
    sealed = bytearray(5 + 16)
    opened = bytearray(5)
    counter = sending.counter
    sending.seal_into(counter, b"hello", b"header", sealed)
    return opening.open_into(counter, sealed, b"header", opened) and opened == b"hello"
