"""One connection: what waits in it, what the library is given, and what its streams may carry."""

import pytest

from mycelium.errors import DecodeError
from mycelium.limits import QUIC_DATAGRAM, QUIC_LONG_DATAGRAM, QUIC_PACKET
from mycelium.transport.quic.connection import SILENT_S, QuicPipe
from tests.transport.quic.support import certificate
from tests.transport.quic.test_engine import engine, opened

NOW = 1.0


@pytest.fixture
def pair() -> tuple[QuicPipe, QuicPipe]:
    return opened(engine(certificate()), engine(certificate()), now=0.0)


def test_a_datagram_of_the_full_size_fits_into_every_packet(pair: tuple[QuicPipe, QuicPipe]) -> None:
    """The library falls back to packets of 1,200 bytes where it suspects that longer ones are lost."""
    one, other = pair
    for number in range(200):
        one.put([bytes(QUIC_DATAGRAM)], QUIC_DATAGRAM, is_bulk=True)
        other.put([bytes(QUIC_DATAGRAM)], QUIC_DATAGRAM, is_bulk=True)
        for sender, receiver in ((one, other), (other, one)):
            sender.handle_timeout(now=NOW + number * 0.005)
            for packet in sender.pump(now=NOW + number * 0.005):
                assert len(packet) <= QUIC_PACKET
                if number % 3:
                    receiver.receive(packet, len(packet), now=NOW + number * 0.005)
    assert len(one.received) > 5
    assert len(other.received) > 5


def test_the_library_holds_one_frame_at_most_while_nothing_is_acknowledged(pair: tuple[QuicPipe, QuicPipe]) -> None:
    one, _ = pair
    one.put([bytes(400 * QUIC_DATAGRAM)], QUIC_DATAGRAM, is_bulk=True)
    sent = sum(len(one.pump(now=NOW + step * 0.01)) for step in range(20))
    assert 5 < sent < 60
    assert len(one._pieces) + sent >= 399 - 1


def test_silence_counts_from_the_first_packet_without_an_answer(pair: tuple[QuicPipe, QuicPipe]) -> None:
    one, _ = pair
    assert not one.is_silent(now=NOW + 100)
    for step in range(5):
        one.put([b"probe"], 5, is_bulk=False)
        one.pump(now=NOW + step * 0.2)
    assert not one.is_silent(now=NOW + SILENT_S - 0.01)
    assert one.is_silent(now=NOW + SILENT_S)


@pytest.mark.parametrize(
    "data", [b"\0\0", (QUIC_LONG_DATAGRAM + 1_000).to_bytes(2, "big") + bytes(QUIC_LONG_DATAGRAM + 1)]
)
def test_a_stream_of_something_else_ends_the_connection(data: bytes, pair: tuple[QuicPipe, QuicPipe]) -> None:
    one, other = pair
    one._quic.send_stream_data(2, data)

    def carry() -> None:
        for step in range(10):
            for packet in one.pump(now=NOW + step * 0.01):
                other.receive(packet, len(packet), now=NOW + step * 0.01)
            for packet in other.pump(now=NOW + step * 0.01):
                one.receive(packet, len(packet), now=NOW + step * 0.01)

    with pytest.raises(DecodeError, match="stream"):
        carry()
