"""Batches of packets as runs of one connection, and as runs of one size."""

from hypothesis import given
from hypothesis import strategies as st

from mycelium.transport.quic.runs import destination_of, runs_of_one_connection, runs_of_one_size

ONE, OTHER = b"\x40" + b"1" * 8 + b"...", b"\x40" + b"2" * 8 + b"..."


def test_packets_of_two_connections_in_one_batch_are_parted() -> None:
    batch = ONE + ONE + OTHER + ONE + OTHER[:10]
    assert list(runs_of_one_connection(batch, 12)) == [
        (b"1" * 8, ONE + ONE),
        (b"2" * 8, OTHER),
        (b"1" * 8, ONE),
        (b"2" * 8, OTHER[:10]),
    ]


def test_a_long_header_says_how_long_its_destination_is() -> None:
    assert destination_of(b"\xc0\0\0\0\1\x03abcdef", 0) == b"abc"
    assert destination_of(b"\xc0\0\0\0\1\x00", 0) == b""


@given(st.binary(min_size=1, max_size=60), st.integers(1, 20))
def test_runs_are_the_batch_whatever_is_in_it(batch: bytes, size: int) -> None:
    assert b"".join(packets for _, packets in runs_of_one_connection(batch, size)) == batch


@given(st.lists(st.binary(min_size=1, max_size=9)), st.integers(9, 40))
def test_runs_of_one_size_keep_every_datagram_and_the_order(datagrams: list[bytes], most: int) -> None:
    again = []
    for run, size in runs_of_one_size(datagrams, most):
        data = b"".join(run)
        assert len(data) <= most
        again += [data[start : start + size] for start in range(0, len(data), size)]
    assert again == datagrams
