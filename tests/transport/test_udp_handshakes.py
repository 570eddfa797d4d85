"""The socket for handshakes, over loopback and in virtual time."""

import select
import socket
from collections.abc import Iterator
from math import inf
from typing import Final

import pytest

from mycelium.endpoint import Endpoint
from mycelium.limits import (
    HANDSHAKES_SAVED_S,
    HANDSHAKES_SHARE,
    STRANGERS_AT_ONCE_S,
    STRANGERS_SHARE,
    STRANGERS_WAITING,
)
from mycelium.transport.base import Received
from mycelium.transport.udp_handshakes import UdpHandshakes
from mycelium.transport.udp_socket import open_udp_socket
from mycelium.transport.underlay import Underlay

READ_S: Final = 0.000_01
FLOODER: Final = "127.0.0.1"
NEWCOMER: Final = "127.0.0.2"


class Paced:
    """The socket in virtual time: to read one takes READ_S, to answer it `answer_s`."""

    def __init__(self) -> None:
        self.now = 100.0
        self.worked = 0.0
        self.handshakes = UdpHandshakes(
            open_udp_socket("127.0.0.1", 0, Underlay()),
            underlay=Underlay(),
            clock=lambda: self.now,
            work_clock=self._work,
        )
        self.there = self.handshakes._socket.getsockname()

    def _work(self) -> float:
        self.worked += READ_S
        return self.worked

    def is_readable(self) -> bool:
        return bool(select.select([self.handshakes], [], [], 0)[0])

    def answered(self, *, answer_s: float = 0.0) -> list[bytes]:
        """Answers what there is until a pause or the end."""
        answered = []
        while (received := self.handshakes.receive()) is not None:
            self.worked += answer_s
            answered.append(bytes(received[0]))
        return answered

    def resume(self) -> None:
        self.now = self.handshakes.due_at
        self.handshakes.handle_timeout(list, now=self.now)


@pytest.fixture
def paced() -> Iterator[Paced]:
    opened = Paced()
    yield opened
    opened.handshakes.close()


@pytest.fixture
def flooder() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((FLOODER, 0))
        yield opened


def test_what_is_read_ahead_is_answered_one_by_one(paced: Paced, flooder: socket.socket) -> None:
    datagrams = [b"\x10" + bytes([number]) * 100 for number in range(20)]
    for one in datagrams:
        flooder.sendto(one, paced.there)
    assert paced.answered() == datagrams
    assert not paced.is_readable()
    assert not paced.handshakes.holds_more()


def test_a_batch_is_taken_apart(paced: Paced, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[Received] = [(memoryview(bytes(range(250))), 100, Endpoint("udp", FLOODER, 1))]
    monkeypatch.setattr(UdpHandshakes, "_receive_at_once", lambda self: batches.pop() if batches else None)
    assert list(map(len, paced.answered())) == [100, 100, 50]


def test_what_waits_has_the_descriptor_readable_after_a_pause(paced: Paced, flooder: socket.socket) -> None:
    for number in range(30):
        flooder.sendto(bytes([0x10, number]) * 50, paced.there)
    first = paced.answered(answer_s=STRANGERS_AT_ONCE_S / 4)
    assert 1 < len(first) < 30
    assert len(paced.handshakes._queue) == 30 - len(first)  # all are read
    assert not paced.is_readable()
    assert not paced.handshakes.holds_more()
    answered = len(first)
    while paced.handshakes.due_at < inf:
        paced.resume()
        assert paced.is_readable() == (answered < 30)
        answered += len(paced.answered(answer_s=STRANGERS_AT_ONCE_S / 4))
    assert answered == 30
    assert not paced.is_readable()


def spent_within(paced: Paced, flooder: socket.socket, seconds: float) -> float:
    """Returns for how long a flood was answered."""
    begin, before = paced.now, paced.worked
    while paced.now < begin + seconds:
        if paced.handshakes.due_at < inf:
            paced.resume()
        flooder.sendto(b"\x10 %f" % paced.worked, paced.there)
        paced.answered(answer_s=STRANGERS_AT_ONCE_S / 4)
    return paced.worked - before


def test_the_share_that_was_not_used_is_spent_on_all_who_come_back_at_once(
    paced: Paced, flooder: socket.socket
) -> None:
    for _ in range(2):
        assert spent_within(paced, flooder, 4.0) == pytest.approx(4.0 * HANDSHAKES_SHARE, rel=0.2)
        spent_within(paced, flooder, HANDSHAKES_SAVED_S / (HANDSHAKES_SHARE - STRANGERS_SHARE))
        assert spent_within(paced, flooder, 10.0) == pytest.approx(10.0 * STRANGERS_SHARE, rel=0.1)
        paced.resume()
        paced.now += HANDSHAKES_SAVED_S / STRANGERS_SHARE  # of silence


def test_a_newcomer_is_answered_before_a_flood_that_came_first(
    paced: Paced, flooder: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mycelium.transport.fair_queue.subnets_of", lambda host: (host.encode(),))
    for number in range(40):
        flooder.sendto(bytes([0x10, number]) * 50, paced.there)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as newcomer:
        newcomer.bind((NEWCOMER, 0))
        newcomer.sendto(b"\x10newcomer", paced.there)
    assert b"\x10newcomer" in paced.answered(answer_s=50 * READ_S)[:6]


def test_reading_ahead_takes_no_longer_than_answering(paced: Paced, flooder: socket.socket) -> None:
    """Otherwise a flood of what is cheap to refuse would have little of it answered, a newcomer's least."""
    for number in range(60):
        flooder.sendto(bytes([0x10, number]) * 50, paced.there)
    assert paced.handshakes.receive() is not None
    paced.worked += 10 * READ_S
    read = len(paced.handshakes._queue)
    assert paced.handshakes.receive() is not None
    assert 4 <= len(paced.handshakes._queue) - read <= 12


def test_more_than_may_wait_are_counted(paced: Paced, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = memoryview(b"".join(number.to_bytes(2, "big") for number in range(STRANGERS_WAITING + 5)))
    batches: list[Received] = [(batch, 2, Endpoint("udp", FLOODER, 1))]
    monkeypatch.setattr(UdpHandshakes, "_receive_at_once", lambda self: batches.pop() if batches else None)
    assert paced.handshakes.receive() is not None
    assert paced.handshakes.counters.strangers_crowded_out == 5


def test_packets_of_quic_wait_for_their_turn_too(paced: Paced, flooder: socket.socket) -> None:
    taken: list[bytes] = []
    paced.handshakes.take_quic = lambda batch, size, source: taken.append(bytes(batch))
    for number in range(3):
        flooder.sendto(bytes([0xC0, number]), paced.there)
        flooder.sendto(bytes([0x10, number]), paced.there)
    answered = []
    while paced.is_readable():
        answered += paced.answered()
    assert taken == [bytes([0xC0, number]) for number in range(3)]
    assert answered == [bytes([0x10, number]) for number in range(3)]


def test_how_long_one_has_waited_is_not_known(paced: Paced, flooder: socket.socket) -> None:
    flooder.sendto(b"\x10", paced.there)
    assert paced.handshakes.receive() is not None
    assert paced.handshakes.waited_s() == 0.0
