"""Underlay addresses on the wire."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from mycelium.wire.underlay_address import UNDERLAY_ADDRESS, UnderlayAddress, underlay_address

MAPPED = range(0xFFFF << 32, 0x1_0000 << 32)
HOSTS = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.integers(0, 2**128 - 1).filter(lambda number: number not in MAPPED).map(IPv6Address),
).map(str)
UNDERLAY_ADDRESSES = st.builds(UnderlayAddress, HOSTS, st.integers(0, 0xFFFF))


@given(UNDERLAY_ADDRESSES)
def test_addresses_survive_the_wire(address: UnderlayAddress) -> None:
    assert underlay_address(address.packed()) == address


@given(st.binary(min_size=UNDERLAY_ADDRESS.size, max_size=UNDERLAY_ADDRESS.size))
def test_any_bytes_are_the_one_form_of_an_address(data: bytes) -> None:
    assert underlay_address(data).packed() == data


def test_ipv4_is_mapped_into_ipv6() -> None:
    packed = UnderlayAddress("192.0.2.1", 9651).packed()
    assert packed == IPv6Address("::ffff:192.0.2.1").packed + (9651).to_bytes(2, "big")
