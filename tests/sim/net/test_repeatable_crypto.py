"""The keys of a run come from its seed, and a wrong key still opens nothing."""

import pytest

from mycelium.crypto.primitives import KEM_CIPHERTEXT_BYTES
from mycelium.errors import HandshakeError
from sim.net.node_net import NodeNet
from sim.net.repeatable_crypto import RepeatablePrimitives

REPEATABLE = RepeatablePrimitives()


def datagrams(seed: int) -> list[tuple[str, str, bytes]]:
    net = NodeNet(seed)
    net.capture = []
    net.add("a")
    net.add("b")
    net.join("a", "b")
    net.run(3)
    return net.capture


def test_a_seed_gives_the_same_bytes_in_each_run() -> None:
    assert datagrams(seed=1) == datagrams(seed=1) != datagrams(seed=2)


def test_an_encapsulated_secret_comes_out_for_its_owner_only() -> None:
    (private, public), (other, _) = (REPEATABLE.kem_keypair(bytes([seed]) * 64) for seed in (1, 2))
    shared, ciphertext = REPEATABLE.kem_encapsulate(public)
    assert REPEATABLE.kem_decapsulate(private, ciphertext) == shared
    assert REPEATABLE.kem_decapsulate(other, ciphertext) != shared
    assert REPEATABLE.kem_decapsulate(private, bytes(KEM_CIPHERTEXT_BYTES)) != shared


def test_what_the_real_one_refuses_is_refused() -> None:
    with pytest.raises(HandshakeError):
        REPEATABLE.kem_encapsulate(b"no key")
    with pytest.raises(HandshakeError):
        REPEATABLE.kem_decapsulate(REPEATABLE.kem_keypair(bytes(64))[0], b"too short")
