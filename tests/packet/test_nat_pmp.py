"""NAT-PMP: the bytes of RFC 6886, and no answer but one to our request is believed."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError, MappingRefused
from mycelium.packet.nat_pmp import ADDRESS_REQUEST, nat_pmp_address, nat_pmp_answer, nat_pmp_request
from mycelium.packet.port_mapping import PortMapping


def address_answer(*, version: int = 0, opcode: int = 128, result: int = 0) -> bytes:
    return struct.pack("!BBHI4s", version, opcode, result, 77, bytes((11, 0, 1, 2)))


def map_answer(*, opcode: int = 129, result: int = 0, port: int = 9651) -> bytes:
    return struct.pack("!BBHIHHI", 0, opcode, result, 77, port, 40_001, 600)


def test_requests_have_the_fields_of_the_rfc() -> None:
    assert bytes((0, 0)) == ADDRESS_REQUEST
    assert nat_pmp_request(9651, lifetime_s=1200, suggested_port=40_001) == struct.pack(
        "!BBHHHI", 0, 1, 0, 9651, 40_001, 1200
    )


def test_answers_tell_the_outside_address() -> None:
    assert nat_pmp_address(address_answer()) == "11.0.1.2"
    assert nat_pmp_answer(map_answer(), 9651, "11.0.1.2") == PortMapping("11.0.1.2", 40_001, 600)


@pytest.mark.parametrize(
    "data", [address_answer(version=2), address_answer(opcode=0), map_answer(), address_answer()[:-1], b""]
)
def test_what_is_no_answer_about_the_address_is_not_believed(data: bytes) -> None:
    with pytest.raises(DecodeError):
        nat_pmp_address(data)


@pytest.mark.parametrize(
    "data", [map_answer(opcode=130), map_answer(port=9652), address_answer(), map_answer()[:-1], map_answer() + b"x"]
)
def test_what_is_no_answer_about_the_port_is_not_believed(data: bytes) -> None:
    with pytest.raises(DecodeError):
        nat_pmp_answer(data, 9651, "11.0.1.2")


def test_a_refusal_says_why_however_short_it_is() -> None:
    with pytest.raises(MappingRefused, match="no room"):
        nat_pmp_answer(map_answer(result=4), 9651, "11.0.1.2")
    with pytest.raises(MappingRefused, match="NAT-PMP result 77"):
        nat_pmp_address(address_answer(result=77)[:8])


@given(st.binary(max_size=20) | st.binary(max_size=16).map(lambda tail: map_answer()[: 16 - len(tail)] + tail))
def test_any_bytes_are_an_answer_a_refusal_or_a_decode_error(data: bytes) -> None:
    for decode in (nat_pmp_address, lambda data: nat_pmp_answer(data, 9651, "11.0.1.2").host):
        with contextlib.suppress(DecodeError, MappingRefused):
            assert decode(data)
