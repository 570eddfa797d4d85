"""Hosts with a TUN device that the test process itself reads and writes."""

from typing import NamedTuple

from mycelium.tun.linux import LinuxTun
from mycelium.tun.netlink import configure
from tests.lab.namespaces import LabHost

LEFT, RIGHT = "400::1", "400::2"


class Side(NamedTuple):
    """A host and its device."""

    host: LabHost
    tun: LinuxTun


def bring_up(host: LabHost, address: str, *, udp_super_packets: bool = True) -> Side:
    with host.entered():
        tun = LinuxTun.open("mesh0", udp_super_packets=udp_super_packets)
        configure("mesh0", address)
    return Side(host, tun)
