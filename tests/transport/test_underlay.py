"""What of this host's network is the overlay itself; here the loopback interface stands for the TUN device."""

import socket
import struct
from collections.abc import Iterator

import pytest

from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.packet.netlink import (
    AF_BRIDGE,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINK,
    IFLA_LINK_NETNSID,
    IFLA_LINKINFO,
    IFLA_VXLAN_LINK,
    LINK,
    NDA_DST,
    NDA_LLADDR,
    NEIGHBOUR,
    ROUTE,
    RTA_GATEWAY,
    RTA_MARK,
    RTA_OIF,
    RTM_GETLINK,
    RTM_GETNEIGH,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
    RTM_NEWROUTE,
    attribute,
    attributes,
    message,
    messages,
)
from mycelium.transport.set import TransportSet
from mycelium.transport.streams.transport import StreamTransport
from mycelium.transport.udp import UdpTransport
from mycelium.transport.underlay import Underlay
from tests.lab.waiting import PATIENCE_S

LOOPBACK = socket.if_nametoindex("lo")


@pytest.fixture
def underlay() -> Iterator[Underlay]:
    made = Underlay()
    yield made
    made.close()


def here(port: int, host: str = "127.0.0.1", scheme: str = "udp") -> Endpoint:
    return Endpoint(scheme, host, port)


def test_what_the_kernel_would_send_into_the_device_is_refused_by_name(underlay: Underlay) -> None:
    assert underlay.objection(here(1)) is None
    underlay.follow("lo")
    for host in ("127.0.0.1", "::1"):
        assert underlay.objection(here(1, host)) == (
            f"the route to {host} leads into lo, so through the overlay itself; "
            "give links another one by --firewall-mark and a rule for it"
        )
    assert underlay.objection(Endpoint("udp", "fe80::1", 1, LOOPBACK)) is not None
    assert underlay.objection(Endpoint("udp", "fe80::1", 1, LOOPBACK + 1_000)) is None


def test_a_broadcast_address_of_this_host_is_refused(underlay: Underlay) -> None:
    underlay.follow("lo")
    assert underlay.objection(here(1, "127.255.255.255")) == "127.255.255.255 is the broadcast address of a network"


def test_the_overlay_s_own_addresses_are_refused_whatever_the_routes_are(underlay: Underlay) -> None:
    for host in ("400::1", "5ff::1"):
        assert underlay.objection(here(1, host)) == f"{host} lies in the overlay itself"
        assert underlay.came_through_overlay(host, 0)
    assert underlay.objection(here(1, "600::1")) is None
    assert not underlay.came_through_overlay("600::1", LOOPBACK)


def test_what_arrived_on_the_device_came_through_the_overlay(underlay: Underlay) -> None:
    underlay.follow("lo")
    assert underlay.came_through_overlay("2001:db8::1", LOOPBACK)
    assert not underlay.came_through_overlay("2001:db8::1", LOOPBACK + 1_000)


class Netlink:
    """A kernel that answers with what it has of each interface and each route, and keeps what it was asked."""

    def __init__(self, links: dict[int, bytes], device: int = 0, gateway: bytes = b"") -> None:
        self.links = links
        self.device = device
        self.gateway = gateway
        self.hardware: dict[bytes, bytes] = {}  # by the neighbour's address
        self.ports: dict[bytes, int] = {}  # of the bridge, by the neighbour's hardware address
        self.marks: list[int] = []
        self._answer = b""

    def send(self, request: bytes) -> None:
        [(kind, _, body)] = messages(request)
        if kind == RTM_GETLINK:
            index = LINK.unpack_from(body)[2]
            self._answer = message(RTM_NEWLINK, 0, bytes(LINK.size) + self.links.get(index, b""))
        elif kind == RTM_GETNEIGH:
            self._answer = self._neighbour(body)
        else:
            self.marks.append(*struct.unpack("=I", dict(attributes(body[ROUTE.size :]))[RTA_MARK]))
            found = attribute(RTA_OIF, struct.pack("=I", self.device))
            found += attribute(RTA_GATEWAY, self.gateway) if self.gateway else b""
            self._answer = message(RTM_NEWROUTE, 0, bytes(ROUTE.size) + found)

    def _neighbour(self, body: bytes) -> bytes:
        wanted = dict(attributes(body[NEIGHBOUR.size :]))
        if body[0] == AF_BRIDGE:
            port = self.ports.get(wanted[NDA_LLADDR])
            return message(RTM_NEWNEIGH, 0, NEIGHBOUR.pack(AF_BRIDGE, port, 0, 0, 0)) if port else b""
        hardware = self.hardware.get(wanted[NDA_DST])
        return message(RTM_NEWNEIGH, 0, bytes(NEIGHBOUR.size) + attribute(NDA_LLADDR, hardware)) if hardware else b""

    def recv(self, size: int) -> bytes:
        return self._answer

    def close(self) -> None:
        pass


def over(remote: str) -> bytes:
    """What the kernel has of a tunnel to an address."""
    data = attribute(1, struct.pack("=I", 7)) + attribute(16, socket.inet_pton(socket.AF_INET6, remote))
    information = attribute(1, b"vxlan\0") + attribute(0x8000 | IFLA_INFO_DATA, data)
    return attribute(3, b"vxlan0\0") + attribute(IFLA_LINKINFO, information)


def of_kind(kind: bytes, data: bytes = b"") -> bytes:
    """What the kernel has of an interface of some kind."""
    information = attribute(IFLA_INFO_KIND, kind + b"\0") + attribute(0x8000 | IFLA_INFO_DATA, data)
    return attribute(IFLA_LINKINFO, information)


def through(interface: int) -> bytes:
    """What the kernel has of a tunnel for a multicast group that is to be sent through another interface."""
    return attribute(IFLA_VXLAN_LINK, struct.pack("=I", interface))


def on(interface: int) -> bytes:
    """What the kernel has of an interface on another one."""
    return attribute(IFLA_LINK, struct.pack("=I", interface))


@pytest.mark.parametrize(
    ("links", "is_inside"),
    [
        ({99: over("43f:1044::1")}, True),
        ({99: over("2001:db8::1")}, False),
        ({99: on(98), 98: on(97), 97: over("43f:1044::1")}, True),
        ({99: on(LOOPBACK)}, True),
        ({99: on(98), 98: over("2001:db8::1")}, False),
        ({99: on(98) + attribute(IFLA_LINK_NETNSID, bytes(4)), 98: over("43f:1044::1")}, False),
        ({99: on(98), 98: on(99)}, False),
        ({99: of_kind(b"vxlan", through(LOOPBACK))}, True),
        ({99: of_kind(b"vxlan", through(98)), 98: of_kind(b"dummy")}, False),
        ({99: of_kind(b"other", through(LOOPBACK))}, False),
        ({99: of_kind(b"bridge")}, False),
    ],
    ids=[
        "overlay",
        "elsewhere",
        "VLANs of one",
        "on the device",
        "VLAN of another",
        "other namespace",
        "veth pair",
        "group through the device",
        "group elsewhere",
        "same number of another kind",
        "bridge",
    ],
)
def test_a_tunnel_between_overlay_addresses_leads_inside_and_so_does_what_lies_on_it(
    underlay: Underlay, monkeypatch: pytest.MonkeyPatch, links: dict[int, bytes], is_inside: bool
) -> None:
    underlay.follow("lo")
    underlay.close()
    monkeypatch.setattr(underlay, "_netlink", Netlink(links))
    assert underlay.leads_inside(99) is is_inside


def test_of_a_bridge_only_what_is_behind_a_port_that_leads_inside_does(
    underlay: Underlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    underlay.follow("lo")
    underlay.close()
    inside, outside, router = (socket.inet_aton(f"192.0.2.{number}") for number in (1, 2, 3))
    kernel = Netlink({99: of_kind(b"bridge"), 98: over("43f:1044::1"), 97: of_kind(b"veth")}, device=99)
    monkeypatch.setattr(underlay, "_netlink", kernel)
    assert underlay.objection(here(1, "192.0.2.1")) is None  # nobody knows yet where it is
    kernel.hardware = {inside: b"inside", outside: b"others", router: b"router"}
    assert underlay.objection(here(1, "192.0.2.1")) is None
    kernel.ports = {b"inside": 98, b"others": 97, b"router": 98}
    assert "leads into interface 98" in str(underlay.objection(here(1, "192.0.2.1")))
    assert underlay.objection(here(1, "192.0.2.2")) is None
    assert underlay.came_through_overlay("192.0.2.1", 99)
    assert not underlay.came_through_overlay("192.0.2.2", 99)
    assert not underlay.came_through_overlay("192.0.2.1", 97)
    kernel.gateway = router
    assert "leads into interface 98" in str(underlay.objection(here(1, "203.0.113.1")))


def test_an_interface_that_has_become_a_tunnel_over_the_overlay_is_noticed(
    underlay: Underlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    underlay.follow("lo")
    underlay.close()
    kernel = Netlink({99: over("2001:db8::1")}, device=99)
    monkeypatch.setattr(underlay, "_netlink", kernel)
    assert underlay.objection(here(1, "192.0.2.1")) is None
    kernel.links[99] = over("43f:1044::1")
    underlay.routes_changed()
    assert underlay.objection(here(1, "192.0.2.1")) is not None


def test_the_route_of_marked_packets_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    underlay = Underlay(mark=51_820)
    underlay.follow("lo")
    underlay.close()
    kernel = Netlink({}, device=99)
    monkeypatch.setattr(underlay, "_netlink", kernel)
    for host in ("192.0.2.1", "2001:db8::1"):
        assert underlay.objection(here(1, host)) is None
    assert kernel.marks == [51_820, 51_820]


def test_routes_are_asked_for_anew_once_they_have_changed(underlay: Underlay) -> None:
    with UdpTransport.open("127.0.0.1", 0, underlay=underlay)._socket as udp:
        transports = TransportSet([UdpTransport(udp, underlay=underlay)], underlay)
        transports.send([(here(9), [b"before"], 6, False, 0)])
        underlay.follow("lo")
        transports.send([(here(9), [b"known"], 5, False, 0)])
        assert transports.counters.endpoint_refused == 0
        transports.routes_changed()
        transports.send([(here(9), [b"refused"], 7, False, 0), (here(9), [b"again"], 5, True, 0)])
        assert transports.counters.endpoint_refused == 2
        [cause] = transports.take_unreachable().values()
        assert "leads into lo" in cause


def test_a_datagram_that_came_through_the_overlay_is_dropped_and_counted(underlay: Underlay) -> None:
    receiver = UdpTransport.open("127.0.0.1", 0, underlay=underlay)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        underlay.follow("lo")
        for _ in range(2):
            sender.sendto(b"x" * 100, ("127.0.0.1", receiver.local_endpoints[0].port))
            assert receiver.receive() is None
    assert receiver.counters.inside_dropped == 2
    receiver.close()


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
def test_a_connection_that_came_through_the_overlay_is_refused_and_counted(underlay: Underlay, host: str) -> None:
    listening = StreamTransport.open([("::", 0)], underlay=underlay)
    port = listening.local_endpoints[0].port
    underlay.follow("lo")
    with socket.create_connection((host, port)) as caller:
        caller.settimeout(PATIENCE_S)
        assert listening.receive() is None
        assert caller.recv(1) == b""
    assert (listening.counters.inside_refused, listening.counters.accepted) == (1, 0)
    listening.close()


def test_the_mark_is_on_every_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    underlay = Underlay(mark=0xCA6C)
    monkeypatch.setattr(socket, "SO_MARK", socket.SO_PRIORITY)  # which takes no privilege
    underlay._mark = 6
    udp = UdpTransport.open("127.0.0.1", 0, underlay=underlay)
    tcp = StreamTransport.open([("127.0.0.1", 0)], underlay=underlay)
    tcp.send(tcp.local_endpoints[0], [b"dial"], 4)
    sockets = (udp._socket, *tcp._listeners._sockets.values(), *(each.stream for each in tcp._connections.values()))
    assert [one.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) for one in sockets] == [6, 6, 6]
    udp.close()
    tcp.close()


def test_a_mark_that_may_not_be_set_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "SO_MARK", -1)
    with pytest.raises(DeviceError, match=r"cannot set the firewall mark: .*CAP_NET_ADMIN"):
        UdpTransport.open("127.0.0.1", 0, underlay=Underlay(mark=1))
