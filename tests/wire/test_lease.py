"""Messages of leases on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.wire.datagram import TYPES
from mycelium.wire.lease import (
    BIND_BYTES,
    LEASE_ANSWER,
    LEASE_BIND,
    LEASE_CHALLENGE,
    LEASE_REQUEST,
    LeaseAnswer,
    LeaseItem,
    LeaseRequest,
    LeaseState,
    covered_by_mac,
    decode_bind,
    decode_lease_answer,
    decode_lease_request,
    encode_bind,
    encode_lease_answer,
    encode_lease_request,
)

NODES = st.binary(min_size=16, max_size=16)
TOKENS = st.binary(min_size=4, max_size=4)
REQUESTS = st.builds(LeaseRequest, NODES, TOKENS, st.booleans())
ANSWERS = st.builds(LeaseAnswer, NODES, TOKENS, st.integers(0, 255), st.integers(0, 0xFFFF), NODES)
LEASE_ITEMS: st.SearchStrategy[LeaseItem] = st.one_of(REQUESTS, ANSWERS)


@given(REQUESTS)
def test_a_request_survives_the_wire(request: LeaseRequest) -> None:
    assert decode_lease_request(encode_lease_request(request) + b"later fields") == request


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_of_leases_or_raise_one_error(data: bytes) -> None:
    for decode, least in ((decode_lease_request, LEASE_REQUEST.size), (decode_lease_answer, LEASE_ANSWER.size)):
        if len(data) < least:
            with pytest.raises(DecodeError):
                decode(data)
        else:
            decode(data)


@given(ANSWERS)
def test_an_answer_survives_the_wire(answer: LeaseAnswer) -> None:
    assert decode_lease_answer(encode_lease_answer(answer) + b"later fields") == answer


@given(st.sampled_from([LEASE_BIND, LEASE_CHALLENGE]), NODES, NODES)
def test_a_bind_survives_the_wire(kind: int, nonce: bytes, mac: bytes) -> None:
    data = encode_bind(kind, nonce, mac)
    assert decode_bind(data) == (kind, nonce, mac)
    assert (len(data), covered_by_mac(data) + mac) == (BIND_BYTES, data)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_bind_or_raise_one_error(data: bytes) -> None:
    try:
        decode_bind(data)
    except DecodeError:
        return


@pytest.mark.parametrize("data", [b"", bytes((LEASE_BIND,)) * (BIND_BYTES - 1), bytes((0x14,)) + bytes(BIND_BYTES - 1)])
def test_other_datagrams_are_no_binds(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_bind(data)


def test_binds_share_the_port_with_other_datagrams() -> None:
    assert LEASE_BIND in TYPES
    assert LEASE_CHALLENGE in TYPES


def test_the_states_are_those_of_the_protocol() -> None:
    assert [state.value for state in LeaseState] == list(range(1, 9))
