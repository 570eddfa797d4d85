"""The mac of binds and challenges."""

from mycelium.peering.lease_binding import nonce_of, sealed_bind
from mycelium.wire.lease import LEASE_BIND, LEASE_CHALLENGE, NO_NONCE

SECRET, OTHER = b"s" * 16, b"o" * 16
NONCE = b"n" * 16


def test_the_nonce_is_read_with_the_secret_only_and_from_the_right_kind() -> None:
    data = sealed_bind(LEASE_BIND, NONCE, SECRET)
    assert nonce_of(data, LEASE_BIND, SECRET) == NONCE
    assert nonce_of(data, LEASE_BIND, OTHER) is None
    assert nonce_of(data, LEASE_CHALLENGE, SECRET) is None
    assert nonce_of(sealed_bind(LEASE_BIND, NO_NONCE, SECRET), LEASE_BIND, SECRET) == NO_NONCE


def test_every_byte_is_covered() -> None:
    data = sealed_bind(LEASE_BIND, NONCE, SECRET)
    for at in range(len(data)):
        assert nonce_of(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :], LEASE_BIND, SECRET) is None
    assert nonce_of(data + b"x", LEASE_BIND, SECRET) is None
    assert nonce_of(b"", LEASE_BIND, SECRET) is None
