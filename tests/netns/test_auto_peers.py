"""Automatic peers carry a mesh that has lost every peer of its lists, and bring a node back into it."""

from functools import partial
from pathlib import Path

import pytest

from tests.lab.daemon import PORT, LabDaemon, start_all
from tests.lab.laboratory import Lab
from tests.lab.ping import ping
from tests.lab.waiting import wait_until
from tests.netns.conftest import on_one_switch
from tests.netns.healing import wait_answered

pytestmark = pytest.mark.netns

LINKED_SECONDS = 30.0
SAVED_SECONDS = 30.0


def automatic(daemon: LabDaemon) -> set[str]:
    return {peer["publicKey"] for peer in daemon.get("admin/peers") if peer["origin"] == "automatic"}


def test_a_mesh_outlives_its_only_hub_and_takes_a_node_back_that_knows_nobody_else(lab: Lab, tmp_path: Path) -> None:
    hosts = on_one_switch(lab, "habc")
    for number, host in enumerate(hosts, 1):
        host.ip(f"address add 5.0.{number}.1/8 dev eth0")
    hub, *others = (LabDaemon(host, tmp_path, options=["--auto-peers", "2"]) for host in hosts)
    lab.daemons += [hub, *others]
    for daemon in others:
        daemon.peers = [f"udp://5.0.1.1:{PORT}"]
    start_all([hub, *others])
    for daemon in others:
        wait_until(partial(lambda one: one.alive_peers() - {hub.public_key}, daemon), LINKED_SECONDS, "a further link")
    hub.kill()
    a, b, c = others
    for daemon in (b, c):
        wait_until(partial(lambda one: len(one.reachable_subnets()) == 2, daemon), LINKED_SECONDS, "a whole mesh")
        wait_answered(a, daemon)
    knows = a.key_file.with_name(a.key_file.name + ".peers")
    wait_until(lambda: knows.exists() and b.public_key in knows.read_text(), SAVED_SECONDS, "what it knows is kept")
    assert a.stop() == 0
    start_all([a])
    wait_until(lambda: len(a.reachable_subnets()) == 2, LINKED_SECONDS, "a is back")
    wait_until(lambda: ping(c.host, a.address, count=1).received, LINKED_SECONDS, "a answers")
    assert automatic(a) <= {b.public_key, c.public_key}
