"""Ciphers and key exchanges: known answers, sizes, and what is refused."""

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from mycelium.crypto.primitives import KEM_CIPHERTEXT_BYTES, KEM_PUBLIC_BYTES
from mycelium.errors import HandshakeError
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305
from mycelium.wire.key_proof import PROOF_KEY_BYTES, PROOF_SIGNATURE_BYTES
from tests.crypto.support import PRIMITIVES

# every X25519 input of small order below 2^255: their shared secret is zero (RFC 7748, section 6.1)
LOW_ORDER_KEYS = [
    bytes(32),
    (1).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
]


def test_the_exchange_gives_the_shared_secret_of_rfc_7748() -> None:
    alice = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    public_of_alice = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    public_of_bob = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    shared = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")

    assert [PRIMITIVES.public_of(alice), PRIMITIVES.public_of(bob)] == [public_of_alice, public_of_bob]
    assert PRIMITIVES.exchange(alice, public_of_bob) == shared == PRIMITIVES.exchange(bob, public_of_alice)


@pytest.mark.parametrize("public", LOW_ORDER_KEYS, ids=bytes.hex)
def test_a_public_key_of_small_order_is_refused(public: bytes) -> None:
    with pytest.raises(HandshakeError):
        PRIMITIVES.exchange(b"\x42" * 32, public)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_public_key_of_the_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(HandshakeError):
        PRIMITIVES.exchange(b"\x42" * 32, b"\x09" * size)


def test_the_kem_gives_both_ends_the_same_secret() -> None:
    private, public = PRIMITIVES.kem_keypair(bytes(64))

    shared, ciphertext = PRIMITIVES.kem_encapsulate(public)

    assert PRIMITIVES.kem_decapsulate(private, ciphertext) == shared
    assert (len(public), len(ciphertext), len(shared)) == (KEM_PUBLIC_BYTES, KEM_CIPHERTEXT_BYTES, 32)
    assert PRIMITIVES.kem_keypair(bytes(64))[1] == public


@pytest.mark.parametrize("public", [b"", bytes(KEM_PUBLIC_BYTES - 1), b"\xff" * KEM_PUBLIC_BYTES])
def test_what_is_no_kem_key_is_refused(public: bytes) -> None:
    with pytest.raises(HandshakeError):
        PRIMITIVES.kem_encapsulate(public)


@pytest.mark.parametrize("size", [0, KEM_CIPHERTEXT_BYTES - 1, KEM_CIPHERTEXT_BYTES + 1])
def test_a_kem_ciphertext_of_the_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(HandshakeError):
        PRIMITIVES.kem_decapsulate(PRIMITIVES.kem_keypair(bytes(64))[0], bytes(size))


@pytest.mark.parametrize(
    ("suite", "cipher"), [(SUITE_AES_256_GCM, AESGCM), (SUITE_CHACHA20_POLY1305, ChaCha20Poly1305)]
)
def test_a_suite_names_its_cipher(suite: int, cipher: type[AESGCM] | type[ChaCha20Poly1305]) -> None:
    key, nonce, sealed = bytes(range(32)), bytes(range(12)), bytearray(20)

    PRIMITIVES.aead(suite, key).encrypt_into(nonce, b"text", b"header", sealed)

    assert cipher(key).decrypt(nonce, bytes(sealed), b"header") == b"text"
    with pytest.raises(InvalidTag):
        PRIMITIVES.aead(suite, key).decrypt_into(nonce, sealed, b"other", bytearray(4))


@pytest.mark.parametrize("suite", [0, 3, 4, 255])
def test_an_unknown_suite_is_refused(suite: int) -> None:
    with pytest.raises(HandshakeError):
        PRIMITIVES.aead(suite, bytes(32))


def test_a_signature_is_of_one_key_and_message_and_any_other_bytes_are_none() -> None:
    private, public = PRIMITIVES.dsa_keypair(bytes(range(32)))
    signature = PRIMITIVES.dsa_sign(private, b"message")
    assert (len(public), len(signature)) == (PROOF_KEY_BYTES, PROOF_SIGNATURE_BYTES)
    assert PRIMITIVES.dsa_keypair(bytes(range(32)))[1] == public
    assert PRIMITIVES.dsa_verify(public, b"message", signature)
    other = PRIMITIVES.dsa_keypair(bytes(32))[1]
    wrong = [
        (other, b"message", signature),
        (public, b"another", signature),
        (b"", b"message", signature),
        (public, b"", b""),
    ]
    assert not any(PRIMITIVES.dsa_verify(*one) for one in wrong)
