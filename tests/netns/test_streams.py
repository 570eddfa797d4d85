"""Meshes over TLS and WebSocket, where a firewall drops UDP: directly, behind a web server, and through proxies."""

import pytest

from tests.lab.mesh import DaemonMesh, line
from tests.lab.ping import ping
from tests.lab.traffic import exchange_tcp
from tests.netns.conftest import MakeMesh
from tests.netns.test_tcp import block_udp, schemes

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    """Three in a line, by TLS and by WebSocket, with a firewall on each cable that drops UDP."""
    made = make_module_mesh(line("a", "b", "c"))
    for cable in made.cables.values():
        block_udp(cable)
    for name, scheme in (("a", "tls"), ("b", "wss")):
        made[name].peers = [url.replace("udp://", f"{scheme}://") for url in made[name].peers]
    made.start()
    made.wait_converged()
    return made


def test_pings_and_a_transfer_both_ways_cross_tls_and_websocket(mesh: DaemonMesh) -> None:
    a, b, c = (mesh[name] for name in "abc")
    assert ping(a.host, c.address, count=5, size=65_000).received == 5
    assert schemes(a, b) == schemes(b, a) == {"tls"}
    assert schemes(b, c) == schemes(c, b) == {"wss"}
    exchange_tcp(a.host, c.host, c.address, 30_000_000, seconds=60)
