"""What is read of netlink messages: carrier gone, addresses gone, and nothing that was only asked for."""

import struct
from socket import AF_INET, AF_INET6, inet_pton

from hypothesis import given
from hypothesis import strategies as st

from mycelium.daemon.host_network import HostNetwork
from mycelium.endpoint import Endpoint, Lost
from mycelium.packet.netlink import (
    IFF_LOWER_UP,
    IFF_UP,
    IFLA_IFNAME,
    NLM_F_MULTI,
    RTA_DST,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    attribute,
)

V4, V6, LOCAL = inet_pton(AF_INET, "192.0.2.7"), inet_pton(AF_INET6, "2001:db8::7"), inet_pton(AF_INET6, "fe80::7")
UP = IFF_UP | IFF_LOWER_UP


def message(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body + bytes(-len(body) % 4)


def link(index: int, flags: int, kind: int = RTM_NEWLINK, *, name: bytes = b"eth0\0") -> bytes:
    return message(kind, struct.pack("=BxHiII", 0, 1, index, flags, 0xFFFF_FFFF) + attribute(IFLA_IFNAME, name))


def address(index: int, value: bytes, kind: int = RTM_NEWADDR, *, flags: int = 0, peer: bytes = b"") -> bytes:
    body = struct.pack("=BBBBI", 2, 24, 0, 0, index)
    for number, content in ((1, peer or value), (2, value)):
        if number == 1 or peer:
            body += struct.pack("=HH", 4 + len(content), number) + content
    return message(kind, body, flags)


def route(destination: str, bits: int, kind: int = RTM_NEWROUTE, *, family: int = AF_INET6) -> bytes:
    head = struct.pack("=BBBBBBBBI", family, bits, 0, 0, 254, 2, 0, 1, 0) + attribute(15, struct.pack("=I", 254))
    return message(kind, head + (attribute(RTA_DST, inet_pton(family, destination)) if bits else b""))


def known() -> HostNetwork:
    network = HostNetwork()
    told = b"".join(
        address(index, value, flags=NLM_F_MULTI) for index, value in ((2, V4), (2, V6), (2, LOCAL), (3, bytes(4)))
    )
    assert network.take(told) == ([], False, False)
    return network


def test_an_interface_without_carrier_takes_its_addresses_along_once_and_says_why() -> None:
    network = known()
    for down, cause in (
        (link(2, IFF_UP) * 2, "eth0 lost its carrier"),
        (link(2, IFF_LOWER_UP) + link(2, 0), "eth0 was set down"),
        (link(2, 0, RTM_DELLINK), "eth0 was removed"),
        (link(2, IFF_UP, name=b""), "interface 2 lost its carrier"),
    ):
        assert network.take(down).losses == [Lost(frozenset((V4, V6)), 2, cause=cause)]
        assert network.take(link(2, UP)) == ([], True, True)


def test_an_address_that_is_removed_is_lost_and_one_that_moved_is_not() -> None:
    network = known()
    network.take(address(3, V4))
    assert network.take(address(2, V4, RTM_DELADDR)) == ([], False, True)
    assert network.take(address(3, V4, RTM_DELADDR)) == (
        [Lost(frozenset((V4,)), cause="this host's address 192.0.2.7 was removed")],
        False,
        True,
    )
    assert network.take(address(2, LOCAL, RTM_DELADDR)) == ([], False, True)


def test_of_a_point_to_point_interface_the_own_address_counts() -> None:
    network = HostNetwork()
    network.take(address(4, V4, peer=bytes(4)))
    assert network.take(link(4, 0)).losses == [Lost(frozenset((V4,)), 4, cause="eth0 was set down")]


def test_a_route_that_is_gone_names_no_path() -> None:
    [lost] = known().take(message(RTM_DELROUTE, bytes(12))).losses
    assert not lost.affects(Endpoint("udp", "192.0.2.1", 1, 0, V4))
    assert not lost.affects(Endpoint("udp", "fe80::1", 1))


def test_no_link_depends_on_routes_into_the_overlay() -> None:
    network = known()
    for kind in (RTM_NEWROUTE, RTM_DELROUTE):
        for destination, bits in (("400::", 7), ("500::", 8), ("412:34::", 64)):
            assert network.take(route(destination, bits, kind)) == ([], False, False)
        for destination, bits in (("400::", 6), ("::", 0), ("600::", 7), ("2001:db8::", 32)):
            assert network.take(route(destination, bits, kind)).has_changed
        assert network.take(route("4.0.0.0", 8, kind, family=AF_INET)).has_changed


def test_a_loss_carries_what_was_sent_over_it() -> None:
    lost = Lost(frozenset((V4,)), 2)
    assert lost.affects(Endpoint("udp", "192.0.2.1", 1, 0, V4))
    assert lost.affects(Endpoint("udp", "fe80::1", 1, 2, LOCAL))
    assert not lost.affects(Endpoint("udp", "fe80::1", 1, 3, LOCAL))
    assert not lost.affects(Endpoint("udp", "192.0.2.1", 1))


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    network = HostNetwork()
    network.take(data)
    for kind in (RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE, RTM_DELROUTE):
        network.take(message(kind, data))
