"""What is wrong with a real TUN device is found and named, and a repair ends it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mycelium.errors import DeviceError
from mycelium.limits import GSO_BYTES
from mycelium.tun.ethtool import active_features, set_features
from mycelium.tun.linux import LinuxTun
from mycelium.tun.upkeep import Fault, TunUpkeep
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.tun.support import LEFT

pytestmark = pytest.mark.netns

ROUTE = "has lost the route 400::/7"
Break = Callable[[LabHost, LabHost], None]


def by_ip(*lines: str) -> Break:
    return lambda host, other: host.ip(*(line.format(other=other.namespace) for line in lines))


def without_offloads(host: LabHost, other: LabHost) -> None:
    features = active_features("mesh0")
    set_features("mesh0", features, tuple(0 for _ in features))


FAULTS: list[tuple[Break, Fault]] = [
    (by_ip("link set mesh0 down"), Fault("is down")),
    (by_ip(f"address del {LEFT}/7 dev mesh0"), Fault("has lost its address")),
    (by_ip("address flush dev mesh0"), Fault("has lost its address")),
    (by_ip("route del 400::/7 dev mesh0"), Fault(ROUTE)),
    (by_ip("route replace 400::/7 dev lo metric 256"), Fault(f"{ROUTE} to lo")),
    (by_ip("route del 400::/7 dev mesh0", "route add ::/0 dev lo"), Fault(ROUTE)),
    (by_ip("link set mesh0 mtu 1300"), Fault("has an MTU of 1300, not 1400", stops=False)),
    (by_ip("link set mesh0 mtu 9000"), Fault("has an MTU of 9000, not 1400", stops=False)),
    (by_ip("link set mesh0 mtu 1000"), Fault("has an MTU of 1000, not 1400")),
    (by_ip("link set mesh0 txqueuelen 7"), Fault("has a queue length of 7, not 1000", stops=False)),
    (
        by_ip("link set mesh0 gso_max_size 2000"),
        Fault("has a largest super-packet of 2000, not 62000", stops=False),
    ),
    (without_offloads, Fault("has other offloads than at its start", stops=False)),
    (by_ip("link set mesh0 netns {other}"), Fault("was moved to another network namespace", is_gone=True)),
    (by_ip("link del mesh0"), Fault("was removed", is_gone=True)),
]


@contextmanager
def configured() -> Iterator[tuple[TunUpkeep, LabHost, LabHost]]:
    """Yields what looks after the device mesh0, the host that it is on, and another host."""
    with Lab() as lab:
        host, other = lab.add_hosts(["one", "other"])
        with host.entered():
            tun = LinuxTun.open("mesh0")
            upkeep = TunUpkeep(tun, LEFT)
            upkeep.configure()
            yield upkeep, host, other
            tun.close()


def test_each_fault_is_found_and_repaired() -> None:
    with configured() as (upkeep, host, other):
        for breaks, expected in FAULTS:
            assert upkeep.fault() is None
            breaks(host, other)
            fault = upkeep.fault()
            assert fault == expected
            upkeep.repair(fault)
            assert upkeep.fault() is None, expected
        assert not other.has_interface("mesh0")


def test_what_is_no_fault_of_the_device_is_left_alone() -> None:
    """A longer prefix that leads elsewhere, another address, another name."""
    with configured() as (upkeep, host, _):
        host.ip("route add 500::/8 dev lo", "address add 10.9.9.1/24 dev mesh0", "address add fd00::9/64 dev mesh0")
        assert upkeep.fault() is None
        host.ip("link set mesh0 down", "link set mesh0 name other")
        assert upkeep.fault() == Fault("is down")
        assert upkeep.name == "other"
        upkeep.repair(Fault("is down"))
        assert upkeep.fault() is None


def test_what_cannot_be_repaired_has_the_real_cause() -> None:
    with configured() as (upkeep, host, _):
        host.sysctl("net.ipv6.conf.mesh0.disable_ipv6", 1)
        fault = upkeep.fault()
        assert fault == Fault("has lost its address")
        with pytest.raises(DeviceError, match=r"IPv6 is disabled on this host: sysctl net\.ipv6\.conf\.mesh0"):
            upkeep.repair(fault)
        host.sysctl("net.ipv6.conf.mesh0.disable_ipv6", 0)
        upkeep.repair(fault)
        host.ip("route add 400::/7 dev lo metric 1")
        fault = upkeep.fault()
        assert fault == Fault(f"{ROUTE} to lo")
        with pytest.raises(DeviceError, match="lo already holds a route into 400::/7"):
            upkeep.repair(fault)
        host.ip("link del mesh0", "link add mesh0 type veth peer name mesh1")
        with pytest.raises(DeviceError, match="the interface mesh0 already exists"):
            upkeep.repair(Fault("was removed", is_gone=True))


def test_a_limit_of_super_packets_stays_until_it_is_changed() -> None:
    with configured() as (upkeep, host, _):
        for longest in (8_750, 8_750, GSO_BYTES, 6_000):
            upkeep.limit_super_packets(longest)
            assert upkeep.fault() is None
            host.ip("link set mesh0 gso_max_size 2000")
            fault = upkeep.fault()
            assert fault == Fault(f"has a largest super-packet of 2000, not {longest}", stops=False)
            upkeep.repair(fault)
            assert upkeep.fault() is None
        host.ip("link del mesh0")
        with pytest.raises(OSError, match="No such device"):
            upkeep.limit_super_packets(8_750)
        upkeep.repair(Fault("was removed", is_gone=True))
        assert upkeep.fault() is None
        assert " gso_max_size 8750 " in host.run("ip", "-d", "link", "show", "mesh0").stdout


def test_a_kernel_that_limits_no_super_packets_is_asked_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with configured() as (_, host, _), host.entered():
        with monkeypatch.context() as patched:
            patched.setattr("mycelium.tun.netlink.IFLA_GSO_MAX_SIZE", 0x3FFF)  # an attribute that it does not know
            other = TunUpkeep(tun := LinuxTun.open("mesh1"), LEFT)
            host.ip("link del mesh0")
            other.configure()
            other.limit_super_packets(8_750)
            assert other.fault() is None
        tun.close()
