"""Probes of ways: every value comes back as it went, and any bytes decode or raise DecodeError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.wire.reachability import REACHABILITY, TOKEN_BYTES, ProbeKind, Reach, decode_reach, encode_reach

VERSION_6 = 6


@given(
    st.sampled_from(ProbeKind),
    st.binary(min_size=TOKEN_BYTES, max_size=TOKEN_BYTES),
    st.binary(min_size=16, max_size=16),
)
def test_a_probe_comes_back_as_it_went(kind: ProbeKind, token: bytes, node: bytes) -> None:
    reach = Reach(kind, token, node)
    assert decode_reach(encode_reach(reach)) == reach
    assert decode_reach(encode_reach(reach) + b"more") == reach


@given(st.binary(max_size=40))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    if len(data) < REACHABILITY.size:
        with pytest.raises(DecodeError):
            decode_reach(data)
    else:
        assert (decode_reach(data) is None) == (data[0] not in list(ProbeKind))


def test_no_probe_begins_like_an_ipv6_packet_and_an_answer_is_as_long_as_its_probe() -> None:
    assert VERSION_6 not in [kind >> 4 for kind in ProbeKind]
    assert {len(encode_reach(Reach(kind, bytes(TOKEN_BYTES)))) for kind in ProbeKind} == {REACHABILITY.size}
