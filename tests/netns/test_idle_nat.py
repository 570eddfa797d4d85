"""A link through a NAT outlives any silence of its users, and follows the NAT to another port.

Idle links are probed each 2 to 5 s. No NAT forgets a mapping of UDP within 30 s, and most keep it for two
minutes and more (RFC 4787, REQ-5). So the timeouts here are shorter than real ones.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.lab.daemon import PORT, LabDaemon, start_all
from tests.lab.laboratory import Lab
from tests.lab.nat import Internet, NatKind
from tests.lab.ping import answers
from tests.lab.waiting import wait_steady, wait_until

pytestmark = pytest.mark.netns

TIMEOUT_S: Final = 6
IDLE_S: Final = 2.2 * TIMEOUT_S


def test_an_idle_link_keeps_its_port_at_the_nat_and_follows_it_to_another_one(tmp_path: Path) -> None:
    with Lab() as lab:
        internet = Internet(lab)
        nat = internet.add_nat("nat", NatKind.SYMMETRIC)
        nat.set_udp_timeout(TIMEOUT_S)
        server = LabDaemon(internet.add_host("server"), tmp_path)
        client = LabDaemon(nat.add_host("client"), tmp_path)
        client.peers.append(f"udp://{lab.cables[1].ends[1].ipv4}:{PORT}")
        lab.daemons += [server, client]
        start_all([server, client])
        wait_until(lambda: answers(server.host, client.address), 20, "the client is reached")

        def port() -> str:
            return "".join(peer["endpoint"]["addr"]["socket"] for peer in server.get("admin/peers"))

        before = wait_steady(port, IDLE_S, 60, "the port at the NAT")
        wait_until(lambda: answers(server.host, client.address, count=3), 20, "the client is still reached")
        assert port() == before

        nat.set_udp_timeout(1)
        wait_until(lambda: port() != before, 20, "the NAT has given another port")
        wait_until(lambda: answers(server.host, client.address, count=3), 20, "the client is reached at it")
        assert server.events(kind="link-down") == []
