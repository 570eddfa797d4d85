"""A network of members: one brings in another by an invitation, who has the key alone stays out, one is put out by all."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

from mycelium.admin.network_file import read_network
from mycelium.admin.private_file import create_network_key
from tests.lab.daemon import PORT, PROGRAM, LabDaemon
from tests.lab.ping import ping
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

SECONDS: Final = 30.0


def network(daemon: LabDaemon, *arguments: str | Path) -> str:
    """Runs `mycelium network` on a host, and returns what it prints."""
    return daemon.host.run(PROGRAM, "network", *arguments).stdout


def test_members_come_in_by_certificates_and_go_by_a_list(make_mesh: MakeMesh, tmp_path: Path) -> None:
    mesh = make_mesh([("b", "a"), ("x", "a"), ("c", "a")])
    a, b, c, x = mesh["a"], mesh["b"], mesh["c"], mesh["x"]
    root, member, key, config = (tmp_path / name for name in ("corp.root", "a.member", "x.psk", "b.toml"))
    network(a, "create", root)
    network(a, "admit", root, member, "--may-invite", "--key-file", a.key_file)
    a.options += ["--network-key-file", str(member), "--network-name", "corp"]
    of_c = network(c, "key", "--key-file", c.key_file).strip()
    network(a, "admit", root, tmp_path / "c.member", of_c)  # which has both keys
    c.options += ["--network-key-file", str(tmp_path / "c.member"), "--network-name", "corp"]
    create_network_key(key, read_network(member).key)  # somebody has got hold of the network's key
    x.options += ["--network-key-file", str(key), "--network-name", "corp"]
    mesh.start(["a", "c", "x"])
    uri = a.cli("invite", "--at", f"{mesh.cable('a', 'b').end(a.host).ipv4}:{PORT}")["uri"]
    words = b.host.command([str(PROGRAM), "join", "-", "--config-file", str(config), "--key-file", str(b.key_file)])
    subprocess.run(words, input=uri, capture_output=True, text=True, timeout=SECONDS, check=True)
    b.options += ["--config-file", str(config)]
    b.peers.clear()
    mesh.start(["b"])
    wait_until(lambda: ping(b.host, c.address, wait=1).received, SECONDS, "a member is reached over another")
    for one in (b, c):  # of a on the link, and of each other in the session
        assert one.counters()["members_shown"] >= 2
        assert one.counters()["key_proofs_taken"] >= 2
        assert one.counters()["trains_unproved"] == one.counters()["sessions_unproved"] == 0
    wait_until(lambda: a.events(kind="member-refused"), SECONDS, "who has no certificate is refused")
    assert {event["node"] for event in a.events(kind="member-refused")} == {x.address}
    assert x.reachable_subnets() == set()
    assert a.reachable_subnets() == {b.subnet, c.subnet}
    assert [one.counters()["key_proofs_taken"] > 0 for one in (a, b, c)] == [True] * 3
    assert a.get("admin/status")["member"].endswith("may invite; 0 removed")
    network(a, "remove", root, b.address)
    network(a, "tell", f"{root}.removed", "--api-addr", f"unix:{a.api_socket}")
    wait_until(lambda: a.reachable_subnets() == {c.subnet}, SECONDS, "who was removed is out")
    assert a.get("admin/status")["member"].endswith("1 removed")
    wait_until(lambda: c.get("admin/status")["member"].endswith("1 removed"), SECONDS, "a neighbour tells the others")
