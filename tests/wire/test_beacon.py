"""Beacons on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.limits import BEACON_BYTES
from mycelium.wire.beacon import Beacon, decode_beacon, encode_beacon, tagged_bytes

SOURCE = bytes.fromhex("fe800000000000000000000000000001")
BEACONS = st.builds(
    Beacon,
    port=st.integers(1, 0xFFFF),
    instance=st.binary(min_size=16, max_size=16),
    tag=st.binary(min_size=16, max_size=16),
)
EXAMPLE = Beacon(9651, bytes(range(16)), bytes(range(16, 32)))
EXAMPLE_BYTES = bytes.fromhex(
    "6d7963656c69756d 01 00 25b3 000102030405060708090a0b0c0d0e0f 101112131415161718191a1b1c1d1e1f"
)


def test_the_example_has_these_bytes() -> None:
    assert encode_beacon(EXAMPLE) == EXAMPLE_BYTES
    assert len(EXAMPLE_BYTES) == 44


@given(BEACONS)
def test_a_beacon_survives_the_wire(beacon: Beacon) -> None:
    assert decode_beacon(encode_beacon(beacon)) == beacon


@given(BEACONS, st.binary(max_size=BEACON_BYTES - 44))
def test_what_a_later_version_adds_is_skipped(beacon: Beacon, more: bytes) -> None:
    data = encode_beacon(beacon)
    assert decode_beacon(data[:-16] + more + data[-16:]) == beacon


@given(st.binary(max_size=600) | st.binary(max_size=600).map(lambda tail: EXAMPLE_BYTES[:10] + tail))
def test_any_bytes_decode_or_raise_one_error(data: bytes) -> None:
    try:
        beacon = decode_beacon(data)
    except DecodeError:
        return
    assert data.startswith(encode_beacon(beacon)[:9])


@given(st.integers(0, 43))
def test_a_truncated_beacon_is_refused(length: int) -> None:
    with pytest.raises(DecodeError):
        decode_beacon(EXAMPLE_BYTES[:length])


@pytest.mark.parametrize(
    "data",
    [
        b"Mycelium" + EXAMPLE_BYTES[8:],
        EXAMPLE_BYTES[:8] + b"\x02" + EXAMPLE_BYTES[9:],
        EXAMPLE_BYTES[:10] + bytes(2) + EXAMPLE_BYTES[12:],
        EXAMPLE_BYTES + bytes(BEACON_BYTES - 43),
    ],
    ids=["magic", "version", "port 0", "too long"],
)
def test_what_is_no_beacon_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_beacon(data)


@given(st.integers(0, 27), st.integers(1, 255), st.binary(max_size=50))
def test_the_tag_covers_every_byte_before_it(position: int, change: int, more: bytes) -> None:
    data = bytearray(EXAMPLE_BYTES[:-16] + more + EXAMPLE_BYTES[-16:])
    before = tagged_bytes(bytes(data), SOURCE)
    data[position] ^= change
    assert tagged_bytes(bytes(data), SOURCE) != before
    assert before == EXAMPLE_BYTES[:-16] + more + SOURCE
