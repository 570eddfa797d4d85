"""IPv4 addresses of 16 bytes, and as text."""

from ipaddress import IPv6Address

from mycelium.mapped_address import in_16_bytes, plain_address


def test_ipv4_is_not_shown_as_ipv6() -> None:
    assert plain_address(IPv6Address("::ffff:11.0.1.2").packed) == "11.0.1.2"
    assert plain_address(IPv6Address("2001:db8::1").packed) == "2001:db8::1"


def test_ipv4_is_mapped() -> None:
    assert in_16_bytes("11.0.1.2") == IPv6Address("::ffff:11.0.1.2").packed
    assert in_16_bytes("2001:db8::1") == IPv6Address("2001:db8::1").packed
