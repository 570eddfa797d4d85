"""A UDP port with a socket for links and one for strangers, over loopback."""

import select
import socket
from collections.abc import Iterator
from math import inf
from typing import Final

import pytest

from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.limits import STRANGERS_AT_ONCE_S, STRANGERS_BUFFER_BYTES, STRANGERS_SHARE
from mycelium.transport import udp_strangers
from mycelium.transport.udp import UdpTransport
from mycelium.transport.udp_steering import Steering
from mycelium.transport.udp_strangers import PAUSE_S, UdpStrangers, open_udp
from mycelium.transport.underlay import Underlay
from mycelium.wire.datagram import FRAME_HEAD, FRAME_WORD
from tests.lab.waiting import PATIENCE_S

COST_S: Final = 0.000_2
INDEX: Final = 0x0123_4567
FOR_LINKS: Final = FRAME_HEAD.pack(FRAME_WORD, INDEX, 1) + bytes(100)
JUNK: Final = b"\x10" + bytes(1_231)


@pytest.fixture(params=["127.0.0.1", "::"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[UdpTransport, UdpStrangers]]:
    links, strangers = open_udp(str(request.param), 0, underlay=Underlay())
    assert strangers is not None
    strangers.steering.expect([INDEX])
    yield links, strangers
    links.close()
    strangers.close()


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        yield opened


def at(links: UdpTransport) -> tuple[str, int]:
    return "127.0.0.1", links.local_endpoints[0].port


def is_readable(transport: UdpTransport) -> bool:
    return bool(select.select([transport], [], [], 0)[0])


def test_each_socket_has_its_own(both: tuple[UdpTransport, UdpStrangers], sender: socket.socket) -> None:
    links, strangers = both
    sender.sendto(JUNK, at(links))
    assert (is_readable(links), is_readable(strangers)) == (False, True)
    received = strangers.receive()
    assert received is not None
    assert bytes(received[0]) == JUNK
    sender.sendto(FOR_LINKS, at(links))
    assert (is_readable(links), is_readable(strangers)) == (True, False)
    received = links.receive()
    assert received is not None
    assert bytes(received[0]) == FOR_LINKS


def test_answers_to_a_stranger_leave_by_the_socket_for_links(
    both: tuple[UdpTransport, UdpStrangers], sender: socket.socket
) -> None:
    links, strangers = both
    sender.settimeout(PATIENCE_S)
    sender.sendto(JUNK, at(links))
    received = strangers.receive()
    assert received is not None
    source = received[2]
    assert (links.reach(source) > 0, strangers.reach(source)) == (True, 0.0)
    assert links.send(source, [b"answer"], 1_200)
    assert sender.recvfrom(100) == (b"answer", at(links))
    assert strangers.local_endpoints == []


def test_strangers_can_not_fill_the_buffer_of_links(
    both: tuple[UdpTransport, UdpStrangers], sender: socket.socket
) -> None:
    links, _ = both
    for _ in range(4 * STRANGERS_BUFFER_BYTES // len(JUNK)):
        sender.sendto(JUNK, at(links))
    sender.sendto(FOR_LINKS, at(links))
    assert is_readable(links)


class Paced:
    """The socket for strangers in virtual time, in which each datagram takes COST_S."""

    def __init__(self) -> None:
        self.now = 100.0
        self.worked = 0.0
        self.links, self.opened = open_udp("127.0.0.1", 0, underlay=Underlay())
        assert self.opened is not None
        udp = self.opened._socket.dup()
        udp.setblocking(False)
        self.strangers = UdpStrangers(
            udp, self.opened.steering, underlay=Underlay(), clock=lambda: self.now, work_clock=lambda: self.worked
        )

    def read(self, sender: socket.socket, data: bytes = b"junk") -> int:
        """Sends and looks at one datagram after the other; returns how many were looked at before a pause."""
        count = 0
        while True:
            sender.sendto(data, at(self.links))
            if self.strangers.receive() is None and self.strangers.next_deadline() < inf:
                return count
            self.worked += COST_S
            count += 1

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.strangers.handle_timeout(list, now=self.now)

    def close(self) -> None:
        assert self.opened is not None
        for one in (self.links, self.opened, self.strangers):
            one.close()


@pytest.fixture
def paced() -> Iterator[Paced]:
    opened = Paced()
    yield opened
    opened.close()


def test_a_flood_is_looked_at_for_a_share_of_the_time(paced: Paced, sender: socket.socket) -> None:
    strangers = paced.strangers
    assert paced.read(sender) == pytest.approx(STRANGERS_AT_ONCE_S / COST_S, abs=1)
    assert not is_readable(strangers)
    assert strangers.counters.strangers_paused == 1
    wait_s = strangers.next_deadline() - paced.now
    assert wait_s == pytest.approx(PAUSE_S, abs=COST_S / STRANGERS_SHARE)
    paced.pass_time(wait_s / 2)
    assert (strangers.receive(), is_readable(strangers)) == (None, False)
    paced.pass_time(wait_s / 2 + 1e-9)
    assert is_readable(strangers)
    assert strangers.next_deadline() == inf
    assert paced.read(sender) == pytest.approx(PAUSE_S * STRANGERS_SHARE / COST_S, abs=1)


def test_what_takes_long_is_followed_by_a_longer_pause(paced: Paced, sender: socket.socket) -> None:
    sender.sendto(JUNK, at(paced.links))
    assert paced.strangers.receive() is not None
    paced.worked += STRANGERS_AT_ONCE_S + 0.02
    assert paced.strangers.receive() is None
    assert paced.strangers.next_deadline() == pytest.approx(paced.now + PAUSE_S + 0.02 / STRANGERS_SHARE)


def test_quic_is_charged_for_too(paced: Paced, sender: socket.socket) -> None:
    def take(batch: memoryview, size: int, source: Endpoint) -> None:
        paced.worked += COST_S

    paced.strangers.take_quic = take
    sender.sendto(b"\xc0junk", at(paced.links))
    assert paced.strangers.receive() is None
    assert paced.worked == COST_S
    assert paced.read(sender, b"\xc0junk") == pytest.approx(STRANGERS_AT_ONCE_S / COST_S, abs=2)


def test_what_was_read_already_is_handed_over_before_a_pause(paced: Paced, sender: socket.socket) -> None:
    """The descriptor would not tell of it afterwards."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as another:
        sender.sendto(JUNK, at(paced.links))
        another.sendto(JUNK, at(paced.links))
        assert paced.strangers.receive() is not None
        paced.worked += 2 * STRANGERS_AT_ONCE_S
        assert paced.strangers.holds_more()
        assert paced.strangers.receive() is not None
    assert paced.strangers.receive() is None
    assert paced.strangers.counters.strangers_paused == 1


def test_no_other_process_can_share_the_port(both: tuple[UdpTransport, UdpStrangers]) -> None:
    host, port = both[0].local_endpoints[0][1:3]
    with pytest.raises(DeviceError, match=f"{port} is in use"):
        open_udp(host, port, underlay=Underlay())
    with pytest.raises(DeviceError, match=f"{port} is in use"):
        UdpTransport.open(host, port)


def test_where_the_kernel_can_not_sort_one_socket_takes_all(
    monkeypatch: pytest.MonkeyPatch, sender: socket.socket
) -> None:
    class Refused(Steering):
        def __init__(self, udp: socket.socket) -> None:
            raise OSError

    monkeypatch.setattr(udp_strangers, "Steering", Refused)
    links, strangers = open_udp("127.0.0.1", 0, underlay=Underlay())
    assert strangers is None
    sender.sendto(JUNK, at(links))
    received = links.receive()
    assert received is not None
    assert bytes(received[0]) == JUNK
    links.close()
