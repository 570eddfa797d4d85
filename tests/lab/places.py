"""The places that a node joins a mesh from: behind a home NAT, without UDP, behind a company's proxy, on a LAN.

In each there are a hub, by the name hub.example.org, and a host that is to reach it.
"""

import sys
from typing import Final, NamedTuple

from tests.lab import proxy as lab_proxy
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.lab.nat import Internet, NatKind, NatRouter
from tests.lab.waiting import PATIENCE_S, wait_until

HUB: Final = "hub.example.org"
PROXY: Final = "proxy.example.org"
PROXY_PORT: Final = 3128


class Place(NamedTuple):
    """Where a host is, and the hub; `router` is between them, if there is one."""

    hub: LabHost
    host: LabHost
    router: NatRouter | None = None


def home(lab: Lab) -> Place:
    """Behind the NAT of a home router."""
    internet = Internet(lab)
    cable = internet.attach("hub")
    router = internet.add_nat("router", NatKind.PORT_RESTRICTED)
    host = router.add_host("node")
    host.name_hosts({HUB: cable.far_end(internet.gateway).ipv4})
    return Place(cable.far_end(internet.gateway).host, host, router)


def without_udp(lab: Lab) -> Place:
    """Behind a router that drops UDP."""
    place = home(lab)
    assert place.router is not None
    place.router.drop_udp()
    return place


def company(lab: Lab) -> Place:
    """In a network whose only way out is a proxy that connects to port 443 alone, and that alone knows outside names."""
    internet = Internet(lab)
    cable = internet.attach("hub")
    router = internet.add_nat("router", NatKind.PORT_RESTRICTED)
    inner = router.attach("node")
    router.gateway.sysctl("net.ipv4.ip_forward", 0)
    router.gateway.name_hosts({HUB: cable.far_end(internet.gateway).ipv4})
    router.gateway.start(sys.executable, lab_proxy.__file__, str(PROXY_PORT))
    wait_until(lambda: router.gateway.listens(PROXY_PORT), PATIENCE_S, "the proxy listens")
    host = inner.far_end(router.gateway).host
    host.name_hosts({PROXY: inner.end(router.gateway).ipv4})
    return Place(cable.far_end(internet.gateway).host, host, router)


def lan(lab: Lab) -> Place:
    """On one cable with the hub."""
    hub, host = lab.add_hosts(["hub", "node"])
    lab.add_cable(hub, host)
    return Place(hub, host)


def ipv4_only(lab: Lab) -> Place:
    """Where nobody has IPv6."""
    hub, host = lab.add_hosts(["hub", "node"])
    cable = lab.add_cable(hub, host)
    for one in (hub, host):
        one.sysctl(f"net.ipv6.conf.{cable.end(one).interface}.disable_ipv6", 1)
    host.name_hosts({HUB: cable.end(hub).ipv4})
    return Place(hub, host)


def ipv6_only(lab: Lab) -> Place:
    """Where nobody has IPv4."""
    hub, host = lab.add_hosts(["hub", "node"])
    cable = lab.add_cable(hub, host)
    for one in (hub, host):
        one.ip(f"address del {cable.end(one).ipv4}/24 dev {cable.end(one).interface}")
    host.name_hosts({HUB: cable.end(hub).ipv6})
    return Place(hub, host)
