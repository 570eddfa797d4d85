"""Signatures by X25519 secrets, checked by implementations that know nothing of them."""

import random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from nacl.signing import VerifyKey

from mycelium import xeddsa

FIELD = 2**255 - 19
RNG = random.Random(25519)
SECRETS = [RNG.randbytes(32) for _ in range(100)] + [b"\0" * 31 + b"\x01", b"\xff" * 32]


def clamped(secret: bytes) -> bytes:
    return bytes((secret[0] & 0xF8,)) + secret[1:31] + bytes((secret[31] & 0x7F | 0x40,))


@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
def test_the_public_key_converts_to_that_of_x25519_and_verifies_everywhere(secret: bytes) -> None:
    public, sign = xeddsa.signer(secret)
    y = int.from_bytes(public, "little")
    u = (1 + y) * pow(1 - y, -1, FIELD) % FIELD  # the birational map of RFC 7748 section 4.1, for an even x
    assert u.to_bytes(32, "little") == X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    message = b"announcement" * (secret[0] % 20)
    signature = sign(message)
    VerifyKey(public).verify(message, signature)
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message + b".")


def test_clamping_beforehand_changes_no_public_key() -> None:
    for secret in SECRETS:
        assert xeddsa.signer(clamped(secret))[0] == xeddsa.signer(secret)[0]


def test_a_signature_depends_on_nothing_but_secret_and_message() -> None:
    (_, sign), (_, again), (_, other) = (xeddsa.signer(secret) for secret in (SECRETS[0], SECRETS[0], SECRETS[1]))
    assert sign(b"one") == again(b"one")
    assert (
        len({signature[:32] for signature in (sign(b"one"), sign(b"two"), other(b"one"))}) == 3
    )  # never one nonce twice
