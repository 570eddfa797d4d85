"""The symmetric state against published vectors of the Noise framework, and its refusals."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from mycelium.crypto.noise import SymmetricState, hkdf, peer_keys
from mycelium.errors import HandshakeError
from tests.crypto.support import ALICE, PRIMITIVES, flip

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "noise.json").read_text())
INITIATOR_SECRET = bytes.fromhex(VECTORS["init_ephemeral"])
RESPONDER_SECRET = bytes.fromhex(VECTORS["resp_ephemeral"])
PAYLOADS = [bytes.fromhex(payload) for payload in VECTORS["payloads"]]


def hmac_blake2b(key: bytes, data: bytes) -> bytes:
    """RFC 2104 spelled out; BLAKE2b's block is 128 bytes."""
    padded = key.ljust(128, b"\0")
    inner = hashlib.blake2b(bytes(byte ^ 0x36 for byte in padded) + data).digest()
    return hashlib.blake2b(bytes(byte ^ 0x5C for byte in padded) + inner).digest()


def test_hkdf_is_the_specifications_over_hmac_blake2b() -> None:
    chaining_key, material = bytes(range(64)), bytes(range(100, 132))
    temporary = hmac_blake2b(chaining_key, material)
    first = hmac_blake2b(temporary, b"\x01")
    second = hmac_blake2b(temporary, first + b"\x02")
    third = hmac_blake2b(temporary, second + b"\x03")

    assert hkdf(chaining_key, material, 3) == [first, second, third]
    assert hkdf(chaining_key, material, 2) == [first, second]


@pytest.mark.parametrize("pattern", ["NN", "NNpsk0"])
def test_both_ends_reproduce_the_published_vectors(pattern: str) -> None:
    name = f"Noise_{pattern}_25519_ChaChaPoly_BLAKE2b"
    expected = [bytes.fromhex(message) for message in VECTORS[name]["ciphertexts"]]
    initiator, responder = (
        SymmetricState(name.encode(), bytes.fromhex(VECTORS["prologue"]), PRIMITIVES) for _ in range(2)
    )
    public_i, public_r = PRIMITIVES.public_of(INITIATOR_SECRET), PRIMITIVES.public_of(RESPONDER_SECRET)
    has_psk = pattern != "NN"

    for state in (initiator, responder):
        if has_psk:
            state.mix_key_and_hash(bytes.fromhex(VECTORS["psk"]))
            state.mix_ephemeral(public_i)
        else:
            state.mix_hash(public_i)
    assert public_i + initiator.encrypt_and_hash(PAYLOADS[0]) == expected[0]
    assert responder.decrypt_and_hash(expected[0][32:]) == PAYLOADS[0]

    for state, secret, public in ((responder, RESPONDER_SECRET, public_i), (initiator, INITIATOR_SECRET, public_r)):
        if has_psk:
            state.mix_ephemeral(public_r)
        else:
            state.mix_hash(public_r)
        state.mix_exchange(secret, public)
    assert public_r + responder.encrypt_and_hash(PAYLOADS[1]) == expected[1]
    assert initiator.decrypt_and_hash(expected[1][32:]) == PAYLOADS[1]

    assert initiator.handshake_hash.hex() == VECTORS[name]["handshake_hash"] == responder.handshake_hash.hex()
    assert initiator.split() == responder.split()
    ciphers = [ChaCha20Poly1305(key) for key in initiator.split()]
    for number, (payload, message) in enumerate(zip(PAYLOADS[2:], expected[2:], strict=True)):
        nonce = bytes(4) + (number // 2).to_bytes(8, "little")
        assert ciphers[number % 2].encrypt(nonce, payload, b"") == message


def test_a_protocol_name_longer_than_the_hash_is_hashed() -> None:
    name = b"Noise_" + b"x" * 59
    short = SymmetricState(name[:64], b"", PRIMITIVES)
    long = SymmetricState(name, b"", PRIMITIVES)

    assert short.handshake_hash == hashlib.blake2b(name[:64]).digest()
    assert long.handshake_hash == hashlib.blake2b(hashlib.blake2b(name).digest()).digest()


def keyed_pair() -> tuple[SymmetricState, SymmetricState]:
    states = SymmetricState(b"Noise_test", b"", PRIMITIVES), SymmetricState(b"Noise_test", b"", PRIMITIVES)
    for state in states:
        state.mix_key(b"key")
    return states


def test_a_forged_message_leaves_the_original_of_a_copy_as_it_was() -> None:
    ours, theirs = keyed_pair()
    sealed = ours.encrypt_and_hash(b"text")

    with pytest.raises(HandshakeError):
        theirs.copy().decrypt_and_hash(flip(sealed, 3))

    assert theirs.decrypt_and_hash(sealed) == b"text"
    assert theirs.handshake_hash == ours.handshake_hash


def test_the_same_text_twice_is_sealed_differently() -> None:
    ours, theirs = keyed_pair()
    sealed = [ours.encrypt_and_hash(b"text"), ours.encrypt_and_hash(b"text")]

    assert sealed[0] != sealed[1]
    assert [theirs.decrypt_and_hash(one) for one in sealed] == [b"text", b"text"]


@pytest.mark.parametrize("size", range(16))
def test_a_message_shorter_than_its_tag_is_refused(size: int) -> None:
    _, theirs = keyed_pair()

    with pytest.raises(HandshakeError):
        theirs.decrypt_and_hash(bytes(size))


def test_a_static_key_of_our_own_is_refused() -> None:
    ours, theirs = keyed_pair()

    with pytest.raises(HandshakeError, match="itself"):
        theirs.read_static(ours.encrypt_and_hash(ALICE.signing_public_key), ALICE)


@pytest.mark.parametrize("key", [bytes(32), (1).to_bytes(32, "little"), b"\xff" * 32, b"short"], ids=bytes.hex)
def test_what_is_no_static_key_is_a_handshake_error(key: bytes) -> None:
    with pytest.raises(HandshakeError):
        peer_keys(key)
