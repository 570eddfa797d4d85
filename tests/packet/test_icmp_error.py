"""ICMP errors: whose datagram reached nobody, read from what raw sockets hand over."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.packet.icmp_error import Refused, refused_over_ipv4, refused_over_ipv6

UDP_HEADER = struct.pack("!HHHH", 9651, 777, 20, 0)


def over_ipv4(*, kind: int = 3, code: int = 3, protocol: int = 17, options: int = 0) -> bytes:
    def header(protocol: int, destination: str) -> bytes:
        head = struct.pack("!BBHHHBBH4s4s", 0x45 + options, 0, 0, 0, 0, 64, protocol, 0, b"abcd", b"efgh")
        return head[:16] + IPv4Address(destination).packed + bytes(4 * options)

    return header(1, "192.0.2.1") + bytes((kind, code)) + bytes(6) + header(protocol, "192.0.2.9") + UDP_HEADER


def over_ipv6(*, kind: int = 1, code: int = 4, next_header: int = 17) -> bytes:
    quoted = struct.pack("!IHBB16s16s", 6 << 28, 8, next_header, 64, bytes(16), IPv6Address("2001:db8::9").packed)
    return bytes((kind, code)) + bytes(6) + quoted + UDP_HEADER


@pytest.mark.parametrize("options", [0, 3])
@pytest.mark.parametrize(
    ("code", "code_v6", "cause"),
    [
        (0, 0, "no route to it on the way (ICMP network unreachable)"),
        (1, 3, "it does not answer in its network (ICMP host unreachable)"),
        (3, 4, "nothing listens there, or a firewall says so (ICMP port unreachable)"),
        (13, 1, "a firewall on the way forbids it (ICMP administratively prohibited)"),
        (10, 6, "a firewall on the way forbids it (ICMP administratively prohibited)"),
        (200, 200, "it is unreachable (ICMP unreachable, code 200)"),
    ],
)
def test_the_datagram_in_question_and_the_cause_are_named(code: int, code_v6: int, cause: str, options: int) -> None:
    assert refused_over_ipv4(over_ipv4(code=code, options=options)) == Refused(9651, "192.0.2.9", 777, cause)
    assert refused_over_ipv6(over_ipv6(code=code_v6)) == Refused(9651, "2001:db8::9", 777, cause)


def test_other_errors_say_nothing() -> None:
    for packet in (over_ipv4(kind=11), over_ipv4(code=4), over_ipv4(protocol=6), b""):
        assert refused_over_ipv4(packet) is None
    for message in (over_ipv6(kind=2), over_ipv6(next_header=6), b""):
        assert refused_over_ipv6(message) is None


def test_what_is_cut_off_says_nothing() -> None:
    packet, message = over_ipv4(options=2), over_ipv6()
    assert not any(refused_over_ipv4(packet[:length]) for length in range(len(packet) - 4))
    assert not any(refused_over_ipv6(message[:length]) for length in range(len(message) - 4))


@given(st.binary(max_size=120))
def test_any_bytes_are_read(data: bytes) -> None:
    refused_over_ipv4(data)
    refused_over_ipv4(bytes((0x45,)) + bytes(19) + bytes((3, 3)) + data)
    refused_over_ipv6(data)
    refused_over_ipv6(bytes((1, 4)) + data)
