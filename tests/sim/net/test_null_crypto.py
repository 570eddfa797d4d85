"""Null primitives are as long as real ones, and whoever has the wrong key still opens nothing."""

import pytest
from cryptography.exceptions import InvalidTag

from mycelium.crypto.primitives import Primitives, RealPrimitives
from mycelium.identity import Identity
from mycelium.wire.announcement import Announcement, signed_bytes
from mycelium.wire.datagram import SUITE_AES_256_GCM
from sim.net.null_crypto import NullIdentity, NullPrimitives, is_null_signed

ALICE, BOB = NullIdentity(bytes(range(32))), NullIdentity(bytes(range(32, 64)))


@pytest.fixture
def null() -> NullPrimitives:
    primitives = NullPrimitives()
    primitives.introduce(ALICE)
    primitives.introduce(BOB)
    return primitives


def sizes(primitives: Primitives) -> list[int]:
    private, public = primitives.kem_keypair(bytes(64))
    shared, ciphertext = primitives.kem_encapsulate(public)
    sealed = bytearray(30)
    length = primitives.aead(SUITE_AES_256_GCM, bytes(32)).encrypt_into(bytes(12), bytes(14), b"", sealed)
    exchanged = primitives.exchange(ALICE.exchange_secret, BOB.exchange_public_key)
    recovered = primitives.kem_decapsulate(private, ciphertext)
    key, proof_key = primitives.dsa_keypair(bytes(32))
    signature = primitives.dsa_sign(key, b"message")
    assert primitives.dsa_verify(proof_key, b"message", signature)
    assert not primitives.dsa_verify(proof_key, b"another", signature)
    assert not primitives.dsa_verify(primitives.dsa_keypair(b"o" * 32)[1], b"message", signature)
    return [
        len(proof_key),
        len(signature),
        *map(len, (public, shared, ciphertext, exchanged, recovered, primitives.public_of(bytes(32)))),
        length,
    ]


def test_everything_is_as_long_as_the_real_thing(null: NullPrimitives) -> None:
    assert sizes(null) == sizes(RealPrimitives())


def test_both_ends_of_an_exchange_agree_and_nobody_else(null: NullPrimitives) -> None:
    shared = null.exchange(ALICE.exchange_secret, BOB.exchange_public_key)
    assert null.exchange(BOB.exchange_secret, ALICE.exchange_public_key) == shared
    ephemeral = b"e" * 32
    assert null.exchange(ephemeral, BOB.exchange_public_key) != shared
    assert null.exchange(ephemeral, BOB.exchange_public_key) == null.exchange(
        BOB.exchange_secret, null.public_of(ephemeral)
    )


def test_an_encapsulated_secret_comes_out_again_and_is_a_new_one_each_time(null: NullPrimitives) -> None:
    private, public = null.kem_keypair(bytes(64))
    first, second = null.kem_encapsulate(public), null.kem_encapsulate(public)
    assert null.kem_decapsulate(private, first[1]) == first[0] != second[0]


def test_the_wrong_key_opens_nothing(null: NullPrimitives) -> None:
    sealed, opened = bytearray(21), bytearray(5)
    null.aead(1, b"k" * 32).encrypt_into(bytes(12), b"hello", None, sealed)
    null.aead(1, b"k" * 32).decrypt_into(bytes(12), sealed, None, opened)
    assert opened == b"hello"
    with pytest.raises(InvalidTag):
        null.aead(1, b"x" * 32).decrypt_into(bytes(12), sealed, None, opened)


def test_a_null_signature_is_its_signers_only() -> None:
    unsigned = Announcement(ALICE.signing_public_key, 7, bytes(8))
    signature = ALICE.sign(signed_bytes(unsigned))
    assert len(signature) == len(Identity(bytes(32)).sign(b""))
    assert is_null_signed(Announcement(ALICE.signing_public_key, 7, bytes(8), signature=signature))
    assert not is_null_signed(Announcement(ALICE.signing_public_key, 8, bytes(8), signature=signature))
    assert not is_null_signed(Announcement(BOB.signing_public_key, 7, bytes(8), signature=signature))


def test_identities_verify_what_others_of_their_kind_have_signed() -> None:
    signature = ALICE.sign(b"message")
    assert BOB.verify(ALICE.signing_public_key, b"message", signature)
    assert not BOB.verify(BOB.signing_public_key, b"message", signature)
    assert not BOB.verify(ALICE.signing_public_key, b"another", signature)
    assert not Identity(bytes(32)).verify(ALICE.signing_public_key, b"message", signature)
