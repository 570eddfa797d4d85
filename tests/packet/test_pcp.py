"""PCP: the bytes of RFC 6887, and no answer but one to our request is believed."""

import contextlib
import struct
from ipaddress import IPv6Address
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mycelium.errors import DecodeError, MappingRefused
from mycelium.packet.pcp import NONCE_BYTES, pcp_answer, pcp_request
from mycelium.packet.port_mapping import PortMapping

NONCE: Final = bytes(range(NONCE_BYTES))


def answer(
    *, version: int = 2, opcode: int = 0x81, result: int = 0, nonce: bytes = NONCE, protocol: int = 17, port: int = 9651
) -> bytes:
    head = struct.pack("!BBBBII12x", version, opcode, 0, result, 600, 77)
    outside = IPv6Address("::ffff:11.0.1.2").packed
    return head + nonce + struct.pack("!B3xHH", protocol, port, 40_001) + outside


def test_a_request_has_the_fields_of_the_rfc() -> None:
    data = pcp_request("10.0.1.2", 9651, NONCE, lifetime_s=1200, suggested_port=40_001)
    assert len(data) == 60
    assert data[:8] == bytes((2, 1, 0, 0)) + (1200).to_bytes(4, "big")
    assert data[8:24] == IPv6Address("::ffff:10.0.1.2").packed
    assert data[24:36] == NONCE
    assert data[36:44] == bytes((17, 0, 0, 0)) + struct.pack("!HH", 9651, 40_001)
    assert data[44:] == IPv6Address("::ffff:0.0.0.0").packed


def test_an_answer_tells_the_outside_address() -> None:
    assert pcp_answer(answer(), 9651, NONCE) == PortMapping("11.0.1.2", 40_001, 600)
    assert pcp_answer(answer() + bytes(8), 9651, NONCE).port == 40_001  # with an option


@pytest.mark.parametrize(
    "data",
    [
        answer(version=3),
        answer(opcode=0x82),
        answer(opcode=0x01),
        answer(nonce=bytes(NONCE_BYTES)),
        answer(protocol=6),
        answer(port=9652),
        answer()[:-1],
        answer() + bytes(1_100),
        b"",
    ],
)
def test_what_is_no_answer_to_our_request_is_not_believed(data: bytes) -> None:
    with pytest.raises(DecodeError):
        pcp_answer(data, 9651, NONCE)


def test_a_refusal_says_why_and_is_believed_of_our_request_only() -> None:
    with pytest.raises(MappingRefused, match="not to this host"):
        pcp_answer(answer(result=2), 9651, NONCE)
    with pytest.raises(MappingRefused, match="PCP result 99"):
        pcp_answer(answer(result=99), 9651, NONCE)
    with pytest.raises(DecodeError):
        pcp_answer(answer(result=2, nonce=bytes(NONCE_BYTES)), 9651, NONCE)


@pytest.mark.parametrize(
    "data", [answer(result=1)[:24], bytes((0, 128, 0, 1)) + bytes(4), bytes((0, 129, 0, 1)) + bytes(4)]
)
def test_a_server_of_another_version_says_so(data: bytes) -> None:
    with pytest.raises(MappingRefused, match="does not speak PCP"):
        pcp_answer(data, 9651, NONCE)


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda tail: answer()[: 60 - len(tail)] + tail))
@example(answer())
def test_any_bytes_are_an_answer_a_refusal_or_a_decode_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError, MappingRefused):
        assert pcp_answer(data, 9651, NONCE).lifetime_s >= 0
