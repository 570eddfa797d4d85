"""Two fresh hosts: one invites, the other joins by what that prints, and nobody else gets in."""

import socket
import subprocess
from pathlib import Path
from typing import Final

import dns.message
import dns.query
import pytest

from mycelium.wire.join import JOIN_BYTES, JOIN_REQUEST
from tests.lab.capture import Capture
from tests.lab.daemon import PORT, PROGRAM, LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.namespaces import NETNS_ETC
from tests.lab.ping import ping
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

SECONDS: Final = 30.0
DNS_PORT: Final = 53


def join(daemon: LabDaemon, config_file: Path, key_file: Path, uri: str) -> "subprocess.CompletedProcess[str]":
    """Joins as an operator does, with the invitation on standard input."""
    files = ("--config-file", str(config_file), "--key-file", str(key_file))
    words = daemon.host.command([str(PROGRAM), "join", "-", *files])
    return subprocess.run(words, input=uri, capture_output=True, text=True, timeout=SECONDS * 2, check=False)


def invite(mesh: DaemonMesh, *options: str) -> str:
    place = f"{mesh.cable('a', 'b').end(mesh['a'].host).ipv4}:{PORT}"
    return str(mesh["a"].cli("invite", "--at", place, *options)["uri"])


def looked_up(daemon: LabDaemon, name: str) -> str:
    """Returns what the system's resolver knows of a name."""
    return daemon.host.run("getent", "ahostsv6", name, check=False).stdout


def ask_for_names(mesh: DaemonMesh) -> None:
    """Asks a's server for names of the zone and others, and sees that no question leaves the host."""
    a, b = mesh["a"], mesh["b"]
    cable, answers, marker = mesh.cable("a", "b"), {}, b"the first datagram on the cable"
    with Capture(a.host, cable.end(a.host).interface, DNS_PORT) as questions:
        with a.host.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for name in ("laptop.corp.myc", "nobody.corp.myc", "example.org"):
                question = dns.message.make_query(name, "AAAA")
                answers[name] = dns.query.udp(question, a.address, timeout=SECONDS)
            stranger.sendto(marker, (cable.end(b.host).ipv4, DNS_PORT))
        wait_until(lambda: questions.payloads, SECONDS, "what is sent is captured")
    assert questions.payloads == [marker]
    assert [record.address for record in answers["laptop.corp.myc"].answer[0]] == [b.address]
    assert [answer.rcode().name for answer in answers.values()] == ["NOERROR", "NXDOMAIN", "REFUSED"]


@pytest.mark.parametrize("is_private", [True, False], ids=["private", "open"])
def test_a_host_joins_by_an_invitation_once_and_nobody_else(
    make_mesh: MakeMesh, tmp_path: Path, is_private: bool
) -> None:
    mesh = make_mesh(line("a", "b"))
    a, b = mesh["a"], mesh["b"]
    mesh.daemons["a"].peers.clear()
    mesh.daemons["b"].peers.clear()
    if is_private:
        a.host.run(PROGRAM, "generate-network-key", tmp_path / "corp")
        a.options += ["--network-key-file", str(tmp_path / "corp"), "--network-name", "corp"]
        a.host.name_hosts({})
        a.options += ["--hosts-file", str(NETNS_ETC / a.host.namespace / "hosts")]
    mesh.start(["a"])
    uri = invite(mesh, "--name", "laptop")
    config = tmp_path / "b" / "mycelium.toml"
    cable = mesh.cable("a", "b").end(a.host)
    with Capture(a.host, cable.interface, PORT) as seen:
        done = join(b, config, b.key_file, uri)
        wait_until(lambda: seen.payloads, SECONDS, "the request is captured")
    assert (done.returncode, done.stderr) == (0, "")
    name = f"laptop.corp ({b.address})" if is_private else b.address
    assert done.stdout == f"you are {name}; to start the daemon: mycelium --config-file {config}\n"
    b.options += ["--config-file", str(config)]
    mesh.start(["b"])
    wait_until(lambda: ping(b.host, a.address, wait=1).received, SECONDS, "the member is reached")
    if is_private:
        wait_until(lambda: "laptop" in {route["name"] for route in a.get("admin/routes/selected")}, SECONDS, "its name")
        assert a.cli("explain", "laptop")["node"] == b.address
        wait_until(lambda: b.address in looked_up(a, "laptop.corp.myc"), SECONDS, "its name is in the hosts file")
        ask_for_names(mesh)
    assert [event["node"] for event in a.events(kind="joined")] == [b.address]

    refused = join(b, tmp_path / "c.toml", tmp_path / "c.key", uri)
    assert refused.returncode == 1
    assert refused.stderr == "mycelium: the invitation is refused: it was used already, as often as it may be\n"
    assert not (tmp_path / "c.toml").exists()

    recorded = next(one for one in seen.payloads if one[0] == JOIN_REQUEST)
    strange = bytes((JOIN_REQUEST, 1)).ljust(JOIN_BYTES, b"x")
    with b.host.entered():
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with stranger:
        stranger.setblocking(False)
        before = a.counters()["joins_refused"]
        for datagram in (recorded, strange):
            stranger.sendto(datagram, (cable.ipv4, PORT))
        wait_until(lambda: a.counters()["joins_refused"] == before + 2, SECONDS, "both are refused")
        with pytest.raises(BlockingIOError):
            stranger.recv(JOIN_BYTES)
