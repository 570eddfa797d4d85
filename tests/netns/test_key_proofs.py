"""Daemons that are pinned to each other's ML-DSA keys: a link where they are proved, and the cause where one is not."""

import pytest

from tests.lab.daemon import PORT
from tests.lab.ping import ping
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

SECONDS = 30.0


def test_a_peer_is_reached_by_its_fingerprint_and_not_by_another(make_mesh: MakeMesh) -> None:
    mesh = make_mesh([("a", "b"), ("x", "b")])
    a, b, x = mesh["a"], mesh["b"], mesh["x"]
    wrong = "ab" * 16
    mesh.start(["b"])
    fingerprint = b.get("admin/status")["fingerprint"]
    for one, pinned in ((a, fingerprint), (x, wrong)):
        one.peers = [f"udp://{mesh.cable(one.name, 'b').end(b.host).ipv4}:{PORT}#{b.public_key}.{pinned}"]
    mesh.start(["a", "x"])
    wait_until(lambda: ping(a.host, b.address, wait=1).received, SECONDS, "the one that is proved is reached")

    def told() -> str:
        return str(x.get("admin/peers")[0]["lastError"])

    wait_until(lambda: f"it has not proved to hold the ML-DSA key {wrong}" in told(), SECONDS, told)
    assert not x.reachable_subnets()
    assert a.counters()["key_proofs_taken"] == 2, "on the link, and in the session"
    assert a.counters()["key_proofs_shown"] == x.counters()["key_proofs_shown"] == 0
    assert b.counters()["key_proofs_shown"] == 2, "who does not know the fingerprint draws no proof"
