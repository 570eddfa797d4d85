"""What is read of a packet: behind extension headers and in fragments too, and nothing of what is not whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.packet import Packet, Raw

from mycelium.errors import DecodeError
from mycelium.policy.headers import Headers, read_headers, reversed_key

THEM, US = "400::1", "500::2"
ADDRESSES = IPv6(src=THEM, dst=US)
_LEADING = bytes(ADDRESSES)[8:40]


def read(packet: Packet, *, is_quoted: bool = False) -> Headers:
    return read_headers(memoryview(bytes(packet)), is_quoted=is_quoted)


@pytest.mark.parametrize(
    "between",
    [
        None,
        IPv6ExtHdrHopByHop(),
        IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt(),
        IPv6ExtHdrFragment(),
        IPv6ExtHdrRouting(segleft=0),
    ],
)
def test_ports_are_found_behind_extension_headers(between: Packet | None) -> None:
    head = ADDRESSES if between is None else ADDRESSES / between
    for protocol, layer in ((6, TCP(sport=1_000, dport=22)), (17, UDP(sport=1_000, dport=22) / Raw(b"data"))):
        headers = read(head / layer)
        assert (headers.protocol, headers.port, headers.key) == (protocol, 22, _LEADING + bytes((3, 232, 0, 22)))
        assert headers.fragment == b""


def test_an_echo_has_its_identifier_for_ports() -> None:
    headers = read(ADDRESSES / ICMPv6EchoRequest(id=0x1234))
    assert headers.key == _LEADING + b"\x12\x34\x12\x34"
    assert headers.port == 0
    assert reversed_key(reversed_key(headers.key)) == headers.key


def test_the_other_direction_has_all_the_other_way_round() -> None:
    there = read(ADDRESSES / UDP(sport=7, dport=9))
    back = read(IPv6(src=US, dst=THEM) / UDP(sport=9, dport=7))
    assert reversed_key(there.key) == back.key


def test_a_protocol_without_ports_is_told_by_its_addresses() -> None:
    headers = read(IPv6(src=THEM, dst=US, nh=47) / Raw(b"gre"))
    assert (headers.protocol, headers.key) == (47, _LEADING + bytes(4))


def test_the_first_fragment_has_ports_and_later_ones_name_it() -> None:
    first = read(ADDRESSES / IPv6ExtHdrFragment(id=77, m=1) / UDP(sport=7, dport=53) / Raw(bytes(1_000)))
    later = read(ADDRESSES / IPv6ExtHdrFragment(id=77, offset=126, nh=17) / Raw(bytes(100)))
    other = read(ADDRESSES / IPv6ExtHdrFragment(id=77 + (1 << 24), offset=126, nh=17) / Raw(bytes(100)))
    assert (first.port, first.is_later, later.is_later) == (53, False, True)
    assert first.fragment == later.fragment != other.fragment
    assert len(first.fragment) == 36
    last = read(ADDRESSES / IPv6ExtHdrFragment(id=78, offset=0x1F00, nh=17) / Raw(bytes(100)))
    assert (last.is_later, last.fragment[-4:]) == (True, bytes(3) + b"N")
    assert read(ADDRESSES / IPv6ExtHdrFragment(id=7, m=1, nh=47) / Raw(b"")).key[-4:] == bytes(4)


@pytest.mark.parametrize("bit", range(13))
def test_a_fragment_is_a_later_one_by_any_bit_of_its_offset(bit: int) -> None:
    fragment = IPv6ExtHdrFragment(id=77, m=1, offset=1 << bit, res1=0xFF, res2=0b11, nh=17)
    assert read(ADDRESSES / fragment / Raw(bytes(100))).is_later
    fragment.offset = 0
    assert not read(ADDRESSES / fragment / Raw(bytes(100))).is_later


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x45" + bytes(60),
        b"\x45" + bytes(5) + b"\x2f" + bytes(60),
        bytes(ADDRESSES / TCP())[:-1],
        bytes(ADDRESSES / UDP())[:-1],
        bytes(ADDRESSES / ICMPv6EchoRequest())[:-1],
        bytes(ADDRESSES / IPv6ExtHdrHopByHop(nh=6))[:-1],
        bytes(ADDRESSES / IPv6ExtHdrHopByHop(nh=6)),
        bytes(ADDRESSES / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting(addresses=["600::1"], segleft=1) / UDP()),
        bytes(ADDRESSES / IPv6ExtHdrFragment(id=1, m=1) / TCP())[:-1],  # a tiny first fragment
        bytes(ADDRESSES / IPv6ExtHdrFragment(id=1, m=1) / IPv6ExtHdrDestOpt() / UDP()),  # RFC 7112
    ],
)
def test_what_is_not_whole_is_not_read(packet: bytes) -> None:
    with pytest.raises(DecodeError):
        read_headers(memoryview(packet))


def test_a_packet_of_another_version_is_refused_although_all_else_could_be_read() -> None:
    packet = bytearray(bytes(ADDRESSES / UDP(dport=9)))
    packet[0] = packet[0] & 0x0F | 0x40
    with pytest.raises(DecodeError):
        read_headers(memoryview(packet))


def test_of_a_quoted_packet_eight_bytes_suffice() -> None:
    quoted = bytes(ADDRESSES / TCP(sport=1_000, dport=22))[:48]
    assert read_headers(memoryview(quoted), is_quoted=True).port == 22
    with pytest.raises(DecodeError):
        read_headers(memoryview(quoted[:47]), is_quoted=True)


@given(st.binary(max_size=120), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, is_quoted: bool) -> None:
    for packet in (data, b"\x60" + data):
        try:
            assert len(read_headers(memoryview(packet), is_quoted=is_quoted).key) == 36
        except DecodeError:
            continue
