"""Whole nodes whose peers are pinned to ML-DSA keys: what holds of links, peers and the journal."""

import pytest

from mycelium.channel.proof_causes import not_proved, wrongly_proved
from mycelium.crypto.primitives import RealPrimitives
from mycelium.identity import Identity
from mycelium.node.event_kind import EventKind
from sim.net.network import url_of
from sim.net.node_net import NamedHost, NodeNet
from sim.net.repeatable_crypto import RepeatablePrimitives
from tests.support.small_meshes import deliver, reaches


def pinned(net: NodeNet, one: str, other: str, fingerprint: bytes) -> None:
    """Has a host dial another one, pinned to its key and to a fingerprint."""
    net.connect(one, other)
    host, peer = net.hosts[one], net.hosts[other]
    pin = peer.identity.exchange_public_key
    host.running.act(host.node.add_peer, url_of(other), pin=pin, fingerprint=fingerprint)


def fingerprint(host: NamedHost) -> bytes:
    own = host.node.prover.fingerprint
    assert own is not None
    return own


def pair() -> NodeNet:
    net = NodeNet()
    net.add("a")
    net.add("b")
    return net


def causes(net: NodeNet, name: str) -> set[str | None]:
    """Returns why peers have failed, as the journal has it."""
    return {one.cause for one in net.hosts[name].node.journal.after(0) if one.kind is EventKind.PEER_FAILED}


def test_a_peer_that_proves_its_key_is_linked_and_only_who_asked_has_had_it_proved() -> None:
    net = pair()
    pinned(net, "a", "b", fingerprint(net.hosts["b"]))
    net.run(5, until=lambda: reaches(net, "a", "b") and reaches(net, "b", "a"))
    deliver(net, "a", "b")
    counters = {name: net.hosts[name].node.neighbours.link_counters for name in "ab"}
    assert (counters["a"].key_proofs_taken, counters["a"].key_proofs_shown) == (1, 0)
    assert (counters["b"].key_proofs_taken, counters["b"].key_proofs_shown) == (0, 1)


def test_a_peer_pinned_to_another_key_gets_no_link_and_its_entry_says_why() -> None:
    net = pair()
    pinned(net, "a", "b", bytes(16))
    net.run(20)
    assert causes(net, "a") == {not_proved(bytes(16))}
    assert not reaches(net, "a", "b")
    assert not reaches(net, "b", "a")
    assert not_proved(bytes(16)) in dict(net.hosts["a"].node.peers.by_url[url_of("b")].failures.causes()).values()


def test_who_has_all_of_a_node_but_its_ml_dsa_key_gets_no_link_also_if_it_dials() -> None:
    """The impostor has b's X25519 secret, which anybody with a quantum computer computes of its public key."""
    net = pair()
    b = net.hosts["b"]
    own = fingerprint(b)
    b.node.prover._private, b.node.prover._public = RealPrimitives().dsa_keypair(bytes(32))
    assert fingerprint(b) != own
    pinned(net, "a", "b", own)
    net.add_peer("b", url_of("a"))
    net.run(20)
    assert causes(net, "a") == {not_proved(own)}
    assert not reaches(net, "a", "b")
    assert net.hosts["a"].node.neighbours.link_counters.frames_unproved > 0


def test_a_forged_signature_ends_the_link_at_once_and_is_not_dialled_without_end() -> None:
    net = pair()
    b = net.hosts["b"]
    own = fingerprint(b)
    b.node.prover._private = RepeatablePrimitives().dsa_keypair(bytes(32))[0]
    pinned(net, "a", "b", own)
    net.run(30)
    assert causes(net, "a") == {wrongly_proved(own)}
    assert 2 <= net.hosts["a"].node.neighbours.link_counters.key_proofs_refused <= 10
    assert not reaches(net, "a", "b")


def test_a_pin_that_comes_later_is_asked_of_the_link_that_is_there_and_ends_it_where_it_is_wrong() -> None:
    net = pair()
    net.join("a", "b")
    net.run(5, until=lambda: reaches(net, "a", "b"))
    host, pin = net.hosts["a"], net.hosts["b"].identity.exchange_public_key
    right, wrong = "udp://192.0.2.1:9651", "udp://192.0.2.2:9651"
    host.running.act(host.node.add_peer, right, pin=pin, fingerprint=fingerprint(net.hosts["b"]))
    net.run(10)
    assert reaches(net, "a", "b")
    assert host.node.neighbours.link_counters.key_proofs_taken == 1
    host.running.act(host.node.remove_peer, right)
    host.running.act(host.node.add_peer, wrong, pin=pin, fingerprint=bytes(16))
    net.run(10)
    assert not reaches(net, "a", "b")
    host.running.act(host.node.remove_peer, wrong)
    net.run(20, until=lambda: reaches(net, "a", "b"))


@pytest.mark.parametrize("says_goodbye", [True, False])
def test_a_pinned_peer_that_is_restarted_proves_its_key_again_and_packets_go_on(says_goodbye: bool) -> None:
    net = pair()
    pinned(net, "a", "b", fingerprint(net.hosts["b"]))
    net.run(5, until=lambda: reaches(net, "a", "b") and reaches(net, "b", "a"))
    for _ in range(100):
        deliver(net, "a", "b")
    net.stop("b", says_goodbye=says_goodbye)
    net.restart("b")
    net.run(30)
    deliver(net, "a", "b")
    assert net.hosts["a"].node.neighbours.link_counters.key_proofs_taken >= 2


def test_a_node_with_an_imported_key_has_no_fingerprint_and_shows_nothing() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b", identity=Identity.of_exchange_secret(bytes(range(32))))
    assert net.hosts["b"].node.prover.fingerprint is None
    pinned(net, "a", "b", bytes(16))
    net.run(8)
    assert causes(net, "a") == {not_proved(bytes(16))}
