"""Addresses as routers write them."""

from ipaddress import IPv6Address

from mycelium.packet.port_mapping import plain_address


def test_ipv4_is_not_shown_as_ipv6() -> None:
    assert plain_address(IPv6Address("::ffff:11.0.1.2").packed) == "11.0.1.2"
    assert plain_address(IPv6Address("2001:db8::1").packed) == "2001:db8::1"
