"""A node behind a NAT whose router maps ports: it is reachable by strangers, and leaves nothing behind.

The router is a home router's: a port-restricted NAT, whose miniupnpd speaks PCP, NAT-PMP and UPnP.
"""

import socket
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.lab.daemon import PORT, LabDaemon, start_all
from tests.lab.laboratory import Lab
from tests.lab.nat import Internet, NatKind, NatRouter
from tests.lab.ping import Pings, answers
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.netns

CONFIGURATION: Final = """
ext_ifname={outside}
listening_ip={inside}
enable_natpmp={pcp}
enable_upnp={upnp}
secure_mode=yes
lease_file={leases}
upnp_table_name=upnp
upnp_nat_table_name=upnp
upnp_forward_chain=forward
upnp_nat_chain=prerouting
upnp_nat_postrouting_chain=postrouting
uuid=8bf2e0a5-7d4a-4e5a-9c5b-0a4a7c1e2f3d
allow 1024-65535 0.0.0.0/0 1024-65535
"""
# miniupnpd adds its rules to chains that are there.
CHAINS: Final = """
table inet upnp {
  chain forward { }
  chain postrouting { }
  chain prerouting {
    type nat hook prerouting priority dstnat
  }
}
"""


def start_mapping(nat: NatRouter, directory: Path, *, pcp: bool, upnp: bool) -> None:
    """Has a router map ports when asked to."""
    inside = next(f"eth{number}" for number in range(2) if f"eth{number}" != nat.outer.interface)
    file = directory / "miniupnpd.conf"
    words = {True: "yes", False: "no"}
    leases = directory / "leases"
    file.write_text(
        CONFIGURATION.format(
            outside=nat.outer.interface, inside=inside, pcp=words[pcp], upnp=words[upnp], leases=leases
        )
    )
    nat.gateway.apply_rules(CHAINS)
    with (directory / "miniupnpd.log").open("w") as log:
        command = ("miniupnpd", "-d", "-f", file, "-P", directory / "miniupnpd.pid")
        nat.gateway.start(*command, stdout=log, stderr=subprocess.STDOUT)


def mapped_ports(nat: NatRouter) -> str:
    """Returns the rules for the ports that a router maps."""
    return nat.gateway.run("nft", "list", "chain", "inet", "upnp", "prerouting").stdout


@pytest.mark.parametrize(("pcp", "upnp", "name"), [(True, False, "PCP"), (False, True, "UPnP")], ids=["PCP", "UPnP"])
def test_a_router_maps_the_port_and_has_it_back(tmp_path: Path, pcp: bool, upnp: bool, name: str) -> None:
    with Lab() as lab:
        internet = Internet(lab)
        nat = internet.add_nat("router", NatKind.PORT_RESTRICTED)
        node = LabDaemon(nat.add_host("node"), tmp_path, options=["--no-tun"])
        with internet.add_host("stranger").entered():
            stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        start_mapping(nat, tmp_path, pcp=pcp, upnp=upnp)
        lab.daemons.append(node)
        with stranger:
            node.start()
            node.wait_ready()

            def mapping() -> str:
                return str(node.get("admin/status")["portMapping"])

            wait_until(lambda: mapping().startswith(f"{nat.outer.ipv4}:{PORT}, by {name}"), 20, mapping)

            def is_reached() -> bool:
                stranger.sendto(bytes(40), (nat.outer.ipv4, PORT))
                return node.counters()["datagrams_unknown"] > 0

            wait_until(is_reached, 20, "a stranger's datagram arrives")
            assert str(PORT) in mapped_ports(nat)
            assert node.stop() == 0
            wait_until(lambda: str(PORT) not in mapped_ports(nat), 20, "the router has its port back")


def test_a_mapped_port_brings_two_nodes_together_whose_nats_do_not(tmp_path: Path) -> None:
    with Lab() as lab:
        internet = Internet(lab)
        relay = LabDaemon(internet.add_host("relay"), tmp_path, options=["--no-relay-leases"])
        address = lab.cables[0].far_end(internet.gateway).ipv4
        routers = [internet.add_nat(name, NatKind.SYMMETRIC) for name in ("r1", "r2")]
        one, two = (LabDaemon(router.add_host(f"{router.gateway.name}-in"), tmp_path) for router in routers)
        start_mapping(routers[0], tmp_path, pcp=True, upnp=False)
        lab.daemons += [relay, one, two]
        for node in (one, two):
            node.peers.append(f"udp://{address}:{PORT}")
        start_all([relay, one, two])
        wait_until(lambda: routers[0].outer.ipv4 in one.get("admin/status")["portMapping"], 20, "the port is mapped")
        wait_until(lambda: answers(two.host, one.address), 20, "the nodes reach each other")
        with Pings(two.host, one.address):
            wait_until(lambda: one.next_hops().get(two.subnet) == two.address, 20, "they are neighbours")
            wait_until(lambda: one.alive_peers() == {relay.public_key, two.public_key}, 20, "the relay is one too")
