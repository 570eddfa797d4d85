"""What the commands tell: of the way from one to another of nine relays, none with a TUN device, and of broken hosts."""

import contextlib
import json
import socket
import stat
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.lab.daemon import PORT, PROGRAM, LabDaemon, start_all
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, grid
from tests.lab.namespaces import LabHost
from tests.lab.nat import Internet, NatKind
from tests.lab.waiting import wait_until
from tests.netns.conftest import GIVEN_LINKS, MakeMesh

pytestmark = pytest.mark.netns

PAIRS = 20
PATIENT_S = 30.0
NORTH, SOUTH = "r0c0", "r2c2"
LEVELS = ("", "ok", "warn", "fail")
STATUSES = {"ok": 0, "warn": 1, "fail": 4}


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    made = make_module_mesh(grid(3, 3), options=(*GIVEN_LINKS, "--no-tun"))
    for daemon in made.daemons.values():
        daemon.is_traced = True
    made.start()
    made.wait_converged()
    made.wait_linked()
    return made


def status_of(daemon: LabDaemon, *arguments: str) -> int:
    """Returns the exit status of a command line about a daemon."""
    return daemon.host.run(PROGRAM, "--api-addr", f"unix:{daemon.api_socket}", *arguments, check=False).returncode


def tried(ask: Callable[[], Any]) -> Any:
    """Returns an answer, None where there is no route: a node that has no turn for a while is taken for lost."""
    with contextlib.suppress(AssertionError):
        return ask()
    return None


def is_traced_along_next_hops(mesh: DaemonMesh, one: str, other: str) -> bool:
    """Tells whether a trace names the nodes that next hops lead through; they may have changed meanwhile."""
    found = tried(lambda: mesh[one].get(f"admin/trace/{mesh[other].address}"))
    way = [mesh[name].address for name in mesh.path(one, other)[1:]]
    return found is not None and [hop["node"] for hop in found["hops"]] == way


def test_a_trace_is_the_chain_of_next_hops(mesh: DaemonMesh) -> None:
    for one, other in Random(1).sample(list(permutations(mesh.daemons, 2)), PAIRS):
        wait_until(
            lambda one=one, other=other: is_traced_along_next_hops(mesh, one, other),  # type: ignore[misc]
            PATIENT_S,
            f"the trace from {one} to {other} is {mesh.path(one, other)}",
        )


def test_the_commands_agree_on_the_way_to_a_far_node(mesh: DaemonMesh) -> None:
    near, far = mesh[NORTH], mesh[SOUTH]

    def answers() -> bool:
        found = tried(lambda: near.cli("ping", "-c", "1", "-w", "5", far.address))
        return found is not None and any(one["rttMs"] for one in found["answers"])

    wait_until(answers, PATIENT_S, "the far node answers")
    wait_until(lambda: do_ping_and_explain_agree(mesh), PATIENT_S, "ping and explain tell the way that there is")
    wait_until(lambda: sessions(near, far) == [("open", False)], PATIENT_S, "one session is open, over relays")
    assert {link["address"] for link in near.cli("links")} == {mesh["r0c1"].address, mesh["r1c0"].address}
    wait_until(
        lambda: sum(link["routes"] for link in near.cli("links")) == len(mesh.daemons) - 1,
        PATIENT_S,
        "all others are reached over its links",
    )


def sessions(near: LabDaemon, far: LabDaemon) -> list[tuple[str, bool]]:
    return [(one["state"], one["direct"]) for one in near.cli("sessions") if one["node"] == far.address]


def do_ping_and_explain_agree(mesh: DaemonMesh) -> bool:
    """Tells whether they name the way that next hops lead; it may change while they are asked, where jitter has it so."""
    near, far = mesh[NORTH], mesh[SOUTH]
    way = mesh.path(NORTH, SOUTH)
    pinged = tried(lambda: near.get(f"admin/ping/{far.public_key}?wait=5"))
    explained = tried(lambda: near.cli("explain", far.address))
    if pinged is None or explained is None:
        return False
    assert (pinged["node"], pinged["direct"]) == (far.address, False)
    candidates = {one["nextHop"] for one in explained["candidates"]}
    assert candidates <= {mesh["r0c1"].address, mesh["r1c0"].address}
    is_as_long: bool = pinged["hops"] == len(way) - 1
    return is_as_long and mesh[way[1]].address == explained["nextHop"] in candidates


def test_a_speed_test_measures_both_directions_across_relays(mesh: DaemonMesh) -> None:
    near, far = mesh[NORTH], mesh[SOUTH]

    def measured() -> Any:
        """Returns a result, unless a busy host kept one end waiting for the other for too long."""
        command = (PROGRAM, "--api-addr", f"unix:{near.api_socket}", "speedtest", "--json", "-s", "0.5", far.address)
        found = json.loads(near.host.run(*command, check=False).stdout or "null")  # nothing is printed without a route
        return found if found and found["sent"] and found["received"] else None

    found = wait_until(measured, PATIENT_S, "a speed test is done")
    assert (found["phase"], found["direct"], len(found["hops"]) >= 4) == ("over", False, True)
    assert 0 < found["received"]["bytes"] <= found["sent"]["bytes"]
    assert found["sent"]["bitsPerS"] > 0
    assert far.counters()["speed_tests_answered"] > 0


def test_a_capture_is_opened_to_the_packets_that_passed(mesh: DaemonMesh, tmp_path: Path) -> None:
    near, far = mesh[NORTH], mesh[SOUTH]
    file = tmp_path / "near.pcapng"
    options = ("--api-addr", f"unix:{near.api_socket}")
    capture = near.host.start(PROGRAM, *options, "capture", "-w", str(file), stderr=subprocess.DEVNULL)

    def dissected() -> str:
        """Returns what has been captured after one more ping; its end may be on its way into the file."""
        status_of(near, "ping", "-c", "1", far.address)
        return near.host.run(PROGRAM, "dissect", file, check=False).stdout if file.exists() else ""

    wait_until(lambda: f"from {far.address}, to {near.address}" in dissected(), PATIENT_S, "its answer is captured")
    wait_until(lambda: "echo: kind reply" in dissected(), PATIENT_S, "the echo in it is opened")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    capture.terminate()
    capture.wait(PATIENT_S)
    near.host.run(PROGRAM, *options, "capture", "-s", "0.5")  # another one begins at once


def test_a_node_that_is_gone_is_told_by_status_and_reason(mesh: DaemonMesh) -> None:
    near, gone = mesh[NORTH], mesh["r2c0"]
    gone.stop()
    wait_until(lambda: gone.subnet not in near.reachable_subnets(), PATIENT_S, "its loss is noticed")
    for command in (["ping", "-c", "1"], ["trace"], ["explain"]):
        is_told = partial(lambda *words: status_of(near, *words, gone.address) == 4, *command)
        wait_until(is_told, PATIENT_S, f"{command[0]} tells that it is gone")
    assert status_of(near, "ping", "berlin") == 1


# -- the doctor --------------------------------------------------------------------------------------------------------


def findings(host: LabHost, *arguments: str | Path, before: Sequence[str] = ()) -> dict[str, tuple[str, str]]:
    """Returns level and text of what the doctor finds, by check; several of one check are joined."""
    done = host.run(*before, PROGRAM, "doctor", "--json", *arguments, check=False)
    found: dict[str, tuple[str, str]] = {}
    for one in json.loads(done.stdout):
        level, text = found.get(one["check"], ("", ""))
        assert one["remedy"] or one["level"] == "ok", one
        found[one["check"]] = max(level, one["level"], key=LEVELS.index), f"{text}{one['text']}\n"
    assert done.returncode == STATUSES[max((level for level, _ in found.values()), key=LEVELS.index)]
    return found


def test_the_doctor_names_what_a_start_would_meet(lab: Lab, tmp_path: Path) -> None:
    """Nobody runs a daemon here; the interface of IPv6, the device, the rights, the port and the key are broken by turns."""
    [host] = lab.add_hosts(["sick"])
    key_file = tmp_path / "key"
    flags = ("--api-addr", f"unix:{tmp_path}/none.sock", "--key-file", str(key_file))
    found = findings(host, *flags)
    assert found.pop("daemon")[0] == "fail"
    found.pop("clock")  # nobody keeps that of a machine for tests, perhaps
    assert {level for level, _ in found.values()} == {"ok"}
    host.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    assert findings(host, *flags)["ipv6"] == ("fail", "switched off by net.ipv6.conf.all.disable_ipv6\n")
    host.sysctl("net.ipv6.conf.all.disable_ipv6", 0)
    host.sysctl("net.ipv6.conf.default.disable_ipv6", 1)  # which the daemon's interface would have
    assert findings(host, *flags)["ipv6"] == ("fail", "switched off by net.ipv6.conf.default.disable_ipv6\n")
    host.sysctl("net.ipv6.conf.default.disable_ipv6", 0)
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"]
    assert findings(host, *flags, before=hidden)["device"] == ("fail", "/dev/net/tun: No such file or directory\n")
    weak = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    assert findings(host, *flags, before=weak)["rights"] == ("fail", "no CAP_NET_ADMIN\n")
    key_file.write_bytes(b"junk")
    assert findings(host, *flags)["files"][0] == "fail"
    key_file.unlink()
    with host.entered():
        held = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with held:
        held.bind(("::", PORT))
        assert findings(host, *flags)["port"] == ("fail", f"UDP port {PORT}: Address already in use\n")


def test_the_doctor_names_what_keeps_a_daemon_from_its_peers(make_mesh: MakeMesh) -> None:
    """One peer is pinned to another key, one is not there, the cable to the third is narrow, and a route leads elsewhere."""
    mesh = make_mesh([("a", "b")])
    daemon, far = mesh["a"], mesh.cable("a", "b").end(mesh["b"].host)
    mesh.cable("a", "b").set_mtu(800)
    place = f"udp://{far.ipv4}:{PORT}"
    daemon.peers[:] = [place, f"{place}#{'ab' * 32}", "udp://10.255.255.1:9"]
    daemon.host.ip(f"route add default via {far.ipv4}")
    mesh.start()
    mesh.wait_converged()
    address = ("--api-addr", f"unix:{daemon.api_socket}")

    def is_told() -> bool:
        found = findings(daemon.host, *address)
        level, text = found["peer"]
        levels = [
            level,
            *(found[name][0] for name in ("mtu", "route", "device") if name in found),
        ]  # no MTU without a link
        return "pinned" in text and "10.255.255.1" in text and levels == ["warn", "warn", "ok", "ok"]

    wait_until(is_told, PATIENT_S, lambda: f"peers and MTU are told: {findings(daemon.host, *address)}")
    daemon.host.ip("link add other type bridge", "link set other up", "address add 2001:db8::1/64 dev other nodad")
    daemon.host.ip("route add 400::/8 dev other")
    level, text = findings(daemon.host, *address)["route"]
    assert (level, "packets would come from" in text) == ("fail", True), text
    mesh["b"].kill()
    wait_until(
        lambda: findings(daemon.host, *address)["peers"][0] == "fail",
        PATIENT_S,
        "without any link the peers have failed",
    )
    assert findings(daemon.host, *address)["firewall"][0] == "ok"
    chain = "{ type filter hook input priority 0; policy drop; }"
    daemon.host.run("nft", f"add table inet shut; add chain inet shut input {chain}")
    assert "drops what none of its rules accepts" in findings(daemon.host, *address)["firewall"][1]
    daemon.host.run("nft", f"add rule inet shut input udp dport {PORT} counter drop")
    level, text = findings(daemon.host, *address)["firewall"]
    assert (level, f"drops packets to UDP port {PORT}, 0 of them so far" in text) == ("fail", True), text


def is_reached(client: LabDaemon, level: str, text: str) -> bool:
    """Tells whether the doctor of a client says of its being reached what is expected."""
    found = findings(client.host, "--api-addr", f"unix:{client.api_socket}")["reach"]
    return found[0] == level and text in found[1]


def test_the_doctor_tells_whether_others_can_dial_a_node_behind_a_nat(tmp_path: Path) -> None:
    """A server knocks at two hosts that have dialled it: one router lets everybody in, the other answers only."""
    with Lab() as lab:
        internet = Internet(lab)
        server = LabDaemon(internet.add_host("server"), tmp_path)
        place = f"udp://{lab.cables[0].ends[1].ipv4}:{PORT}"
        clients: list[LabDaemon] = []
        for kind in (NatKind.FULL_CONE, NatKind.PORT_RESTRICTED):
            nat = internet.add_nat(f"nat{len(clients)}", kind)
            clients.append(LabDaemon(nat.add_host(f"client{len(clients)}"), tmp_path))
            clients[-1].peers.append(place)
        lab.daemons += [server, *clients]
        start_all([server, *clients])
        told = ("has reached this node from another port, over IPv4", "none could reach this node from another port")
        for client, level, text in zip(clients, ("ok", "warn"), told, strict=True):
            wait_until(partial(is_reached, client, level, text), PATIENT_S, f"{client.host.name} is told: {text}")
