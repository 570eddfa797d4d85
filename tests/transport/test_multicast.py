"""Interfaces fit for multicast: loopback is none, and what has gone is passed over."""

import fcntl
import socket
from ipaddress import IPv6Address

import pytest

from mycelium.transport import multicast
from mycelium.transport.multicast import (
    IFF_LOOPBACK,
    IFF_MULTICAST,
    IFF_POINTOPOINT,
    IFF_UP,
    IFREQ,
    IFREQ_IPV4,
    LINK_LOCAL,
    SIOCGIFADDR,
    SIOCGIFFLAGS,
    Interface,
    find_interfaces,
    group_address,
)
from mycelium.wire.beacon import BEACON_GROUP, BEACON_GROUP_IPV4

SOURCE = socket.inet_pton(socket.AF_INET6, "fe80::7")
BOTH = BEACON_GROUP, BEACON_GROUP_IPV4


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The interfaces of a made-up host, by name, with their flags; each has a link-local address, and eth1 192.0.2.7/24."""
    flags: dict[str, int] = {}

    def ioctl(_: socket.socket, asked: int, request: bytes) -> bytes:
        name = IFREQ.unpack(request)[0].rstrip(b"\0").decode()
        if flags[name] < 0 or (asked != SIOCGIFFLAGS and name != "eth1"):
            raise OSError("No such device")
        if asked == SIOCGIFFLAGS:
            return IFREQ.pack(name.encode(), flags[name])
        address = "192.0.2.7" if asked == SIOCGIFADDR else "255.255.255.0"
        return IFREQ_IPV4.pack(name.encode(), socket.AF_INET, 0, socket.inet_aton(address))

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    monkeypatch.setattr(socket, "if_nameindex", lambda: list(enumerate(flags, 1)))
    monkeypatch.setattr(multicast, "_link_local_towards", lambda group, index: (SOURCE, LINK_LOCAL))
    return flags


def names(**options: list[str]) -> list[str]:
    return [interface.name for interface in find_interfaces([BEACON_GROUP], **options)]


def test_only_interfaces_that_are_up_and_shared_by_many_are_fit(flags: dict[str, int]) -> None:
    fit = IFF_UP | IFF_MULTICAST
    flags |= {
        "lo": fit | IFF_LOOPBACK,
        "eth0": fit,
        "tun0": fit | IFF_POINTOPOINT,
        "eth1": IFF_MULTICAST,
        "dummy": IFF_UP,
    }
    assert names() == ["eth0"]


def test_an_interface_that_has_just_gone_is_passed_over(flags: dict[str, int]) -> None:
    flags |= {"eth0": -1, "eth1": IFF_UP | IFF_MULTICAST}
    assert find_interfaces([BEACON_GROUP]) == [Interface(2, "eth1", BEACON_GROUP, SOURCE, LINK_LOCAL)]


def test_an_interface_is_found_for_each_group_that_it_has_an_address_for(flags: dict[str, int]) -> None:
    flags |= dict.fromkeys(("eth0", "eth1"), IFF_UP | IFF_MULTICAST)
    zero, six, four = find_interfaces(BOTH)
    assert (zero.name, six.name, four.name) == ("eth0", "eth1", "eth1")
    assert (zero.group, six.group, four.group) == (BEACON_GROUP, *BOTH)
    assert four.source == IPv6Address("::ffff:192.0.2.7").packed
    assert group_address(six, 9650) == (BEACON_GROUP, 9650, 0, 2)
    assert group_address(four, 9650) == (BEACON_GROUP_IPV4, 9650)


@pytest.mark.parametrize(
    ("group", "host", "is_on_link"),
    [
        (BEACON_GROUP, "fe80::1", True),
        (BEACON_GROUP, "fe80:0:0:1::1", False),
        (BEACON_GROUP, "2001:db8::1", False),
        (BEACON_GROUP, "192.0.2.1", False),
        (BEACON_GROUP_IPV4, "192.0.2.1", True),
        (BEACON_GROUP_IPV4, "192.0.3.1", False),
        (BEACON_GROUP_IPV4, "fe80::1", False),
    ],
)
def test_only_addresses_of_its_network_are_on_the_link(
    flags: dict[str, int], group: str, host: str, is_on_link: bool
) -> None:
    flags |= {"eth1": IFF_UP | IFF_MULTICAST}
    [interface] = find_interfaces([group])
    assert interface.is_on_link(host) is is_on_link


def test_the_operator_may_name_interfaces(flags: dict[str, int]) -> None:
    flags |= dict.fromkeys(("eth0", "eth1"), IFF_UP | IFF_MULTICAST)
    assert names(only=["eth1", "eth7"]) == ["eth1"]


def test_there_is_a_bound_on_interfaces(flags: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multicast, "DISCOVERY_INTERFACES", 3)
    flags |= {f"veth{number}": IFF_UP | IFF_MULTICAST for number in range(10)}
    assert names() == ["veth0", "veth1", "veth2"]


def test_loopback_of_this_host_has_no_link_local_address() -> None:
    assert multicast._link_local_towards(BEACON_GROUP, socket.if_nametoindex("lo")) is None


def test_a_host_without_ipv6_has_no_link_local_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refuse)
    assert multicast._link_local_towards(BEACON_GROUP, 1) is None
