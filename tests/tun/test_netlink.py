import errno

import pytest

from mycelium.errors import DeviceError
from mycelium.limits import GSO_BYTES, OVERLAY_MTU
from mycelium.tun import netlink as netlink_module
from mycelium.tun.linux import LinuxTun
from mycelium.tun.netlink import configure
from tests.lab.namespaces import LabHost
from tests.tun.support import LEFT, RIGHT, Side, bring_up


@pytest.mark.netns
def test_address_route_and_link_are_set(side: Side) -> None:
    addresses = side.host.run("ip", "-6", "-o", "address", "show", "dev", "mesh0").stdout
    assert addresses.count("inet6") == 1
    assert f"{LEFT}/7 scope global nodad" in addresses
    assert "tentative" not in addresses
    assert side.host.run("ip", "-6", "route").stdout.startswith("400::/7 dev mesh0 ")
    cable = side.host.run("ip", "-d", "link", "show", "mesh0").stdout
    for expected in (f"mtu {OVERLAY_MTU} ", "qlen 1000", f"gso_max_size {GSO_BYTES} ", "persist off", "UP,"):
        assert expected in cable


@pytest.mark.netns
def test_a_second_mesh_on_the_host_is_a_clear_error(side: Side) -> None:
    with side.host.entered():
        second = LinuxTun.open("mesh1")
        with pytest.raises(DeviceError, match="mesh0 already holds a route into 400::/7: is another mycelium running"):
            configure("mesh1", RIGHT)
        second.close()


@pytest.mark.netns
def test_a_default_route_elsewhere_is_no_second_mesh(host: LabHost) -> None:
    host.ip("route add ::/0 dev lo")
    bring_up(host, LEFT).tun.close()


@pytest.mark.netns
def test_configuring_without_ipv6_or_without_the_device_is_a_clear_error(host: LabHost) -> None:
    with host.entered():
        tun = LinuxTun.open("mesh0")
        host.sysctl("net.ipv6.conf.mesh0.disable_ipv6", 1)
        with pytest.raises(DeviceError, match="IPv6 is disabled"):
            configure("mesh0", LEFT)
        tun.close()
        with pytest.raises(DeviceError, match="no interface named mesh0"):
            configure("mesh0", LEFT)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EPERM, "no permission to configure mesh0: CAP_NET_ADMIN is required"),
        (
            errno.EACCES,
            "IPv6 is disabled on this host: sysctl net.ipv6.conf.mesh0.disable_ipv6 must be 0, which a new interface has from "
            "net.ipv6.conf.default.disable_ipv6",
        ),
        (errno.EBUSY, "cannot configure mesh0: Device or resource busy"),
    ],
)
def test_each_refusal_of_the_kernel_has_its_reason(code: int, reason: str) -> None:
    assert netlink_module._reason("mesh0", code) == reason
