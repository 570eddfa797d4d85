"""How an end of a lease proves to the relay from which address it sends: the mac of binds and challenges."""

from hmac import compare_digest
from typing import Final

from mycelium.errors import DecodeError
from mycelium.identity import blake2b
from mycelium.wire.lease import SECRET_BYTES, covered_by_mac, decode_bind, encode_bind

_UNSIGNED: Final = bytes(16)


def sealed_bind(kind: int, nonce: bytes, secret: bytes) -> bytes:
    """Returns a bind or a challenge with its mac."""
    return encode_bind(kind, nonce, _mac(encode_bind(kind, nonce, _UNSIGNED), secret))


def nonce_of(data: bytes, kind: int, secret: bytes) -> bytes | None:
    """Returns the nonce of a bind or a challenge; None if it is not of this kind, or not made with the secret."""
    try:
        found, nonce, mac = decode_bind(data)
    except DecodeError:
        return None
    is_authentic = compare_digest(mac, _mac(data, secret))
    return nonce if found == kind and is_authentic else None


def _mac(data: bytes, secret: bytes) -> bytes:
    return blake2b(covered_by_mac(data), size=SECRET_BYTES, key=secret)
