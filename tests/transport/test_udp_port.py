"""A UDP port with a socket for links, one for handshakes and one for strangers, over loopback."""

import select
import socket
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from mycelium.errors import DeviceError
from mycelium.limits import STRANGERS_BUFFER_BYTES
from mycelium.transport import udp_port
from mycelium.transport.udp import UdpTransport
from mycelium.transport.udp_handshakes import UdpHandshakes
from mycelium.transport.udp_links import UdpLinks
from mycelium.transport.udp_port import open_udp
from mycelium.transport.udp_steering import Steering
from mycelium.transport.udp_strangers import UdpStrangers
from mycelium.transport.underlay import Underlay
from mycelium.wire.datagram import FRAME_HEAD, FRAME_WORD
from tests.lab.waiting import PATIENCE_S

INDEX: Final = 0x0123_4567
FOR_LINKS: Final = FRAME_HEAD.pack(FRAME_WORD, INDEX, 1) + bytes(100)
OF_NO_LINK: Final = FRAME_HEAD.pack(FRAME_WORD, INDEX + 1, 1) + bytes(100)
HANDSHAKE: Final = b"\x10" + bytes(1_231)


class Opened(NamedTuple):
    """The transports of a port."""

    links: UdpTransport
    handshakes: UdpTransport
    strangers: UdpTransport


@pytest.fixture(params=["127.0.0.1", "::"])
def port(request: pytest.FixtureRequest) -> Iterator[Opened]:
    transports, steering = open_udp(str(request.param), 0, underlay=Underlay())
    assert steering is not None
    steering.expect([INDEX])
    yield Opened(*transports)
    for one in transports:
        one.close()


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        yield opened


def at(links: UdpTransport) -> tuple[str, int]:
    return "127.0.0.1", links.local_endpoints[0].port


def is_readable(transport: UdpTransport) -> bool:
    return bool(select.select([transport], [], [], 0)[0])


@pytest.mark.parametrize(("datagram", "place"), [(FOR_LINKS, 0), (HANDSHAKE, 1), (OF_NO_LINK, 2), (b"\x01junk", 2)])
def test_each_socket_has_its_own(port: Opened, sender: socket.socket, datagram: bytes, place: int) -> None:
    sender.sendto(datagram, at(port.links))
    assert [is_readable(one) for one in port] == [number == place for number in range(3)]
    received = port[place].receive()
    assert received is not None
    assert bytes(received[0]) == datagram


def test_the_transports_are_of_the_kinds_that_they_stand_for(port: Opened) -> None:
    assert [type(one) for one in port] == [UdpLinks, UdpHandshakes, UdpStrangers]


def test_answers_to_a_stranger_leave_by_the_socket_for_links(port: Opened, sender: socket.socket) -> None:
    sender.settimeout(PATIENCE_S)
    sender.sendto(HANDSHAKE, at(port.links))
    received = port.handshakes.receive()
    assert received is not None
    source = received[2]
    assert (port.links.reach(source) > 0, port.handshakes.reach(source), port.strangers.reach(source)) == (True, 0, 0)
    assert port.links.send(source, [b"answer"], 1_200)
    assert sender.recvfrom(100) == (b"answer", at(port.links))
    assert [port.handshakes.local_endpoints, port.strangers.local_endpoints] == [[], []]


def test_nobody_fills_the_buffer_of_others(port: Opened, sender: socket.socket) -> None:
    """Neither handshakes nor what neighbours send who are read less."""
    for _ in range(4 * STRANGERS_BUFFER_BYTES // len(OF_NO_LINK)):
        sender.sendto(OF_NO_LINK, at(port.links))
    sender.sendto(HANDSHAKE, at(port.links))
    assert is_readable(port.handshakes)
    for _ in range(4 * STRANGERS_BUFFER_BYTES // len(HANDSHAKE)):
        sender.sendto(HANDSHAKE, at(port.links))
    sender.sendto(FOR_LINKS, at(port.links))
    assert is_readable(port.links)


def test_no_other_process_can_share_the_port(port: Opened) -> None:
    host, number = port.links.local_endpoints[0][1:3]
    with pytest.raises(DeviceError, match=f"{number} is in use"):
        open_udp(host, number, underlay=Underlay())
    with pytest.raises(DeviceError, match=f"{number} is in use"):
        UdpTransport.open(host, number)


def test_where_the_kernel_can_not_sort_one_socket_takes_all(
    monkeypatch: pytest.MonkeyPatch, sender: socket.socket
) -> None:
    class Refused(Steering):
        def __init__(self, udp: socket.socket) -> None:
            raise OSError

    monkeypatch.setattr(udp_port, "Steering", Refused)
    (only,), steering = open_udp("127.0.0.1", 0, underlay=Underlay())
    assert steering is None
    sender.sendto(HANDSHAKE, at(only))
    received = only.receive()
    assert received is not None
    assert bytes(received[0]) == HANDSHAKE
    only.close()
