"""A socket for strangers, which is looked at for a share of the time, over loopback."""

import select
import socket
from collections.abc import Iterator
from math import inf
from typing import Final

import pytest

from mycelium.endpoint import Endpoint
from mycelium.limits import STRANGERS_AT_ONCE_S, STRANGERS_SHARE
from mycelium.transport import udp_strangers
from mycelium.transport.udp import UdpTransport
from mycelium.transport.udp_socket import open_udp_socket
from mycelium.transport.udp_strangers import PAUSE_S, UdpStrangers
from mycelium.transport.underlay import Underlay

COST_S: Final = 0.000_2
JUNK: Final = b"\x10" + bytes(1_231)


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        yield opened


def is_readable(transport: UdpTransport) -> bool:
    return bool(select.select([transport], [], [], 0)[0])


class Paced:
    """The socket for strangers in virtual time, in which each datagram takes COST_S."""

    def __init__(self) -> None:
        self.now = 100.0
        self.worked = 0.0
        self.strangers = UdpStrangers(
            open_udp_socket("127.0.0.1", 0, Underlay()),
            underlay=Underlay(),
            clock=lambda: self.now,
            work_clock=lambda: self.worked,
        )
        self.there = self.strangers._socket.getsockname()

    def read(self, sender: socket.socket, data: bytes = b"junk") -> int:
        """Sends and looks at one datagram after the other; returns how many were looked at before a pause."""
        count = 0
        while True:
            sender.sendto(data, self.there)
            if self.strangers.receive() is None and self.strangers.due_at < inf:
                return count
            self.worked += COST_S
            count += 1

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.strangers.handle_timeout(list, now=self.now)


@pytest.fixture
def paced() -> Iterator[Paced]:
    opened = Paced()
    yield opened
    opened.strangers.close()


def test_what_others_do_between_two_turns_is_not_charged_for(paced: Paced, sender: socket.socket) -> None:
    for _ in range(3):
        sender.sendto(b"junk", paced.there)
        assert paced.strangers.receive() is not None
        paced.worked += COST_S
        assert not paced.strangers.holds_more()
        paced.worked += 10 * STRANGERS_AT_ONCE_S  # whoever is read next
    assert paced.read(sender) == pytest.approx(STRANGERS_AT_ONCE_S / COST_S, abs=4)


def test_a_flood_is_looked_at_for_a_share_of_the_time(paced: Paced, sender: socket.socket) -> None:
    strangers = paced.strangers
    assert paced.read(sender) == pytest.approx(STRANGERS_AT_ONCE_S / COST_S, abs=1)
    assert not is_readable(strangers)
    assert strangers.counters.strangers_paused == 1
    wait_s = strangers.due_at - paced.now
    assert wait_s == pytest.approx(PAUSE_S, abs=COST_S / STRANGERS_SHARE)
    paced.pass_time(wait_s / 2)
    assert (strangers.receive(), is_readable(strangers)) == (None, False)
    paced.pass_time(wait_s / 2 + 1e-9)
    assert is_readable(strangers)
    assert strangers.due_at == inf
    assert paced.read(sender) == pytest.approx(PAUSE_S * STRANGERS_SHARE / COST_S, abs=1)


def test_what_takes_long_is_followed_by_a_longer_pause(paced: Paced, sender: socket.socket) -> None:
    sender.sendto(JUNK, paced.there)
    assert paced.strangers.receive() is not None
    paced.worked += STRANGERS_AT_ONCE_S + 0.02
    assert paced.strangers.receive() is None
    assert paced.strangers.due_at == pytest.approx(paced.now + PAUSE_S + 0.02 / STRANGERS_SHARE)


def test_quic_is_charged_for_too(paced: Paced, sender: socket.socket) -> None:
    def take(batch: memoryview, size: int, source: Endpoint) -> None:
        paced.worked += COST_S

    paced.strangers.take_quic = take
    sender.sendto(b"\xc0junk", paced.there)
    assert paced.strangers.receive() is None
    assert paced.worked == COST_S
    assert paced.read(sender, b"\xc0junk") == pytest.approx(STRANGERS_AT_ONCE_S / COST_S, abs=2)


def test_what_was_read_already_is_handed_over_before_a_pause(paced: Paced, sender: socket.socket) -> None:
    """The descriptor would not tell of it afterwards."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as another:
        sender.sendto(JUNK, paced.there)
        another.sendto(JUNK, paced.there)
        assert paced.strangers.receive() is not None
        paced.worked += 2 * STRANGERS_AT_ONCE_S
        assert paced.strangers.holds_more()
        assert paced.strangers.receive() is not None
    assert paced.strangers.receive() is None
    assert paced.strangers.counters.strangers_paused == 1


def test_what_is_expected_is_set_aside_and_all_else_waits_for_its_turn(paced: Paced, sender: socket.socket) -> None:
    strangers, handed = paced.strangers, list[bytes]()
    strangers.take_quic = lambda batch, size, source: handed.append(bytes(batch))
    sent = [b"\x14 ours", JUNK, b"\xc0 QUIC", b"\x14 ours too", b"\x01junk"]
    for one in sent:
        sender.sendto(one, paced.there)
    expected = strangers.set_aside(lambda data: data[0] == sent[0][0])
    assert [bytes(data) for (data, _, _), _ in expected] == [sent[0], sent[3]]
    assert (handed, strangers.holds_more(), is_readable(strangers)) == ([], True, True)
    assert [strangers.set_aside(lambda data: False), strangers.holds_more()] == [[], True]
    received = strangers.receive()
    assert received is not None
    assert bytes(received[0]) == JUNK
    assert (strangers.receive(), handed) == (None, [sent[2]])  # handed over, and nothing for the node
    received = strangers.receive()
    assert received is not None
    assert bytes(received[0]) == sent[4]
    assert (strangers.receive(), strangers.holds_more(), is_readable(strangers)) == (None, False, False)


def test_what_was_set_aside_waits_for_the_end_of_a_pause(paced: Paced, sender: socket.socket) -> None:
    paced.read(sender)
    sender.sendto(JUNK, paced.there)
    assert paced.strangers.set_aside(lambda data: False) == []
    assert (paced.strangers.receive(), is_readable(paced.strangers), paced.strangers.holds_more()) == (
        None,
        False,
        False,
    )
    paced.pass_time(1.0)
    assert is_readable(paced.strangers)
    assert paced.strangers.receive() is not None


def test_no_more_is_kept_than_the_bound(paced: Paced, sender: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_strangers, "STRANGERS_SET_ASIDE", 3)
    for number in range(5):
        sender.sendto(b"junk" + bytes((number,)), paced.there)
        paced.strangers.set_aside(lambda data: False)
    numbers = [bytes(received[0])[-1] for _ in range(6) if (received := paced.strangers.receive()) is not None]
    assert numbers == [0, 1, 2, 3, 4]
