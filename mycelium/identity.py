"""Who a node is: an Ed25519 key pair, the X25519 key it converts to, and the address made from that.

Pure: where a seed is kept on disk is `mycelium.admin.keyfile`'s business.
"""

import hashlib
from typing import Final

import nacl.bindings as sodium
from blake3 import blake3
from nacl.exceptions import CryptoError

from mycelium.errors import IdentityError

SEED_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
ADDRESS_BYTES: Final = 16
SUBNET_BYTES: Final = 8
OVERLAY_PREFIX: Final = "400::/7"


class Identity:
    """A node's secret and what is public about it.

    `signing_public_key` is Ed25519 and signs; `exchange_public_key` is X25519, the standard conversion of it, and is what
    names the node: in pins, on screens, and hashed in its `address`.
    """

    __slots__ = ("_signing_secret", "address", "exchange_public_key", "exchange_secret", "seed", "signing_public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise IdentityError(f"a key is {SEED_BYTES} bytes, not {len(seed)}")
        self.seed = seed
        self.signing_public_key, self._signing_secret = sodium.crypto_sign_seed_keypair(seed)
        self.exchange_secret = sodium.crypto_sign_ed25519_sk_to_curve25519(self._signing_secret)
        self.exchange_public_key = sodium.crypto_scalarmult_base(self.exchange_secret)
        self.address = address_of_exchange_key(self.exchange_public_key)

    def sign(self, message: bytes) -> bytes:
        """Returns the 64-byte Ed25519 signature of `message`."""
        return sodium.crypto_sign(message, self._signing_secret)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"Identity({self.exchange_public_key.hex()})"


def verify_signature(signing_public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tells whether `signature` is the key holder's; any malformed key or signature is a plain no.

    libsodium refuses small-order keys, which others accept.
    """
    if len(signature) != SIGNATURE_BYTES or len(signing_public_key) != PUBLIC_KEY_BYTES:
        return False
    try:
        sodium.crypto_sign_open(signature + message, signing_public_key)
    except (CryptoError, ValueError):
        return False
    return True


def exchange_key_of_signing_key(signing_public_key: bytes) -> bytes:
    """Converts an Ed25519 public key to its X25519 key; raises IdentityError where it is none."""
    try:
        return sodium.crypto_sign_ed25519_pk_to_curve25519(signing_public_key)
    except (CryptoError, ValueError, TypeError) as error:
        raise IdentityError("not an Ed25519 public key") from error


def address_of_exchange_key(exchange_public_key: bytes) -> bytes:
    """Derives the 16-byte overlay address of an X25519 public key.

    The first 16 bytes of BLAKE3(key), byte 0 replaced by 0x04 or 0x05 by the parity of its bits: always in 400::/7.
    """
    if len(exchange_public_key) != PUBLIC_KEY_BYTES:
        raise IdentityError(f"a public key is {PUBLIC_KEY_BYTES} bytes, not {len(exchange_public_key)}")
    digest = blake3(exchange_public_key).digest(ADDRESS_BYTES)
    return bytes((0x04 | digest[0].bit_count() & 1,)) + digest[1:]


def address_of_signing_key(signing_public_key: bytes) -> bytes:
    """Derives the overlay address of the node that signs with this Ed25519 key; raises IdentityError where it is none."""
    return address_of_exchange_key(exchange_key_of_signing_key(signing_public_key))


def subnet_of(address: bytes) -> bytes:
    """Returns the first 8 bytes of an address: the /64 that its node owns."""
    return address[:SUBNET_BYTES]


def is_overlay_address(address: bytes) -> bool:
    """Tells whether an address lies in 400::/7."""
    return len(address) == ADDRESS_BYTES and address[0] & 0xFE == 0x04


def blake2b(data: bytes, *, size: int, key: bytes = b"") -> bytes:
    """Returns the BLAKE2b digest of `data` in `size` bytes, keyed where a key is given."""
    return hashlib.blake2b(data, digest_size=size, key=key).digest()
