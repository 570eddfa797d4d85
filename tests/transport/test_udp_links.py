"""The socket for links: what came before the kernel knew that it is theirs precedes what comes after."""

import socket
from collections.abc import Iterator
from time import monotonic
from typing import Final

import pytest

from mycelium.endpoint import Endpoint
from mycelium.transport import udp_strangers
from mycelium.transport.base import SHORT_BYTES, Transport
from mycelium.transport.udp_links import UdpLinks
from mycelium.transport.udp_port import UdpPort, open_udp
from mycelium.transport.udp_strangers import UdpStrangers
from mycelium.transport.underlay import Underlay
from mycelium.wire.datagram import FRAME_HEAD, FRAME_WORD
from tests.lab.waiting import PATIENCE_S, wait_until

INDEX: Final = 0x0123_4567
JUNK: Final = b"\x01junk"
QUIC: Final = b"\x45" + bytes(60)
CONGESTED: Final = 3  # the ECN of an IP header


def frame(number: int, index: int = INDEX, size: int = 100) -> bytes:
    return FRAME_HEAD.pack(FRAME_WORD, index, number) + bytes(size)


class Opened:
    """A port on loopback, and somebody who sends there."""

    def __init__(self) -> None:
        self.port: UdpPort = open_udp("127.0.0.1", 0, underlay=Underlay())
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sender.bind(("127.0.0.1", 0))
        self.moved: list[Transport] = []
        self.links.on_moved = self.moved.append

    @property
    def links(self) -> UdpLinks:
        links = self.port.transports[0]
        assert isinstance(links, UdpLinks)
        return links

    @property
    def strangers(self) -> UdpStrangers:
        strangers = self.port.transports[2]
        assert isinstance(strangers, UdpStrangers)
        return strangers

    def send(self, *datagrams: bytes) -> None:
        for one in datagrams:
            self.sender.sendto(one, ("127.0.0.1", self.links.local_endpoints[0].port))

    def expect(self, *indices: int) -> None:
        """Has the kernel be told, as soon as a replacement is allowed."""
        steering = self.port.steering
        assert steering is not None
        steering.expect(indices)

        def is_told() -> bool:
            steering.handle_timeout(now=monotonic())
            return steering.due_at == float("inf")

        wait_until(is_told, PATIENCE_S, "the program is replaced")

    def close(self) -> None:
        self.sender.close()
        for one in self.port.transports:
            one.close()


@pytest.fixture
def opened() -> Iterator[Opened]:
    made = Opened()
    yield made
    made.close()


def read(transport: UdpLinks | UdpStrangers) -> list[bytes]:
    datagrams = []
    while (received := transport.receive()) is not None:
        data, size, _ = received
        datagrams += [bytes(data[start : start + size]) for start in range(0, len(data), size)]
    return datagrams


@pytest.mark.parametrize("size", [100, SHORT_BYTES + 1])
def test_frames_of_a_new_link_keep_their_order_while_its_datagrams_change_their_socket(
    opened: Opened, size: int
) -> None:
    early, late = [frame(number, size=size) for number in (1, 2)], [frame(number, size=size) for number in (3, 4)]
    opened.send(JUNK, *early, frame(9, INDEX + 1))
    opened.expect(INDEX)
    opened.send(*late)
    assert opened.moved == [opened.links]
    assert opened.links.holds_more()
    assert read(opened.links) == early + late
    assert not opened.links.holds_more()
    assert read(opened.strangers) == [JUNK, frame(9, INDEX + 1)]


def test_what_was_moved_comes_before_what_was_read_ahead(opened: Opened) -> None:
    opened.expect(7)
    opened.send(frame(0, 7), frame(1, 7, size=200))
    assert opened.links.receive() is not None
    assert opened.links.holds_more()
    opened.send(frame(1), frame(2))
    opened.expect(INDEX, 7)
    assert read(opened.links) == [frame(1), frame(2), frame(1, 7, size=200)]


def test_what_was_moved_goes_together_with_nothing_that_is_read(opened: Opened) -> None:
    opened.expect(7)
    opened.send(*(frame(number, 7, size=1_000) for number in range(60)))
    assert len(read(opened.links)) == 60
    opened.send(frame(1, size=1_000))
    opened.expect(INDEX, 7)
    opened.send(frame(2, size=1_000))
    received = opened.links.receive()
    assert received is not None
    assert bytes(received[0]) == frame(1, size=1_000)


def test_a_socket_that_is_drained_is_not_while_something_was_moved(opened: Opened) -> None:
    assert (opened.links.receive(), opened.links.is_drained) == (None, True)
    opened.send(frame(1), frame(2))
    opened.expect(INDEX)
    assert opened.links.receive() is not None
    assert not opened.links.is_drained


def test_what_was_moved_tells_when_it_arrived_and_from_where(opened: Opened) -> None:
    opened.expect(7)
    opened.send(frame(0, 7))
    assert len(read(opened.links)) == 1  # whose time of arrival is not that of what follows
    begin = monotonic()
    opened.send(frame(1))
    opened.expect(INDEX, 7)
    received = opened.links.receive()
    assert received is not None
    assert opened.links.waited_s() <= monotonic() - begin + 0.01  # the kernel stamps by the time of day, in ticks
    host, port = opened.sender.getsockname()
    assert received[2].remote == Endpoint("udp", host, port)
    assert opened.links.receive() is None


def test_what_comes_after_what_was_moved_has_arrived_at_its_own_time(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp_strangers, "time", lambda: 0.0)
    opened.send(frame(1))
    opened.expect(INDEX)
    assert opened.links.receive() is not None
    assert opened.links.waited_s() > PATIENCE_S, "moved, since 1970"
    opened.send(frame(2), frame(3, size=200))
    for _ in ("read by itself", "read ahead"):
        assert opened.links.receive() is not None
        assert opened.links.waited_s() < PATIENCE_S


def test_marks_of_routers_are_moved_too(opened: Opened) -> None:
    opened.sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, CONGESTED)
    opened.send(frame(1))
    opened.expect(INDEX)
    received = opened.links.receive()
    assert received is not None
    assert (opened.links.is_congested, received[2].site) == (True, "")


def test_nothing_is_moved_when_nothing_waits(opened: Opened) -> None:
    opened.expect(INDEX)
    assert (opened.moved, opened.links.holds_more(), opened.links.receive()) == ([], False, None)
