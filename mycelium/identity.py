"""The identity of a node: an Ed25519 key pair, the X25519 key converted from it, and the address derived from that."""

import hashlib
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Final, Self

import nacl.bindings as sodium
from blake3 import blake3
from nacl.exceptions import CryptoError

from mycelium import xeddsa
from mycelium.errors import IdentityError

SEED_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
ADDRESS_BYTES: Final = 16
SUBNET_BYTES: Final = 8
FINGERPRINT_BYTES: Final = 16
PROOF_SEED_LABEL: Final = b"mycelium ml-dsa seed 1\x00"
OVERLAY_PREFIX: Final = "400::/7"


class Identity:
    """A node's secret and public keys.

    `signing_public_key` is Ed25519. `exchange_public_key` is X25519, its standard conversion, and names the node: in pins, in
    output, and as the input of its `address`. Raises IdentityError for a seed of the wrong size.
    """

    __slots__ = ("_sign", "address", "exchange_public_key", "exchange_secret", "seed", "signing_public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise IdentityError(f"a private key must be {SEED_BYTES} bytes, not {len(seed)}")
        signing_public_key, signing_secret = sodium.crypto_sign_seed_keypair(seed)
        self.seed: bytes | None = seed  # None where the X25519 secret came first
        self._complete(
            sodium.crypto_sign_ed25519_sk_to_curve25519(signing_secret),
            signing_public_key,
            lambda message: sodium.crypto_sign(message, signing_secret)[:SIGNATURE_BYTES],
        )

    @classmethod
    def of_exchange_secret(cls, exchange_secret: bytes) -> Self:
        """Returns the identity of an X25519 secret, clamped or not, as other programs keep it; it has that key's address.

        Its signing key is that of XEdDSA (Signal, section 2.3). Raises IdentityError for a secret of the wrong size.
        """
        if len(exchange_secret) != PUBLIC_KEY_BYTES:
            raise IdentityError(f"a private key must be {PUBLIC_KEY_BYTES} bytes, not {len(exchange_secret)}")
        signing_public_key, sign = xeddsa.signer(exchange_secret)
        identity = cls.__new__(cls)
        identity.seed = None
        identity._complete(exchange_secret, signing_public_key, sign)
        return identity

    def _complete(self, exchange_secret: bytes, signing_public_key: bytes, sign: Callable[[bytes], bytes]) -> None:
        self._sign = sign
        self.signing_public_key = signing_public_key
        self.exchange_secret = exchange_secret
        self.exchange_public_key = sodium.crypto_scalarmult_base(exchange_secret)
        self.address = address_of_exchange_key(self.exchange_public_key)

    def sign(self, message: bytes) -> bytes:
        """Returns the 64-byte Ed25519 signature of `message`."""
        return self._sign(message)

    def verify(self, signing_public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Tells whether a signature of another identity of this kind is valid: simulations have some that compute none."""
        return verify_signature(signing_public_key, message, signature)

    @property
    def proof_seed(self) -> bytes | None:
        """The seed of its ML-DSA key; None where the X25519 secret came first.

        Whoever computes that secret from the public key, as quantum computers may, would have such a seed too. The Ed25519 seed
        he does not get: the secret is a hash of it.
        """
        return None if self.seed is None else blake2b(PROOF_SEED_LABEL, size=SEED_BYTES, key=self.seed)

    def __repr__(self) -> str:
        return f"Identity({self.exchange_public_key.hex()})"


def verify_signature(signing_public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tells whether `signature` is valid; False for a malformed key or signature too.

    libsodium rejects small-order keys, which other implementations accept.
    """
    if len(signature) != SIGNATURE_BYTES or len(signing_public_key) != PUBLIC_KEY_BYTES:
        return False
    try:
        sodium.crypto_sign_open(signature + message, signing_public_key)
    except (CryptoError, ValueError):
        return False
    return True


def exchange_key_of_signing_key(signing_public_key: bytes) -> bytes:
    """Converts an Ed25519 public key to X25519; raises IdentityError for an invalid one."""
    try:
        return sodium.crypto_sign_ed25519_pk_to_curve25519(signing_public_key)
    except (CryptoError, ValueError, TypeError) as error:
        raise IdentityError("not an Ed25519 public key") from error


def address_of_exchange_key(exchange_public_key: bytes) -> bytes:
    """Derives the 16-byte overlay address of an X25519 public key; raises IdentityError for a key of the wrong size.

    It is the first 16 bytes of BLAKE3(key), with byte 0 replaced by 0x04 or 0x05 according to the parity of its bits, so that
    it lies in 400::/7.
    """
    if len(exchange_public_key) != PUBLIC_KEY_BYTES:
        raise IdentityError(f"a public key must be {PUBLIC_KEY_BYTES} bytes, not {len(exchange_public_key)}")
    digest = blake3(exchange_public_key).digest(ADDRESS_BYTES)
    return bytes((0x04 | digest[0].bit_count() & 1,)) + digest[1:]


def address_of_signing_key(signing_public_key: bytes) -> bytes:
    """Derives the overlay address of an Ed25519 public key; raises IdentityError for an invalid one."""
    return address_of_exchange_key(exchange_key_of_signing_key(signing_public_key))


def fingerprint_of(proof_key: bytes) -> bytes:
    """Derives the fingerprint of an ML-DSA public key: the first 16 bytes of its BLAKE3."""
    return blake3(proof_key).digest(FINGERPRINT_BYTES)


def subnet_of(address: bytes) -> bytes:
    """Returns the /64 of an address, its first 8 bytes."""
    return address[:SUBNET_BYTES]


def address_text(address: bytes) -> str:
    """Returns an address of 16 bytes as people write it."""
    return str(IPv6Address(address))


def is_overlay_address(address: bytes) -> bool:
    """Tells whether an address lies in 400::/7."""
    return len(address) == ADDRESS_BYTES and address[0] & 0xFE == 0x04


def blake2b(data: bytes, *, size: int, key: bytes = b"") -> bytes:
    """Returns the BLAKE2b digest of `data`, `size` bytes, keyed if a key is given."""
    return hashlib.blake2b(data, digest_size=size, key=key).digest()
