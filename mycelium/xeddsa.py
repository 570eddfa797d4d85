"""Ed25519 signatures by an X25519 secret, as in XEdDSA (Signal, revision 1), with deterministic nonces as in RFC 8032.

Any verifier of Ed25519 accepts them. The nonce is a hash of the secret and the message, under a label of its own, so the same
message has the same signature, and no randomness is needed that could fail. All arithmetic with secrets is libsodium's, in
constant time.
"""

import hashlib
from collections.abc import Callable
from typing import Final

import nacl.bindings as sodium

NONCE_LABEL: Final = b"mycelium xeddsa nonce 1\x00"

_WIDE_BYTES: Final = 64  # what a scalar is reduced from
_LAST: Final = 31  # index of a point's byte with the sign of x


def signer(exchange_secret: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Returns the Ed25519 public key of an X25519 secret of 32 bytes, and the function that signs with it.

    Of the two points that convert to the X25519 public key it is the one with an even x.
    """
    scalar = _reduced(_clamped(exchange_secret))
    point = sodium.crypto_scalarmult_ed25519_base_noclamp(scalar)
    is_odd = point[_LAST] >> 7
    scalar = (scalar, sodium.crypto_core_ed25519_scalar_negate(scalar))[is_odd]
    public = point[:_LAST] + bytes((point[_LAST] & 0x7F,))
    nonce_key = hashlib.sha512(NONCE_LABEL + exchange_secret).digest()

    def sign(message: bytes) -> bytes:
        nonce = _reduced(hashlib.sha512(nonce_key + message).digest())
        commitment = sodium.crypto_scalarmult_ed25519_base_noclamp(nonce)
        challenge = _reduced(hashlib.sha512(commitment + public + message).digest())
        response = sodium.crypto_core_ed25519_scalar_add(
            nonce, sodium.crypto_core_ed25519_scalar_mul(challenge, scalar)
        )
        return commitment + response

    return public, sign


def _clamped(secret: bytes) -> bytes:
    """Returns the scalar that X25519 makes of a secret (RFC 7748 section 5)."""
    clamped = bytearray(secret)
    clamped[0] &= 0xF8
    clamped[_LAST] = clamped[_LAST] & 0x7F | 0x40
    return bytes(clamped)


def _reduced(number: bytes) -> bytes:
    """Returns a little-endian number of up to 64 bytes modulo the order of the group."""
    return sodium.crypto_core_ed25519_scalar_reduce(number.ljust(_WIDE_BYTES, b"\0"))
