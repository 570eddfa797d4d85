"""Strangers' packets: which begin a connection, and which are answered without memory, dropped, or told a version."""

import pytest

from mycelium.limits import QUIC_ACCEPTED_PER_SECOND, QUIC_ANSWERS_PER_SECOND, QUIC_HALF_OPEN
from mycelium.transport.quic.counters import QuicCounters
from mycelium.transport.quic.validation import AddressValidation, Admitted

ADDRESS = ("192.0.2.1", 9651)


def initial(token: bytes = b"", destination: bytes = b"destined", version: int = 1, size: int = 1_200) -> bytes:
    """Returns an Initial packet whose content is zeros."""
    head = b"\xc0" + version.to_bytes(4, "big") + bytes((len(destination),)) + destination + b"\x06source"
    head += (0x4000 | len(token)).to_bytes(2, "big") + token
    rest = size - len(head) - 2
    return head + (0x4000 | rest).to_bytes(2, "big") + bytes(rest)


@pytest.fixture
def counters() -> QuicCounters:
    return QuicCounters()


@pytest.fixture
def validation(counters: QuicCounters) -> AddressValidation:
    return AddressValidation(counters, now=0.0)


def test_a_first_packet_begins_a_connection(validation: AddressValidation) -> None:
    assert validation.judge(initial(), ADDRESS, 0, now=0.0) == Admitted(b"destined", None)


def test_while_many_are_half_open_an_address_is_proved_first(
    validation: AddressValidation, counters: QuicCounters
) -> None:
    retry = validation.judge(initial(), ADDRESS, QUIC_HALF_OPEN, now=0.0)
    assert isinstance(retry, bytes)
    assert retry[6:12] == b"source"
    chosen, token = retry[13:21], retry[21:-16]
    assert validation.judge(initial(token, chosen), ADDRESS, QUIC_HALF_OPEN, now=1.0) == Admitted(b"destined", chosen)
    assert isinstance(validation.judge(initial(token, chosen), ("192.0.2.2", 9651), QUIC_HALF_OPEN, now=1.0), bytes)
    assert counters.retried == 2


def test_rates_are_bounded(validation: AddressValidation, counters: QuicCounters) -> None:
    answers = [validation.judge(initial(), ADDRESS, 0, now=0.0) for _ in range(2_000)]
    assert sum(isinstance(answer, Admitted) for answer in answers) == QUIC_ACCEPTED_PER_SECOND
    assert sum(isinstance(answer, bytes) for answer in answers) == counters.retried == QUIC_ANSWERS_PER_SECOND
    assert answers[-1] is None
    assert counters.unknown_dropped == 2_000 - QUIC_ACCEPTED_PER_SECOND - QUIC_ANSWERS_PER_SECOND


def test_another_version_is_answered_and_never_a_version_negotiation(validation: AddressValidation) -> None:
    answer = validation.judge(initial(version=0x6B3343CF), ADDRESS, 0, now=0.0)
    assert isinstance(answer, bytes)
    assert answer[1:5] == bytes(4)
    assert validation.judge(initial(version=0), ADDRESS, 0, now=0.0) is None


@pytest.mark.parametrize("packet", [b"", b"\xc0", initial()[:1_199], b"\x40" + bytes(1_300), b"\xe0" + initial()[1:]])
def test_anything_else_is_dropped(packet: bytes, validation: AddressValidation, counters: QuicCounters) -> None:
    assert validation.judge(packet, ADDRESS, 0, now=0.0) is None
    assert counters.unknown_dropped == 1
