"""Signatures that only the simulation can issue."""

from msgspec.structs import replace

from mycelium.identity import SIGNATURE_BYTES, is_overlay_address
from sim.net.signing import Notary, address_of, address_of_key, key_of

KEY = key_of(address_of("1", 0))


def test_what_was_signed_is_valid_and_as_long_as_a_real_signature() -> None:
    notary = Notary("1")
    first, second = notary.sign(KEY, 1), notary.sign(KEY, 2)
    assert len(first.signature) == SIGNATURE_BYTES
    assert first.signature != second.signature
    assert notary.verify(first)
    assert notary.verify(replace(second))  # as it is after decoding
    assert notary.sign(KEY, 1) is first


def test_nothing_else_is_valid() -> None:
    notary = Notary("1")
    signed = notary.sign(KEY, 1)
    assert not notary.verify(replace(signed, sequence=2))
    assert not notary.verify(replace(signed, signature=bytes(SIGNATURE_BYTES)))
    assert not Notary("1").verify(signed)


def test_home_records_are_signed_like_announcements() -> None:
    notary = Notary("1")
    record = notary.publish(KEY, 1, 1, bytes(16), bytes(16))
    assert notary.verify(replace(record))
    assert not notary.verify(replace(record, number=2))


def test_addresses_are_distinct_overlay_addresses_that_keys_lead_back_to() -> None:
    addresses = {address_of(seed, index) for seed in "12" for index in range(10)}
    assert len(addresses) == 20
    assert all(is_overlay_address(address) and address_of_key(key_of(address)) == address for address in addresses)
