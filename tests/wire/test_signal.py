"""Signals on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError
from mycelium.limits import SIGNAL_CANDIDATES, SIGNAL_NEIGHBOURS
from mycelium.wire.signal import SCHEMES, SIGNAL_HEAD, TOKEN_BYTES, Signal, SignalKind, decode_signal, encode_signal
from tests.wire.test_underlay_address import UNDERLAY_ADDRESSES

ENDPOINTS = st.builds(lambda scheme, address: Endpoint(scheme, *address), st.sampled_from(SCHEMES), UNDERLAY_ADDRESSES)
SIGNALS = st.builds(
    Signal,
    kind=st.sampled_from(SignalKind),
    round=st.integers(0, 255),
    token=st.binary(min_size=TOKEN_BYTES, max_size=TOKEN_BYTES),
    mapping=st.integers(0, 255),
    candidates=st.lists(ENDPOINTS, max_size=SIGNAL_CANDIDATES).map(tuple),
    neighbours=st.lists(st.binary(min_size=16, max_size=16), max_size=SIGNAL_NEIGHBOURS).map(tuple),
)
FULL = Signal(
    kind=SignalKind.CALL,
    round=1,
    token=bytes(TOKEN_BYTES),
    candidates=(Endpoint("udp", "192.0.2.1", 9651),) * SIGNAL_CANDIDATES,
    neighbours=(bytes(16),) * SIGNAL_NEIGHBOURS,
)


@given(SIGNALS, st.binary(max_size=20))
def test_signals_survive_the_wire_and_bytes_behind_them_are_skipped(signal: Signal, more: bytes) -> None:
    assert decode_signal(encode_signal(signal) + more) == signal


@given(st.binary(max_size=400))
def test_any_bytes_decode_or_raise_one_error(data: bytes) -> None:
    try:
        decode_signal(data)
    except DecodeError:
        return


@given(SIGNALS)
def test_a_truncated_signal_is_refused(signal: Signal) -> None:
    with pytest.raises(DecodeError):
        decode_signal(encode_signal(signal)[:-1])


@pytest.mark.parametrize("at", [3, 4], ids=["candidates", "neighbours"])
def test_more_than_the_bound_is_refused(at: int) -> None:
    data = bytearray(encode_signal(FULL) + bytes(100))
    data[at] += 1
    with pytest.raises(DecodeError):
        decode_signal(bytes(data))


def test_a_signal_of_an_unknown_kind_is_none() -> None:
    assert decode_signal(b"\x09" + encode_signal(FULL)[1:]) is None


def test_candidates_of_unknown_schemes_are_skipped() -> None:
    data = bytearray(encode_signal(FULL))
    data[SIGNAL_HEAD.size] = 200
    signal = decode_signal(bytes(data))
    assert signal is not None
    assert signal.candidates == FULL.candidates[1:]
