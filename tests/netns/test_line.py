"""Five daemons in a line: everything that crosses one to three relays."""

import json
import re
import signal
import socket

import pytest

from tests.lab.daemon import PROGRAM, LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import ping
from tests.lab.traffic import echo_udp, exchange_tcp
from tests.lab.waiting import PATIENCE_S, wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import wait_answered, wait_status

pytestmark = pytest.mark.netns

SECONDS = 30.0


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    made = make_module_mesh(line("a", "b", "c", "d", "e"))
    made.start()
    made.wait_converged()
    return made


def test_all_reach_all(mesh: DaemonMesh) -> None:
    for one in mesh.daemons.values():
        for other in mesh.daemons.values():
            wait_answered(one, other, count=2)


@pytest.mark.parametrize("size", [8, 64, 1_352, 1_353, 4_000, 65_000])
def test_pings_of_every_size_cross_three_relays(mesh: DaemonMesh, size: int) -> None:
    wait_answered(mesh["a"], mesh["e"])  # fragments of more than one packet exceed what may wait for a session
    wait_answered(mesh["a"], mesh["e"], count=5, size=size)


def test_tcp_both_ways_at_once_arrives_unchanged(mesh: DaemonMesh) -> None:
    exchange_tcp(mesh["a"].host, mesh["e"].host, mesh["e"].address, 30_000_000, seconds=60)


@pytest.mark.parametrize("size", [1, 64, 1_200, 1_352, 8_000])
def test_udp_arrives_unchanged(mesh: DaemonMesh, size: int) -> None:
    assert echo_udp(mesh["a"].host, mesh["e"].host, mesh["e"].address, size=size, times=30) == 30


def test_traceroute_shows_every_relay(mesh: DaemonMesh) -> None:
    for daemon in mesh.daemons.values():
        daemon.is_traced = True
    wait_answered(mesh["a"], mesh["e"])
    output = mesh["a"].host.run("traceroute", "-6", "-n", "-q", "1", "-w", "10", mesh["e"].address).stdout
    hops = re.findall(r"^\s*\d+\s+(\S+)", output, re.MULTILINE)
    assert hops == [mesh[name].address for name in "bcde"], output


def test_an_address_nobody_has_is_unreachable_at_once(mesh: DaemonMesh) -> None:
    done = mesh["a"].host.run("ping", "-c", "2", "-i", "0.2", "-W", "20", "400:1:2:3::4", check=False)
    assert done.returncode == 1
    assert re.search(r"icmp_seq=1 Destination unreachable: No route", done.stdout), done.stdout
    with mesh["a"].host.entered():
        tcp = socket.socket(socket.AF_INET6)
    with tcp:
        tcp.settimeout(PATIENCE_S)
        with pytest.raises(OSError, match="Network is unreachable"):
            tcp.connect(("400:1:2:3::4", 9))


def test_a_closed_port_at_the_far_end_says_so(mesh: DaemonMesh) -> None:
    with mesh["a"].host.entered():
        tcp = socket.socket(socket.AF_INET6)
    with tcp:
        tcp.settimeout(PATIENCE_S)
        with pytest.raises(ConnectionRefusedError):
            tcp.connect((mesh["e"].address, 9))


def test_what_is_not_ours_never_leaves(mesh: DaemonMesh) -> None:
    """A packet from a foreign source address is dropped by the node it would leave."""
    host = mesh["a"].host
    host.ip("address add 400:bad::1/128 dev tun0 nodad")
    try:
        before = mesh["b"].counters()
        done = host.run("ping", "-c", "3", "-i", "0.1", "-W", "1", "-I", "400:bad::1", mesh["e"].address, check=False)
        assert " 0 received" in done.stdout
        assert before.keys() == mesh["b"].counters().keys()
    finally:
        host.ip("address del 400:bad::1/128 dev tun0")


def test_the_operator_sees_the_same_by_http_and_command_line(mesh: DaemonMesh) -> None:
    daemon = mesh["b"]
    assert daemon.get("admin") == {
        "nodeSubnet": daemon.subnet,
        "nodeIp": daemon.address,
        "nodePubkey": daemon.public_key,
        "nodeStartTime": daemon.get("admin")["nodeStartTime"],
    }
    wait_until(lambda: len(daemon.alive_peers()) == 2, SECONDS, "both neighbours are there")
    assert {peer["publicKey"] for peer in daemon.cli("peers", "list")} == {mesh[n].public_key for n in "ac"}
    peers = {peer["address"]: peer for peer in daemon.get("admin/peers")}
    assert {address: peer["origin"] for address, peer in peers.items()} == {
        mesh["a"].address: "inbound",
        mesh["c"].address: "static",
    }
    wait_until(lambda: all(peer["rttMs"] for peer in daemon.get("admin/peers")), SECONDS, "round trips are measured")
    wait_until(lambda: shows_the_same_routes(daemon), SECONDS, "both show the same routes")
    wait_status(daemon, tun="tun0", peersAlive=2, routes=4)
    assert daemon.cli("status")["counters"].keys() == daemon.counters().keys()


def shows_the_same_routes(daemon: LabDaemon) -> bool:
    """Compares all but metrics, which change from one moment to the next."""
    told = (daemon.cli("routes", "selected"), daemon.get("admin/routes/selected"))
    one, other = ([{**route, "metric": None, "cost": None} for route in routes] for routes in told)
    return bool(one == other)


def test_the_api_flag_may_stand_before_or_after_the_command(mesh: DaemonMesh) -> None:
    daemon = mesh["b"]
    flag = ("--api-addr", f"unix:{daemon.api_socket}")
    before = daemon.host.run(PROGRAM, *flag, "status", "--json").stdout
    after = daemon.host.run(PROGRAM, "status", "--json", *flag).stdout
    assert json.loads(before)["nodeIp"] == json.loads(after)["nodeIp"] == daemon.address


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_middle_node_may_restart(mesh: DaemonMesh, sign: signal.Signals) -> None:
    one, other, middle = mesh["a"], mesh["e"], mesh["c"]
    wait_answered(one, other)
    middle.stop(sign)
    wait_until(lambda: other.subnet not in one.reachable_subnets(), SECONDS, "the loss of the middle is noticed")
    mesh.start(["c"])
    wait_until(lambda: ping(one.host, other.address, wait=1).received, SECONDS, "the ends reach each other again")
    mesh.wait_converged()
    exchange_tcp(one.host, other.host, other.address, 3_000_000, seconds=60)


def test_a_restarted_end_is_reached_again(mesh: DaemonMesh) -> None:
    one, other = mesh["a"], mesh["e"]
    wait_answered(one, other)
    other.kill()
    mesh.start(["e"])
    wait_until(lambda: ping(one.host, other.address, wait=1).received, SECONDS, "the restarted end answers")
    wait_answered(other, one)
