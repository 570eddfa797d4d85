"""What the kernel tells of received datagrams: source, size, congestion marks."""

import socket
from collections.abc import Iterator

import pytest

from mycelium.endpoint import Endpoint
from mycelium.limits import ENDPOINTS_REMEMBERED
from mycelium.packet.ecn import CONGESTION_EXPERIENCED
from mycelium.transport.udp_mark import MARKED
from mycelium.transport.udp_socket import IP_PKTINFO, SOL_UDP, UDP_GRO
from mycelium.transport.udp_sources import UdpSources
from mycelium.transport.underlay import Underlay

ADDRESS = ("10.0.0.2", 9_651)
PKTINFO = (socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + socket.inet_aton("10.0.0.1") + bytes(4))


class OverlayOnly(Underlay):
    """Everything comes through the overlay."""

    def came_through_overlay(self, host: str, interface: int) -> bool:
        return True


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def unexpected() -> None:
    raise AssertionError("nothing came through the overlay")


def test_control_messages_tell_source_local_address_size_and_mark(udp: socket.socket) -> None:
    sources = UdpSources(udp, Underlay(), unexpected)
    source = Endpoint("udp", *ADDRESS, local=socket.inet_aton("10.0.0.1"), local_port=sources.bound.port)
    gro = (SOL_UDP, UDP_GRO, (1_472).to_bytes(4, "little"))
    mark = (socket.IPPROTO_IP, socket.IP_TOS, bytes((CONGESTION_EXPERIENCED,)))
    assert sources.understand(ADDRESS, [PKTINFO]) == (source, 0)
    assert sources.understand(ADDRESS, [gro, PKTINFO]) == (source, 1_472)
    assert sources.understand(ADDRESS, [PKTINFO, mark]) == (source._replace(site=MARKED), 0)


def test_what_was_told_is_remembered_as_long_as_there_is_room(udp: socket.socket) -> None:
    sources = UdpSources(udp, Underlay(), unexpected)
    told = sources.understand(ADDRESS, [PKTINFO])
    assert sources.told[(ADDRESS, PKTINFO)] is told
    for port in range(1, ENDPOINTS_REMEMBERED + 2):
        sources.understand((ADDRESS[0], port), [PKTINFO])
    assert (ADDRESS, PKTINFO) not in sources.told
    assert len(sources.told) == len(sources) == ENDPOINTS_REMEMBERED


def test_what_came_through_the_overlay_is_dropped_each_time(udp: socket.socket) -> None:
    drops: list[None] = []
    sources = UdpSources(udp, OverlayOnly(), lambda: drops.append(None))
    assert [sources.understand(ADDRESS, [PKTINFO]) for _ in range(2)] == [None, None]
    assert (len(drops), len(sources), sources.told) == (2, 0, {})
