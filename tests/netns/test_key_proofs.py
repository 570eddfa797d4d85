"""Daemons that are pinned to each other's ML-DSA keys: a link where they are proved, and the cause where one is not."""

import sys

import pytest

from mycelium.channel.proof_causes import wrongly_proved
from tests.lab.daemon import PORT, LabDaemon
from tests.lab.ping import ping
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import wait_answered

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


class ImpostorDaemon(LabDaemon):
    """A daemon that has all keys of its node but the ML-DSA key."""

    def arguments(self) -> list[str]:
        return [sys.executable, "-m", "tests.hostile.impostor_daemon", *super().arguments()[1:]]


def test_who_has_all_keys_of_a_node_but_the_mldsa_key_gets_neither_a_link_nor_a_session(make_mesh: MakeMesh) -> None:
    mesh = make_mesh([("a", "i"), ("a", "r"), ("r", "i")])
    a, impostor, relay = mesh["a"], mesh["i"], mesh["r"]
    impostor.__class__ = ImpostorDaemon
    mesh.start(["i", "r"])
    fingerprint = bytes.fromhex(impostor.get("admin/status")["fingerprint"])
    a.peers[0] += f"#{impostor.public_key}.{fingerprint.hex()}"
    mesh.start(["a"])
    mesh.wait_converged()
    wait_answered(relay, impostor, "who has no pin takes it for the node")

    def refused() -> int:
        return a.counters()["key_proofs_refused"]

    for one, other in ((a, impostor), (impostor, a), (a, impostor)):
        before = refused()

        def is_refused(one: LabDaemon = one, other: LabDaemon = other, before: int = before) -> bool:
            assert not ping(one.host, other.address, wait=1).received
            return refused() > before

        wait_until(is_refused, SECONDS, f"a proof between {one.name} and {other.name} is refused")
    wait_answered(a, relay, "others are reached as before")
    assert impostor.public_key not in a.alive_peers()
    told = [event for event in a.events() if event["kind"] in ("peer-failed", "session-refused")]
    assert {event["cause"] for event in told} == {wrongly_proved(fingerprint)}
    assert [event["kind"] for event in told].count("session-refused") == 1
    failures = [event.get("count", 1) for event in told if event["kind"] == "peer-failed"]
    assert failures[:1] == [1]
    assert failures == [1, 2, 4, 8][: len(failures)], "the longer this takes the more often it is dialled"
    assert a.log().count(wrongly_proved(fingerprint)) == len(told), "of the peer, and of sessions with it"
