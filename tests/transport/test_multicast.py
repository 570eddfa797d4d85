"""Interfaces fit for multicast: loopback is none, and what has gone is passed over."""

import fcntl
import socket

import pytest

from mycelium.transport import multicast
from mycelium.transport.multicast import (
    IFF_LOOPBACK,
    IFF_MULTICAST,
    IFF_POINTOPOINT,
    IFF_UP,
    IFREQ,
    Interface,
    find_interfaces,
)
from mycelium.wire.beacon import BEACON_GROUP

LINK_LOCAL = socket.inet_pton(socket.AF_INET6, "fe80::7")


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The interfaces of a made-up host, by name, with their flags; each has a link-local address."""
    flags: dict[str, int] = {}

    def ioctl(_: socket.socket, __: int, request: bytes) -> bytes:
        name = IFREQ.unpack(request)[0].rstrip(b"\0").decode()
        if flags[name] < 0:
            raise OSError("No such device")
        return IFREQ.pack(name.encode(), flags[name])

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    monkeypatch.setattr(socket, "if_nameindex", lambda: list(enumerate(flags, 1)))
    monkeypatch.setattr(multicast, "_source_towards", lambda group, index: LINK_LOCAL)
    return flags


def names(**options: list[str]) -> list[str]:
    return [interface.name for interface in find_interfaces(BEACON_GROUP, **options)]


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
    assert find_interfaces(BEACON_GROUP) == [Interface(2, "eth1", LINK_LOCAL)]


def test_the_operator_may_name_interfaces(flags: dict[str, int]) -> None:
    flags |= dict.fromkeys(("eth0", "eth1"), IFF_UP | IFF_MULTICAST)
    assert names(only=["eth1", "eth7"]) == ["eth1"]


def test_there_is_a_bound_on_interfaces(flags: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multicast, "DISCOVERY_INTERFACES", 3)
    flags |= {f"veth{number}": IFF_UP | IFF_MULTICAST for number in range(10)}
    assert names() == ["veth0", "veth1", "veth2"]


def test_loopback_of_this_host_has_no_link_local_address() -> None:
    assert multicast._source_towards(BEACON_GROUP, socket.if_nametoindex("lo")) is None
