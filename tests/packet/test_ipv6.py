"""IPv6 and ICMPv6: against scapy, and against any bytes."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP as ScapyTCP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    in6_chksum,
)
from scapy.packet import Packet

from mycelium.errors import DecodeError
from mycelium.packet import ipv6
from tests.packet.packets import DESTINATION, SOURCE, ipv6_packet, tcp_packet, udp_packet

ENDS = IPv6(src=str(IPv6Address(SOURCE)), dst=str(IPv6Address(DESTINATION)), hlim=64)


@given(st.binary(max_size=300), st.sampled_from([ipv6.TCP, ipv6.UDP, ipv6.ICMPV6]))
def test_checksums_are_those_of_scapy(data: bytes, protocol: int) -> None:
    assert ipv6.checksum(SOURCE + DESTINATION, protocol, data) == in6_chksum(protocol, ENDS, data)


@given(st.binary(max_size=100))
def test_a_full_checksum_is_valid_until_a_bit_flips(payload: bytes) -> None:
    packet = bytearray(udp_packet(payload, partial=False))
    assert ipv6.has_valid_checksum(packet, ipv6.UDP, 40)
    packet[-1] ^= 1
    assert not ipv6.has_valid_checksum(packet, ipv6.UDP, 40)


def test_a_udp_checksum_is_never_zero() -> None:
    pseudo = ipv6.pseudo_header_sum(SOURCE + DESTINATION, ipv6.UDP, 2)
    complement = (0xFFFF - pseudo).to_bytes(2, "big")
    assert ipv6.checksum(SOURCE + DESTINATION, ipv6.UDP, complement) == 0xFFFF


@pytest.mark.parametrize(
    "extension",
    [
        IPv6ExtHdrHopByHop(),
        IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting(),
        IPv6ExtHdrFragment(offset=0, m=0),
        IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(offset=0, m=0) / IPv6ExtHdrDestOpt(),
    ],
    ids=lambda extension: extension.summary(),
)
def test_the_upper_layer_is_found_behind_extension_headers(extension: Packet) -> None:
    packet = bytes(IPv6() / extension / ScapyTCP(sport=0x1234))
    protocol, offset = ipv6.upper_layer(packet)
    assert (protocol, packet[offset : offset + 2]) == (ipv6.TCP, b"\x12\x34")


def test_an_authentication_header_counts_in_words_of_four_bytes() -> None:
    authentication = bytes((ipv6.TCP, 4)) + bytes(22)
    assert ipv6.upper_layer(ipv6_packet(51, authentication + bytes(20))) == (ipv6.TCP, 64)


@pytest.mark.parametrize("fragment", [IPv6ExtHdrFragment(offset=0, m=1), IPv6ExtHdrFragment(offset=5, m=0)])
def test_the_walk_ends_at_a_fragment(fragment: Packet) -> None:
    assert ipv6.upper_layer(bytes(IPv6() / IPv6ExtHdrHopByHop() / fragment / ScapyTCP())) == (ipv6.FRAGMENT, 48)


def test_too_many_extension_headers_are_refused() -> None:
    chain = bytes((60, 0, 1, 4, 0, 0, 0, 0)) * 9
    with pytest.raises(DecodeError, match="too many"):
        ipv6.upper_layer(ipv6_packet(60, chain))


@given(st.binary(max_size=120), st.sampled_from([0, 6, 17, 43, 44, 51, 58, 60, 135]))
def test_any_bytes_have_an_upper_layer_inside_the_packet_or_are_refused(body: bytes, protocol: int) -> None:
    packet = ipv6_packet(protocol, body)
    try:
        _, offset = ipv6.upper_layer(packet)
    except DecodeError:
        return
    assert offset <= len(packet)


@given(st.binary(max_size=39))
def test_what_is_shorter_than_a_header_is_refused(data: bytes) -> None:
    assert not ipv6.is_ipv6(data)
    assert not ipv6.may_answer(data)
    with pytest.raises(DecodeError):
        ipv6.upper_layer(data)


@pytest.mark.parametrize(
    ("kind", "layer", "code"),
    [
        (ipv6.NO_ROUTE, ICMPv6DestUnreach, 0),
        (ipv6.ADMIN_PROHIBITED, ICMPv6DestUnreach, 1),
        (ipv6.ADDRESS_UNREACHABLE, ICMPv6DestUnreach, 3),
        (ipv6.SOURCE_POLICY, ICMPv6DestUnreach, 5),
        (ipv6.HOP_LIMIT_EXCEEDED, ICMPv6TimeExceeded, 0),
        (ipv6.PACKET_TOO_BIG, ICMPv6PacketTooBig, 0),
    ],
)
def test_errors_are_what_scapy_reads_them_as(kind: ipv6.IcmpKind, layer: type[Packet], code: int) -> None:
    invoking = udp_packet(b"hello")
    packet = ipv6.icmpv6_error(kind, DESTINATION, SOURCE, invoking, mtu=1_400)
    seen = IPv6(packet)
    assert (seen[layer].code, bytes(seen[layer].payload)) == (code, invoking)
    assert (ipv6.source_of(packet), ipv6.destination_of(packet)) == (DESTINATION, SOURCE)
    assert ipv6.has_valid_checksum(packet, ipv6.ICMPV6, 40)
    if layer is ICMPv6PacketTooBig:
        assert seen[layer].mtu == 1_400


def test_an_error_quotes_a_long_packet_up_to_the_minimum_mtu() -> None:
    invoking = udp_packet(bytes(9_000))
    packet = ipv6.icmpv6_error(ipv6.NO_ROUTE, DESTINATION, SOURCE, invoking)
    assert len(packet) == 1_280
    assert packet[48:] == invoking[:1_232]


def test_pings_are_what_scapy_makes_them() -> None:
    assert ipv6.echo_request(SOURCE, DESTINATION, 3, 4, b"x") == bytes(ENDS / ICMPv6EchoRequest(id=3, seq=4, data=b"x"))
    assert ipv6.echo_reply(SOURCE, DESTINATION, 3, 4) == bytes(ENDS / ICMPv6EchoReply(id=3, seq=4))


FRAGMENTED_ERROR = bytes((ipv6.ICMPV6, 0, 0, 1, 0, 0, 0, 1, 1, 0))
LATER_FRAGMENT = bytes((ipv6.ICMPV6, 0, 0, 0x99, 0, 0, 0, 1, 128, 0))
FIRST_PING_FRAGMENT = bytes((ipv6.ICMPV6, 0, 0, 1, 0, 0, 0, 1, 128, 0))
LATER_UDP_FRAGMENT = bytes((ipv6.UDP, 0, 0, 0x99, 0, 0, 0, 1, 128, 0))


@pytest.mark.parametrize(
    ("packet", "answered"),
    [
        (tcp_packet(b""), True),
        (ipv6.echo_request(SOURCE, DESTINATION, 1, 1), True),
        (ipv6.icmpv6_error(ipv6.NO_ROUTE, SOURCE, DESTINATION, b""), False),
        (ipv6_packet(ipv6.ICMPV6, bytes((137, 0, 0, 0))), False),
        (ipv6_packet(ipv6.ICMPV6, b""), False),
        (ipv6.echo_request(SOURCE, b"\xff\x02" + bytes(14), 1, 1), False),
        (ipv6.echo_request(b"\xff\x02" + bytes(14), DESTINATION, 1, 1), False),
        (ipv6.echo_request(bytes(16), DESTINATION, 1, 1), False),
        (ipv6_packet(ipv6.FRAGMENT, FRAGMENTED_ERROR), False),
        (ipv6_packet(ipv6.FRAGMENT, LATER_FRAGMENT), False),
        (ipv6_packet(ipv6.FRAGMENT, FIRST_PING_FRAGMENT), True),
        (ipv6_packet(ipv6.FRAGMENT, LATER_UDP_FRAGMENT), True),
        (ipv6_packet(60, b""), False),
    ],
)
def test_only_what_rfc_4443_allows_is_answered(packet: bytes, answered: bool) -> None:
    assert ipv6.may_answer(packet) is answered
