"""Datagrams in a byte stream: however the stream is cut on its way, the same datagrams come out."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.limits import STREAM_DATAGRAM
from mycelium.transport.framing import PREFIX_BYTES, framed, split


def through(stream: bytes, cuts: list[int]) -> list[bytes]:
    """Takes a stream in pieces as a connection does: what is not whole waits for the next piece."""
    datagrams: list[bytes] = []
    rest = b""
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        data = rest + stream[start:end]
        whole, taken = split(memoryview(data))
        datagrams += map(bytes, whole)
        rest = data[taken:]
    assert rest == b""
    return datagrams


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=20), st.data())
def test_any_cutting_of_the_stream_gives_the_same_datagrams(datagrams: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(b"".join(framed([datagram], 1_200)) for datagram in datagrams)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    assert through(stream, cuts) == datagrams
    assert through(stream, list(range(1, len(stream)))) == datagrams


@given(st.lists(st.binary(max_size=200), max_size=20), st.integers(1, 500))
def test_a_batch_is_cut_as_the_kernel_cuts_it(buffers: list[bytes], segment_size: int) -> None:
    batch = b"".join(buffers)
    expected = [batch[start : start + segment_size] for start in range(0, len(batch), segment_size)]
    whole, taken = split(memoryview(b"".join(framed(buffers, segment_size))))
    assert [bytes(datagram) for datagram in whole] == expected
    assert taken == len(batch) + PREFIX_BYTES * len(expected)


@pytest.mark.parametrize("size", [1, STREAM_DATAGRAM - 1, STREAM_DATAGRAM])
def test_the_largest_datagram_fits(size: int) -> None:
    datagram = random.Random(size).randbytes(size)
    [length, payload] = framed([datagram], STREAM_DATAGRAM)
    assert (bytes(length), bytes(payload)) == (size.to_bytes(2, "big"), datagram)
    assert through(b"".join((length, payload)), [1, 2, size + 1]) == [datagram]


@pytest.mark.parametrize("stream", [b"\0\0", b"\0\1x\0\0", b"\0\0rubbish"])
def test_an_empty_datagram_ends_the_stream(stream: bytes) -> None:
    with pytest.raises(DecodeError):
        split(memoryview(stream))


@given(st.binary(max_size=3_000))
def test_any_bytes_are_datagrams_or_refused(stream: bytes) -> None:
    try:
        datagrams, taken = split(memoryview(stream))
    except DecodeError:
        return
    assert taken == sum(map(len, datagrams)) + PREFIX_BYTES * len(datagrams) <= len(stream)
