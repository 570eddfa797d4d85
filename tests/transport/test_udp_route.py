"""Control messages that are prepared once."""

import socket

import pytest

from mycelium.endpoint import Endpoint
from mycelium.limits import SEGMENT_SIZES_REMEMBERED
from mycelium.transport.udp_route import UdpRoute
from mycelium.transport.udp_socket import SOL_UDP, UDP_SEGMENT

SOURCE = (socket.IPPROTO_IP, 8, b"source")


@pytest.mark.parametrize(
    ("host", "kind"),
    [("192.0.2.1", (socket.IPPROTO_IP, socket.IP_TOS)), ("2001:db8::1", (socket.IPPROTO_IPV6, socket.IPV6_TCLASS))],
)
def test_source_class_and_segment_size_are_told(host: str, kind: tuple[int, int]) -> None:
    route = UdpRoute(Endpoint("udp", host, 1), (host, 1), [SOURCE], 0xB8)
    assert route.single == [SOURCE, (*kind, b"\xb8\0\0\0")]
    assert route.control(1_200) == [*route.single, (SOL_UDP, UDP_SEGMENT, b"\xb0\x04")]
    assert route.control(1_200) is route.control(1_200)
    route.forget_source()
    assert not route.is_bound
    assert route.single == [(*kind, b"\xb8\0\0\0")]
    assert route.control(1_200) == [*route.single, (SOL_UDP, UDP_SEGMENT, b"\xb0\x04")]


def test_class_zero_needs_no_message() -> None:
    route = UdpRoute(Endpoint("udp", "192.0.2.1", 1), ("192.0.2.1", 1), [], 0)
    assert (route.single, route.is_bound) == ([], False)


def test_few_segment_sizes_are_remembered() -> None:
    route = UdpRoute(Endpoint("udp", "192.0.2.1", 1), ("192.0.2.1", 1), [SOURCE], 0)
    for size in range(1, 3 * SEGMENT_SIZES_REMEMBERED):
        assert len(route.control(size)) == 2
    assert len(route._controls) <= SEGMENT_SIZES_REMEMBERED
