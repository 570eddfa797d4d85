"""Daemons on one link find each other without a peer list, by link-local multicast."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from mycelium.limits import BEACONS_PER_SECOND
from mycelium.transport.multicast import Interface, find_interfaces
from mycelium.wire.beacon import BEACON_GROUP, Beacon, encode_beacon
from tests.lab.daemon import LabDaemon, start_all
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.lab.waiting import wait_until
from tests.netns.conftest import on_one_switch
from tests.netns.healing import wait_answered

pytestmark = pytest.mark.netns

FOUND_SECONDS = 20.0
BURST = 3
BURST_SECONDS = 5.0  # more than it takes
MESHED_WITHIN_S = (
    8.0  # of the last start, or of an interface's coming up: it takes less than 2 s, on a busy machine some more
)
PORT = 9650

MakeDaemon = Callable[..., LabDaemon]


@pytest.fixture
def make_daemon(lab: Lab, tmp_path: Path) -> MakeDaemon:
    """Makes a daemon that discovers."""

    def make(host: LabHost, *options: str | Path) -> LabDaemon:
        daemon = LabDaemon(host, tmp_path, options=options, discovers=True)
        lab.daemons.append(daemon)
        return daemon

    return make


def leave_ipv6(hosts: Iterable[LabHost]) -> None:
    """Has the first interfaces of hosts speak IPv4 alone, in one network."""
    for number, host in enumerate(hosts, 1):
        host.sysctl("net.ipv6.conf.eth0.disable_ipv6", 1)
        host.ip("address flush dev eth0", f"address add 192.0.2.{number}/24 dev eth0")


def wait_each(
    daemons: Iterable[LabDaemon], condition: Callable[[LabDaemon], bool], what: str, *, within: float = FOUND_SECONDS
) -> None:
    for daemon in daemons:
        wait_until(partial(condition, daemon), within, f"{daemon.name} {what}")


def keys(*daemons: LabDaemon) -> set[str]:
    return {daemon.public_key for daemon in daemons}


def wait_meshed(*daemons: LabDaemon, within: float = FOUND_SECONDS) -> None:
    """Waits until each of them has a link to each other one."""
    everyone = keys(*daemons)
    wait_each(daemons, lambda one: one.alive_peers() >= everyone - {one.public_key}, "finds the others", within=within)


def has_one_peer(daemon: LabDaemon) -> bool:
    return len(daemon.get("admin/peers")) == 1


def wait_called(*daemons: LabDaemon) -> None:
    """Waits until each of them has sent the beacons of its start: two that a busy host is late with may be one."""
    all_due = time.monotonic() + BURST_SECONDS

    def has_called(daemon: LabDaemon) -> bool:
        sent = daemon.counters()["beacons_sent"]
        return sent >= BURST or (sent > 0 and time.monotonic() > all_due)

    wait_each(daemons, has_called, "sends its beacons")


def are_discovered(daemon: LabDaemon) -> bool:
    """Tells whether both others are shown as found by beacons."""
    return [peer["origin"] for peer in daemon.get("admin/peers")] == ["linkLocalDiscovery"] * 2


@pytest.mark.parametrize("family", ["ipv6", "ipv4"])
def test_three_daemons_on_a_link_form_a_mesh(lab: Lab, make_daemon: MakeDaemon, family: str) -> None:
    hosts = on_one_switch(lab, "abc")
    if family == "ipv4":
        leave_ipv6(hosts)
    daemons = [make_daemon(host) for host in hosts]
    start_all(daemons)
    wait_meshed(*daemons, within=MESHED_WITHIN_S)
    one, other = daemons[0], daemons[2]
    wait_each(daemons, lambda one: len(one.reachable_subnets()) == 2, "has routes")
    wait_answered(one, other)
    wait_called(*daemons)
    for daemon in daemons:
        wait_until(partial(are_discovered, daemon), FOUND_SECONDS, "both are shown as discovered")
    found = {peer["publicKey"]: peer for peer in one.get("admin/peers")}[other.public_key]
    expected = "192.0.2.3" if family == "ipv4" else f"[{shown(other.host, 'eth0')[1]}%eth0]"
    assert found["url"] == f"udp://{expected}:9651"
    assert [daemon.stop() for daemon in daemons] == [0, 0, 0]


def test_one_that_does_not_discover_is_left_alone(lab: Lab, make_daemon: MakeDaemon) -> None:
    a, b, c = (make_daemon(host) for host in on_one_switch(lab, "abc"))
    c.discovers = False
    start_all([a, b, c])
    wait_meshed(a, b)
    wait_called(a, b)
    assert c.get("admin/peers") == []
    assert "beacons_sent" not in c.counters()
    assert a.alive_peers() == keys(b)


@pytest.mark.parametrize("what", ["key", "port"])
def test_daemons_of_another_network_or_port_stay_apart(
    lab: Lab, make_daemon: MakeDaemon, tmp_path: Path, what: str
) -> None:
    hosts = on_one_switch(lab, "abcd")
    ours, theirs = (options(tmp_path, what, number) for number in (1, 2))
    a, b, c, d = (make_daemon(host, *given) for host, given in zip(hosts, (ours, ours, theirs, theirs), strict=True))
    start_all([a, b, c, d])
    wait_meshed(a, b)
    wait_meshed(c, d)
    wait_called(a, b, c, d)
    assert a.alive_peers() == keys(b)
    assert c.alive_peers() == keys(d)
    wait_each((a, b, c, d), has_one_peer, "knows nobody else")
    if what == "key":
        wait_until(lambda: a.counters()["beacons_forged"], FOUND_SECONDS, "a has heard the others' beacons")
    else:
        assert a.counters()["beacons_forged"] == 0


def options(directory: Path, what: str, number: int) -> tuple[str | Path, ...]:
    if what == "port":
        return ("--peer-discovery-port", str(7_000 + number))
    path = directory / f"network-{number}"
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    return ("--network-key-file", path)


def test_only_the_named_interface_is_used(lab: Lab, make_daemon: MakeDaemon) -> None:
    a, b, c = lab.add_hosts("abc")
    lab.add_cable(a, b)
    lab.add_cable(a, c)
    daemons = make_daemon(a, "--peer-discovery-interface", "eth1"), make_daemon(b), make_daemon(c)
    start_all(daemons)
    wait_meshed(daemons[0], daemons[2])
    wait_called(*daemons)
    assert daemons[0].alive_peers() == keys(daemons[2])
    assert daemons[1].get("admin/peers") == []


def test_cables_and_interfaces_that_come_later_are_used_before_the_next_regular_beacon(
    lab: Lab, make_daemon: MakeDaemon
) -> None:
    a, b, c, d = hosts = lab.add_hosts("abcd")
    cable = lab.add_cable(a, b)
    cable.set_carrier(up=False)
    daemons = one, two, three, four = [make_daemon(host) for host in hosts]
    start_all(daemons)
    assert [daemon.get("admin/peers") for daemon in daemons] == [[]] * 4
    cable.set_carrier(up=True)
    wait_meshed(one, two, within=MESHED_WITHIN_S)
    lab.add_cable(c, d)  # interfaces that were not there at the start
    wait_meshed(three, four, within=MESHED_WITHIN_S)
    wait_each(daemons, has_one_peer, "has one link, over IPv6 and IPv4")


def test_a_taken_port_is_a_warning_and_the_rest_works(lab: Lab, make_daemon: MakeDaemon) -> None:
    a, b = lab.add_hosts("ab")
    cable = lab.add_cable(a, b)
    one, other = make_daemon(a), make_daemon(b)
    one.peers.append(f"udp://{cable.end(b).ipv4}:9651")
    with a.entered(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as taken:
        taken.bind(("::", PORT))
        start_all([one, other])
        wait_meshed(one, other)
        expected = "no peer discovery on eth0: udp port 9650: Address already in use"  # for either family
        wait_until(lambda: expected in one.log(), FOUND_SECONDS, "a warning")


def test_a_flood_of_forged_beacons_is_not_listened_to(lab: Lab, make_daemon: MakeDaemon) -> None:
    hosts = on_one_switch(lab, "abc")
    a, b = make_daemon(hosts[0]), make_daemon(hosts[1])
    start_all([a, b])
    wait_meshed(a, b)
    before = a.counters()
    with hosts[2].entered(), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as flood:
        index = socket.if_nametoindex("eth0")
        data = encode_beacon(Beacon(9651, bytes(16)))
        for _ in range(30_000):
            flood.sendto(data, (BEACON_GROUP, PORT, 0, index))
    wait_until(lambda: a.counters()["beacons_deaf"] > before["beacons_deaf"], FOUND_SECONDS, "it closes its ears")
    forged = a.counters()["beacons_forged"] - before["beacons_forged"]
    assert BEACONS_PER_SECOND / 2 <= forged < 10_000  # b's own beacons are among those that were read
    c = make_daemon(hosts[2])
    start_all([c])
    wait_meshed(a, b, c)
    assert "link down" not in a.log()


# -- interfaces --------------------------------------------------------------------------------------------------------


def interfaces(host: LabHost, *only: str) -> list[Interface]:
    with host.entered():
        return find_interfaces([BEACON_GROUP], only=only)


def shown(host: LabHost, name: str) -> tuple[int, str]:
    """Returns what the ip command says of an interface: its index and its link-local address."""
    links = json.loads(host.run("ip", "-j", "-6", "address", "show", "dev", name, "scope", "link").stdout)
    (link,) = (link for link in links if link)
    (address,) = (info for info in link["addr_info"] if info)
    return link["ifindex"], address["local"]


def test_interfaces_that_are_up_and_have_link_local_multicast_are_fit(lab: Lab) -> None:
    a, b = lab.add_hosts("ab")
    for _ in range(3):
        lab.add_cable(a, b)
    a.ip(
        "link set eth1 down",
        "link set eth2 multicast off",
        "tuntap add tun0 mode tun",
        "link set tun0 up",
        "link add plain type veth peer name far",
        "link set far addrgenmode none",
        "link set plain up",
        "link set far up",
    )

    def found() -> dict[str, Interface]:
        return {interface.name: interface for interface in interfaces(a)}

    wait_until(lambda: list(found()) == ["plain", "eth0"], FOUND_SECONDS, "the kernel gives both their addresses")
    for interface in found().values():
        assert (interface.index, str(IPv6Address(interface.source))) == shown(a, interface.name)
    assert interfaces(a, "eth0") == [found()["eth0"]]
    assert interfaces(a, "eth1", "lo", "tun0", "none") == []


def test_an_address_that_is_still_tested_for_duplicates_does_not_count(lab: Lab) -> None:
    (a,) = lab.add_hosts("a")
    a.sysctl("net.ipv6.conf.default.accept_dad", 1)
    a.sysctl("net.ipv6.conf.default.dad_transmits", 3)  # seconds, so that it is still under way when we look
    a.ip("link add slow type veth peer name far", "link set far up", "link set slow up")
    assert interfaces(a, "slow") == []
    wait_until(lambda: interfaces(a, "slow") != [], FOUND_SECONDS, "the address is usable")
