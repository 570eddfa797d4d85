"""Members prove the ML-DSA keys that their certificates name, on each link, and are nobody before."""

from collections.abc import Iterable

from msgspec.structs import replace

from mycelium.endpoint import Endpoint
from mycelium.identity import Identity
from mycelium.link.events import ItemsReceived, KeyProved, LinkDown, LinkEvent, LinkUp
from mycelium.link.link import Link
from mycelium.node.member_gate import NO_KEY, OTHER_KEY
from mycelium.wire.control import Resumed
from mycelium.wire.membership import Chain
from tests.support.members import DAY_S, START, MemberNet, certificate, joined, shown
from tests.support.small_meshes import deliver, reaches

IMPORTED = Identity.of_exchange_secret(b"i" * 32)  # which has no ML-DSA key


def test_links_of_members_prove_the_keys_that_their_certificates_name() -> None:
    mesh = joined("a", "b")
    mesh.run(5)
    deliver(mesh.net, "a", "b")
    for one, other in ("ab", "ba"):
        node, prover = mesh.net.hosts[one].node, mesh.net.hosts[other].node.prover
        [link] = node.links.values()
        assert prover.fingerprint is not None
        assert link.proofs.has_proved(prover.fingerprint)
        assert node.neighbours.link_counters.key_proofs_taken == 1
        assert mesh.gates[one].counters.items_before_proof == 0


def test_who_has_a_members_x25519_key_and_shows_its_certificate_gets_nothing_without_its_mldsa_key() -> None:
    mesh = joined("a")
    x = mesh.add("x")
    mesh.net.hosts["x"].node.prover._public = mesh.net.hosts["a"].node.prover.public_key  # another key than x's own
    mesh.net.join("x", "a")
    mesh.run(4)
    assert mesh.gates["a"].counters.members_shown > 0
    assert not reaches(mesh.net, "a", "x")
    assert not reaches(mesh.net, "x", "a")
    mesh.run(4)
    assert x.address not in mesh.net.hosts["a"].node.links
    assert ("a", x.address, NO_KEY) in mesh.refused


def test_a_member_whose_key_was_imported_proves_none() -> None:
    mesh = joined("a")
    chain = Chain(certificate(IMPORTED))
    up = LinkUp(IMPORTED.address, Endpoint("udp", "192.0.2.1", 1), 10)
    assert list(mesh.gates["a"].sift([up, shown(IMPORTED.address, chain)], now=1.0)) == [up]
    assert mesh.gates["a"].certified(IMPORTED.exchange_public_key) is None


def test_a_certificate_of_another_mldsa_key_than_the_pinned_one_is_refused() -> None:
    mesh = joined("a")
    b = mesh.add("b")
    mesh.net.join("b", "a")
    a = mesh.net.hosts["a"]
    mesh.run(3)
    assert reaches(mesh.net, "a", "b")
    a.node.peers.add("udp://192.0.2.9:1", b.exchange_public_key, bytes(16), now=mesh.net.now)
    mesh.gates["b"].membership.chain = Chain(certificate(b, end=START + 2 * DAY_S))
    mesh.gates["b"].show_again(now=mesh.net.now)
    mesh.net.drain("b")
    mesh.run(2)
    assert ("a", b.address, OTHER_KEY) in mesh.refused


def test_messages_that_come_with_a_certificate_wait_for_the_proof_of_its_key() -> None:
    mesh = joined("a", "b")
    mesh.run(4)
    gate, b = mesh.gates["a"], mesh.net.hosts["b"]
    link = mesh.net.hosts["a"].node.links[b.address]
    up = LinkUp(b.address, Endpoint("udp", "192.0.2.1", 1), 10)
    gate._known.clear()
    link.proofs.want(None, now=mesh.net.now)
    batch = shown(b.address, mesh.gates["b"].membership.chain)
    batch.items.append(Resumed())
    assert list(gate.sift([up, batch], now=mesh.net.now)) == []
    mesh.net.drain("a")
    told: list[LinkEvent] = []
    sift = mesh.net.hosts["a"].node.neighbours.sift
    mesh.net.hosts["a"].node.neighbours.sift = lambda events, now: noted(told, sift(events, now=now))
    mesh.net.run(2)
    assert told[:2] == [up, ItemsReceived(b.address, [Resumed()])]


def test_the_proof_of_a_key_has_five_seconds_from_the_certificate_on() -> None:
    mesh = joined("a", "b")
    mesh.run(4)
    gate, b, begin = mesh.gates["a"], mesh.net.hosts["b"], mesh.net.now
    gate._known.clear()
    mesh.net.hosts["a"].node.links[b.address].proofs.want(None, now=begin)
    list(gate.sift([LinkUp(b.address, Endpoint("udp", "192.0.2.1", 1), 10)], now=begin))
    list(gate.sift([shown(b.address, mesh.gates["b"].membership.chain)], now=begin + 4))
    gate.sweep(now=begin + 8)
    assert gate.bars(b.address) is None
    gate.sweep(now=begin + 9)
    assert gate.bars(b.address) == NO_KEY


def awaiting_proof() -> tuple[MemberNet, LinkUp, Link]:
    """Returns a mesh of a and b, the event by which the link of a with b came up, and the link, on which b owes a proof."""
    mesh = joined("a", "b")
    mesh.run(4)
    gate, b = mesh.gates["a"], mesh.net.hosts["b"]
    link = mesh.net.hosts["a"].node.links[b.address]
    gate._known.clear()
    link.proofs.want(None, now=mesh.net.now)
    up = LinkUp(b.address, Endpoint("udp", "192.0.2.1", 1), 10)
    assert list(gate.sift([up, shown(b.address, mesh.gates["b"].membership.chain)], now=mesh.net.now)) == []
    return mesh, up, link


def test_a_neighbour_that_falls_silent_while_it_owes_a_proof_is_told_of_and_not_barred() -> None:
    mesh, up, _ = awaiting_proof()
    gate, name = mesh.gates["a"], up.neighbour
    assert list(gate.sift([LinkDown(name, "silent", 1.0)], now=mesh.net.now)) == []
    gate.sweep(now=mesh.net.now + 6)
    assert gate.bars(name) is None
    assert mesh.refused == [("a", name, NO_KEY)]


def test_a_link_that_is_renamed_while_it_owes_a_proof_is_told_of_by_its_new_name() -> None:
    mesh, up, link = awaiting_proof()
    gate, links, name = mesh.gates["a"], mesh.net.hosts["a"].node.links, up.neighbour + b"instance"
    link.name = name
    links[name] = links.pop(up.neighbour)
    link.keypairs.sending.awaited = None
    assert list(gate.sift([KeyProved(name)], now=mesh.net.now)) == [replace(up, neighbour=name)]


def test_a_link_that_is_gone_bars_no_other_link_with_its_neighbour() -> None:
    mesh, up, _ = awaiting_proof()
    gate = mesh.gates["a"]
    del mesh.net.hosts["a"].node.links[up.neighbour]
    gate.sweep(now=mesh.net.now + 6)
    assert gate.bars(up.neighbour) is None


def noted(told: list[LinkEvent], events: Iterable[LinkEvent]) -> Iterable[LinkEvent]:
    for event in events:
        told.append(event)
        yield event
