"""Links keep to the network below: never through the overlay itself, whoever tries, and over link-local addresses too."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import permutations

import pytest

from mycelium.transport.multicast import find_interfaces
from mycelium.wire.beacon import BEACON_GROUP
from tests.lab.daemon import PORT, PROGRAM, TUN, LabDaemon
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import Pings, answers
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import Losses, wait_answered, wait_told

pytestmark = pytest.mark.netns

MARK = 51_820
LINKED_SECONDS = 20.0
ETH_P_IPV6 = 0x86DD


@contextmanager
def datagrams_into(daemon: LabDaemon) -> Iterator[socket.socket]:
    """Captures what enters a daemon's TUN device: a socket that has a packet once something did."""
    with daemon.host.entered():
        capture = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IPV6))
    with capture:
        capture.bind((TUN, ETH_P_IPV6))
        capture.setblocking(False)
        yield capture


def links_packets(capture: socket.socket) -> int:
    """Returns how many captured packets were those of links, by UDP or TCP, on their way out."""
    found = 0
    while True:
        try:
            packet, (_, _, kind, _, _) = capture.recvfrom(2_048)
        except BlockingIOError:
            return found
        found += kind == socket.PACKET_OUTGOING and PORT in (
            int.from_bytes(packet[40:42], "big"),
            int.from_bytes(packet[42:44], "big"),
        )


def failure(daemon: LabDaemon, url: str) -> str:
    causes = [event["cause"] for event in daemon.events(kind="peer-failed") if event["peer"] == url]
    return causes[-1] if causes else ""


def blames(daemon: LabDaemon, url: str, cause: str) -> bool:
    return cause in failure(daemon, url)


def is_linked(one: LabDaemon, other: LabDaemon) -> bool:
    return one.alive_peers() == {other.public_key}


def test_no_link_runs_through_the_overlay_whoever_starts_it(lab: Lab, make_mesh: MakeMesh) -> None:
    mesh = make_mesh(line("a", "b", "c"))
    a, c = mesh["a"], mesh["c"]
    a.host.name_hosts({"c.mesh": c.address})
    a.peers.append(f"udp://c.mesh:{PORT}")
    mesh.start()
    mesh.wait_converged()
    # the node itself: by address, and by a name that leads there
    for scheme in ("udp", "tcp"):
        refused = a.host.run(
            *(PROGRAM, "peers", "add", f"{scheme}://[{c.address}]:{PORT}", "--api-addr", f"unix:{a.api_socket}"),
            check=False,
        )
        assert refused.returncode
        assert "lies in the overlay (400::/7)" in refused.stderr
    wait_until(lambda: "lies in the overlay" in failure(a, f"udp://c.mesh:{PORT}"), 30, "the name's address is refused")
    # another one, which knows nothing of overlays, through the TUN device of its host
    c.host.ip(f"route add fd99::/64 dev {TUN}")
    chain = f"chain out {{\n type nat hook output priority -100\n ip6 daddr fd99::1 dnat to {a.address}\n }}\n"
    c.host.apply_rules(f"table ip6 inside {{\n {chain} }}\n")
    folder = a.key_file.with_name("stranger")
    folder.mkdir()
    options = ["--no-tun", "--listen", "udp://[::]:7000"]
    stranger = LabDaemon(c.host, folder, options=options, seed=bytes(range(32)))
    lab.daemons.append(stranger)
    stranger.peers = [f"udp://[fd99::1]:{PORT}", f"tcp://[fd99::1]:{PORT}"]
    stranger.start()
    stranger.wait_ready()
    before, began = a.counters(), a.cpu_seconds()
    with Pings(a.host, c.address, interval=0.05) as pings:

        def drops() -> dict[str, int]:
            return {name: a.counters()[name] - before[name] for name in ("udp_inside_dropped", "tcp_inside_refused")}

        wait_until(lambda: min(drops().values()) and sum(drops().values()) > 8, 30, lambda: f"drops: {drops()}")
        result = pings.finish()
    assert result.received >= result.sent - 1
    assert a.cpu_seconds() - began < 2 + 0.2 * result.sent * 0.05
    assert stranger.alive_peers() == set()
    assert a.alive_peers() == {mesh["b"].public_key}
    stranger.stop()


@pytest.fixture
def behind_router(make_mesh: MakeMesh) -> DaemonMesh:
    """`a` reaches `c` through the router `r`, by its default route; both have IPv6 only."""
    mesh = make_mesh([("a", "r"), ("r", "c")])
    a, r, c = (mesh[name].host for name in "arc")
    near, far = mesh.cable("a", "r"), mesh.cable("r", "c")
    r.sysctl("net.ipv6.conf.all.forwarding", 1)
    a.ip(f"route add ::/0 via {near.end(r).ipv6}")
    c.ip(f"route add ::/0 via {far.end(r).ipv6}")
    mesh["a"].peers = [f"{scheme}://[{far.end(c).ipv6}]:{PORT}" for scheme in ("udp", "tcp")]
    mesh["c"].peers = []
    return mesh


def test_a_default_route_into_the_device_takes_the_links_down_and_says_so(behind_router: DaemonMesh) -> None:
    a, c = behind_router["a"], behind_router["c"]
    behind_router.start("ac")
    behind_router.wait_converged()
    with datagrams_into(a) as capture:
        a.host.ip(f"route add ::/0 dev {TUN} metric 1")
        wait_until(lambda: not a.alive_peers(), LINKED_SECONDS, "the link is down")
        for url in a.peers:
            wait_until(partial(blames, a, url, f"leads into {TUN}, so through the overlay"), 20, "a says why")
        links_packets(capture)
        wait_until(lambda: a.counters()["endpoint_refused"], 20, "what it would have sent is counted")
        assert "nothing is sent to" in a.log()
        tried = len(a.events(kind="peer-failed"))
        wait_until(lambda: len(a.events(kind="peer-failed")) > tried, 30, "a tries again")
        assert links_packets(capture) == 0
    a.host.ip(f"route del ::/0 dev {TUN} metric 1")
    wait_until(lambda: a.alive_peers() == {c.public_key}, LINKED_SECONDS, "the link is back")


def test_marked_links_stay_below_a_default_route_into_the_device(behind_router: DaemonMesh) -> None:
    a, c = behind_router["a"], behind_router["c"]
    gateway = behind_router.cable("a", "r").end(behind_router["r"].host).ipv6
    a.options += ["--firewall-mark", str(MARK)]
    a.host.ip(f"route add ::/0 via {gateway} table {MARK}")
    a.host.run("ip", "-6", "rule", "add", "fwmark", str(MARK), "table", str(MARK))
    behind_router.start("ac")
    behind_router.wait_converged()
    wait_answered(a, c)
    losses = Losses(a, c)
    with datagrams_into(a) as capture, Pings(a.host, c.address) as pings:
        a.host.ip(f"route add ::/0 dev {TUN} metric 1")
        wait_answered(a, c, count=100)
        result = pings.finish()
        losses.assert_none(result)
        assert links_packets(capture) == 0
    assert a.alive_peers() == {c.public_key}
    assert a.counters()["endpoint_refused"] == 0


def test_tunnels_over_the_overlay_carry_no_links(make_mesh: MakeMesh) -> None:
    """Two Ethernet segments joined over the overlay: neither beacons nor a peer's URL make a link over them."""
    mesh = make_mesh(line("a", "b", "c"))
    a, c = mesh["a"], mesh["c"]
    for daemon in (a, c):
        daemon.discovers = True
        daemon.options += ["--peer-discovery-interface", "segment"]
    mesh.start()
    mesh.wait_converged()
    for daemon, other, number in ((a, c, 1), (c, a, 2)):
        daemon.host.ip(
            f"link add segment type vxlan id 7 local {daemon.address} remote {other.address} dstport 4789 dev {TUN}",
            f"address add 10.99.0.{number}/24 dev segment",
            "link set segment mtu 1300 up",
            "link add upper link segment type macvlan mode bridge",
            f"address add 10.98.0.{number}/24 dev upper",
            "link set upper up",
            f"link add island type vxlan id 8 group ff02::42 dstport 4790 dev {TUN}",
            "link add yard type bridge",
            "link set island mtu 1300 master yard up",
            f"address add 10.97.0.{number}/24 dev yard",
            "link set yard up",
        )
        daemon.host.run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "island", "dst", other.address)
    for address, interface in (("10.99.0.2", "segment"), ("10.98.0.2", "upper"), ("10.97.0.2", "island")):
        wait_until(partial(answers, a.host, address, count=3), LINKED_SECONDS, f"{interface} leads to c")
        a.cli("peers", "add", f"udp://{address}:{PORT}")
        reason = f"leads into {interface}, so through the overlay itself"
        wait_until(partial(blames, a, f"udp://{address}:{PORT}", reason), LINKED_SECONDS, f"{interface} is refused")
    assert a.counters()["beacons_sent"] == c.counters()["beacons_sent"] == 0
    assert a.alive_peers() == c.alive_peers() == {mesh["b"].public_key}


def test_link_local_peers_link_by_each_way_to_write_them(make_mesh: MakeMesh) -> None:
    mesh = make_mesh([("a", "b"), ("c", "d")])
    for one, other in (("a", "b"), ("c", "d")):
        near = mesh.cable(one, other).end(mesh[one].host).interface
        with mesh[other].host.entered():
            [interface] = wait_until(partial(find_interfaces, [BEACON_GROUP]), 20, "the kernel gives an address")
            address = socket.inet_ntop(socket.AF_INET6, interface.source)
        with mesh[one].host.entered():
            index = socket.if_nametoindex(near)
        mesh[one].peers = [f"udp://[{address}%{near}]:{PORT}" if one == "a" else f"tcp://[{address}%{index}]:{PORT}"]
    mesh.start()
    for one, other in (("a", "b"), ("c", "d")):
        for end, far in permutations((mesh[one], mesh[other])):
            wait_until(partial(is_linked, end, far), LINKED_SECONDS, f"{end.name} has a link to {far.name}")
    a = mesh["a"]
    for name, action in (("a", "remove"), ("b", "add"), ("c", "remove"), ("d", "add")):
        mesh[name].cli("peers", action, wait_told(mesh[name], "link-up", 0)["after"])
    missing = f"udp://[fe80::1%nosuch0]:{PORT}"
    by_socket = ("--api-addr", f"unix:{a.api_socket}")
    assert "no interface" in a.host.run(PROGRAM, *by_socket, "peers", "add", missing, check=False).stderr
    for url in (f"udp://[fe80::1%25eth0]:{PORT}", f"udp://0.0.0.0:{PORT}"):
        refused = a.host.run(PROGRAM, "--key-file", a.key_file, "--peers", url, check=False)
        assert refused.returncode
        assert "is not a valid URL" in refused.stderr
