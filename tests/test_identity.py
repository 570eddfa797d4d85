"""Keys and addresses: known answers, and what is refused."""

import ipaddress

import nacl.bindings as sodium
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import IdentityError
from mycelium.identity import (
    OVERLAY_PREFIX,
    Identity,
    address_of_exchange_key,
    address_of_signing_key,
    address_text,
    blake2b,
    exchange_key_of_signing_key,
    is_overlay_address,
    subnet_of,
    verify_signature,
)

SEED = bytes(range(32))
ORDER_8_POINT = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
IDENTITY_POINT = (1).to_bytes(32, "little")

keys = st.binary(min_size=32, max_size=32)


def test_the_address_of_a_known_key_is_the_one_others_derive() -> None:
    key = bytes.fromhex("a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38")

    assert str(ipaddress.IPv6Address(address_of_exchange_key(key))) == "5c3:943d:3d21:1d4b:9fa8:5e65:db0e:113"


def test_the_signing_key_is_that_of_rfc_8032() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )

    identity = Identity(seed)

    assert identity.signing_public_key == public
    assert identity.sign(b"") == signature
    assert verify_signature(public, b"", signature)


@given(keys)
def test_every_way_to_an_identitys_address_agrees(seed: bytes) -> None:
    identity = Identity(seed)

    assert exchange_key_of_signing_key(identity.signing_public_key) == identity.exchange_public_key
    assert sodium.crypto_scalarmult_base(identity.exchange_secret) == identity.exchange_public_key
    assert address_of_exchange_key(identity.exchange_public_key) == identity.address
    assert address_of_signing_key(identity.signing_public_key) == identity.address


@given(keys)
def test_the_identity_of_an_x25519_secret_has_its_address(secret: bytes) -> None:
    identity = Identity.of_exchange_secret(secret)

    public = X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    assert identity.exchange_public_key == public
    assert identity.address == address_of_exchange_key(public) == address_of_signing_key(identity.signing_public_key)
    assert verify_signature(identity.signing_public_key, secret, identity.sign(secret))
    assert identity.seed is None


def test_an_identity_imported_from_the_rust_mycelium_is_the_one_known_there() -> None:
    """The secret is the first of RFC 7748 section 6.1, whose public key is given there."""
    secret = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    identity = Identity.of_exchange_secret(secret)
    assert identity.exchange_public_key.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert str(ipaddress.IPv6Address(identity.address)) == "520:c662:fd00:9e92:5d99:34ed:ab8:82ab"


@given(keys)
def test_every_address_lies_in_the_overlay_prefix(key: bytes) -> None:
    address = address_of_exchange_key(key)

    assert ipaddress.IPv6Address(address) in ipaddress.IPv6Network(OVERLAY_PREFIX)
    assert is_overlay_address(address)
    assert subnet_of(address) == address[:8]


@pytest.mark.parametrize("size", [0, 31, 33])
def test_keys_of_the_wrong_size_are_refused(size: int) -> None:
    with pytest.raises(IdentityError):
        Identity(bytes(size))
    with pytest.raises(IdentityError):
        Identity.of_exchange_secret(bytes(size))
    with pytest.raises(IdentityError):
        address_of_exchange_key(bytes(size))
    with pytest.raises(IdentityError):
        exchange_key_of_signing_key(bytes(size))


@pytest.mark.parametrize("key", [bytes(32), IDENTITY_POINT, ORDER_8_POINT, b"\xff" * 32], ids=bytes.hex)
def test_points_of_small_order_and_points_off_the_curve_are_no_keys(key: bytes) -> None:
    with pytest.raises(IdentityError):
        exchange_key_of_signing_key(key)


def test_a_key_with_a_small_order_part_is_refused() -> None:
    # One secret would otherwise answer for eight keys, and so for eight addresses.
    mixed = sodium.crypto_core_ed25519_add(Identity(SEED).signing_public_key, ORDER_8_POINT)

    with pytest.raises(IdentityError):
        exchange_key_of_signing_key(mixed)


@given(keys)
def test_any_32_bytes_are_a_key_or_an_identity_error(key: bytes) -> None:
    try:
        exchange = exchange_key_of_signing_key(key)
    except IdentityError:
        return
    assert len(exchange) == 32


@given(st.binary(max_size=100), st.integers(0, 64 * 8 - 1))
def test_a_signature_holds_for_its_message_only(message: bytes, bit: int) -> None:
    identity = Identity(SEED)
    signature = identity.sign(message)
    forged = bytearray(signature)
    forged[bit // 8] ^= 1 << bit % 8

    assert len(signature) == 64
    assert verify_signature(identity.signing_public_key, message, signature)
    assert not verify_signature(identity.signing_public_key, message + b"!", signature)
    assert not verify_signature(identity.signing_public_key, message, bytes(forged))


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=80))
def test_malformed_keys_and_signatures_are_a_plain_no(key: bytes, message: bytes, signature: bytes) -> None:
    assert verify_signature(key, message, signature) is False


@pytest.mark.parametrize("key", [bytes(32), IDENTITY_POINT, ORDER_8_POINT], ids=bytes.hex)
def test_a_small_order_key_signs_nothing(key: bytes) -> None:
    # With such a key, R = the identity point and S = 0 satisfy the equation for every message.
    assert not verify_signature(key, b"anything", IDENTITY_POINT + bytes(32))


@pytest.mark.parametrize(
    ("address", "expected"),
    [("400::", True), ("5ff::1", True), ("600::", False), ("3ff::1", False), ("200::1", False)],
)
def test_membership_of_the_overlay_is_the_first_seven_bits(address: str, expected: bool) -> None:
    assert is_overlay_address(ipaddress.IPv6Address(address).packed) is expected


def test_an_ipv4_address_is_no_overlay_address() -> None:
    assert not is_overlay_address(b"\x04\x00\x00\x01")


def test_blake2b_gives_the_published_digest() -> None:
    # RFC 7693, appendix A
    assert blake2b(b"abc", size=64).hex().startswith("ba80a53f981c4d0d6a2797b69f12f6e9")


def test_the_printed_form_holds_no_secret() -> None:
    identity = Identity(SEED)

    assert repr(identity) == f"Identity({identity.exchange_public_key.hex()})"
    assert SEED.hex() not in repr(identity)


def test_an_address_is_written_as_people_write_it() -> None:
    assert address_text(bytes.fromhex("04b0") + bytes(13) + b"\x01") == "4b0::1"
