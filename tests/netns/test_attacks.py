"""A neighbour that floods a real daemon is named, and honest nodes go on; `./dev attack` has all attacks."""

from contextlib import closing
from typing import Any, Final

import pytest

from tests.hostile.acts import ACTS
from tests.hostile.attacker import Attacker
from tests.lab.daemon import PORT, LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import ping
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

FLOODS: Final = {"begin streams with forgeries": 20_000, "send junk": 60_000}
SECONDS: Final = 1.5
MEMORY_BYTES: Final = 100 << 20
NAMED_SECONDS: Final = 20.0
PINGS: Final = 20


def named(victim: LabDaemon, attacker: Attacker) -> list[dict[str, Any]]:
    excesses = victim.events(kind="neighbour-excessive")
    return [event for event in excesses if event["node"] == attacker.address]


def test_a_flooding_neighbour_is_named_and_honest_nodes_go_on(make_mesh: MakeMesh) -> None:
    mesh: DaemonMesh = make_mesh([*line("a", "v", "b"), ("x", "v")])
    mesh.start("avb")
    mesh.wait_converged()
    victim, memory = mesh["v"], mesh["v"].rss_bytes()
    with mesh.hosts["x"].entered():
        attacker = Attacker((mesh.cable("x", "v").end(victim.host).ipv4, PORT))
    with closing(attacker):
        attacker.wait_linked()
        for name, per_second in FLOODS.items():
            act = ACTS[name]
            attacker.flood(act.prepare(attacker), per_second=per_second / act.each, seconds=SECONDS)
    wait_until(lambda: named(victim, attacker), NAMED_SECONDS, "the journal names the attacker")
    assert victim.rss_bytes() - memory < MEMORY_BYTES

    def is_served() -> bool:
        return ping(mesh["a"].host, mesh["b"].address, count=PINGS, interval=0.01).received == PINGS

    wait_until(is_served, NAMED_SECONDS, "all pings between honest nodes are answered")
