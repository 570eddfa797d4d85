"""Whole nodes prove ML-DSA keys in sessions: members over relays, neighbours that are pinned, and who poses as one of them."""

from typing import Any

import pytest
from msgspec.structs import replace

from mycelium.channel.proof_causes import wrongly_proved
from mycelium.limits import NEIGHBOURS, SESSIONS
from mycelium.link.link import Link
from mycelium.membership.certificates import Claims
from mycelium.node.event_kind import EventKind
from mycelium.node.member_gate import OTHER_KEY, _Known
from mycelium.session.session import Session
from mycelium.wire.membership import Chain
from mycelium.wire.train import DATA, SESSION_PROOF, SESSION_REPLY, SESSION_REQUEST
from sim.net.network import url_of
from sim.net.node_net import NamedHost
from tests.node.test_key_proofs import fingerprint, pair, pinned
from tests.support.members import DAY_S, START, MemberNet, certificate, invited, joined, removals
from tests.support.small_meshes import deliver, ping, reaches, ready_line, received
from tests.support.small_tables import is_in_scope, small_line


def session_of(mesh: MemberNet, name: str, peer: str) -> Session:
    return mesh.net.hosts[name].node.sessions.by_peer[mesh.net.hosts[peer].address]


def far_members() -> MemberNet:
    """Returns the line a, b, c of members, with routes."""
    mesh = joined("a", "b", "c")
    mesh.run(8)
    assert reaches(mesh.net, "a", "c")
    assert reaches(mesh.net, "c", "a")
    return mesh


def refusals(host: NamedHost) -> list[tuple[bytes | None, str | None]]:
    """Returns with whom a node has no session, and why, as the journal has it."""
    return [(one.node, one.cause) for one in host.node.journal.after(0) if one.kind is EventKind.SESSION_REFUSED]


def test_members_that_a_relay_lies_between_show_each_other_certificates_and_prove_their_keys() -> None:
    mesh = far_members()
    a, c = mesh.net.hosts["a"], mesh.net.hosts["c"]
    assert not mesh.gates["a"].knows(c.identity.exchange_public_key)
    deliver(mesh.net, "a", "c")
    deliver(mesh.net, "c", "a")
    for one, other in (("a", c), ("c", a)):
        node = mesh.net.hosts[one].node
        assert mesh.gates[one].certified(other.identity.exchange_public_key) == other.node.prover.fingerprint
        assert node.sessions.counters.key_proofs_taken == 1
        assert node.sessions.counters.trains_unproved == 0
        assert refusals(mesh.net.hosts[one]) == []
    assert mesh.net.hosts["b"].node.dataplane_counters.trains_malformed == 0


def test_members_whose_certificates_a_member_has_issued_reach_each_other_over_it() -> None:
    mesh = MemberNet()
    for name in "abc":
        mesh.add(name)
    for name in ("a", "c"):
        host = mesh.net.hosts[name]
        mesh.gates[name].membership.chain = invited(host.identity, mesh.net.hosts["b"].identity)
        mesh.net.join("b", name)
    mesh.gates["b"].membership.chain = Chain(certificate(mesh.net.hosts["b"].identity, may_issue=True))
    mesh.run(8)
    deliver(mesh.net, "a", "c")
    assert mesh.gates["a"].knows(mesh.net.hosts["c"].identity.exchange_public_key)


def posed_as(mesh: MemberNet, relay: str, posed: str) -> None:
    """Has a relay, a member, take trains for another member as its own: it has all keys of that one but the ML-DSA key."""
    host, victim = mesh.net.hosts[relay], mesh.net.hosts[posed]
    node = host.node
    node.receiving._own_address = node.sending._own_address = victim.address
    sessions = node.sessions
    sessions._config = replace(sessions._config, identity=victim.identity)
    sessions._requests._config = sessions._config
    sessions._proving._own_address = victim.address
    mesh.gates[relay].membership.chain = mesh.gates[posed].membership.chain
    node.prover._public, node.prover._private = victim.node.prover.public_key, node.prover._private
    node.receiving._own_subnet = node.sending._own_subnet = victim.address[:8]


def test_a_relay_that_has_all_keys_of_a_member_but_the_mldsa_key_gets_no_session_as_that_member() -> None:
    mesh = far_members()
    posed_as(mesh, "b", "c")
    a, c = mesh.net.hosts["a"], mesh.net.hosts["c"]
    ping(mesh.net, "a", "c")
    mesh.net.run(1)
    assert received(mesh.net, "b") == received(mesh.net, "c") == []
    assert session_of(mesh, "a", "c").sending is None
    mesh.run(1)
    assert c.node.prover.fingerprint is not None
    assert (c.address, wrongly_proved(c.node.prover.fingerprint)) in refusals(a)
    assert a.node.sessions.counters.key_proofs_refused == 1


def test_without_members_such_a_relay_is_taken_for_the_node() -> None:
    """What the test before finds is no other fault of the impostor."""
    mesh = far_members()
    posed_as(mesh, "b", "c")
    mesh.net.hosts["a"].node.neighbours.peering.members = None
    ping(mesh.net, "a", "c")  # after which the relay wants a proof itself
    mesh.net.run(1)
    data = ping(mesh.net, "a", "c")
    mesh.net.run(1)
    assert data in received(mesh.net, "b")


def test_a_pinned_neighbour_proves_its_key_in_the_session_too() -> None:
    net = pair()
    pinned(net, "a", "b", fingerprint(net.hosts["b"]))
    net.run(5, until=lambda: reaches(net, "a", "b") and reaches(net, "b", "a"))
    deliver(net, "a", "b")
    counters = {name: net.hosts[name].node.sessions.counters for name in "ab"}
    assert (counters["a"].key_proofs_taken, counters["a"].key_proofs_shown) == (1, 0)
    assert (counters["b"].key_proofs_taken, counters["b"].key_proofs_shown) == (0, 1)


@pytest.mark.parametrize("pairs", [("aj",), ("ja",), ("aj", "ja")])
def test_nodes_that_reach_each_other_by_their_homes_prove_their_keys(pairs: tuple[str, ...]) -> None:
    net = small_line()
    for ends in pairs:
        node, peer = net.hosts[ends[0]].node, net.hosts[ends[1]]
        node.peers.add("udp://192.0.2.9:1", peer.identity.exchange_public_key, fingerprint(peer), now=net.now)
        assert not is_in_scope(node, peer.node)
    first = ping(net, "a", "j")  # which waits at j where a does not know what that wants
    net.run(1)
    assert received(net, "j") == [first]
    deliver(net, "a", "j")
    deliver(net, "j", "a")
    taken = [net.hosts[name].node.sessions.counters.key_proofs_taken for name in "aj"]
    assert taken == ["aj" in pairs, "ja" in pairs]


def test_packets_leave_once_nothing_was_heard_of_a_proof_that_was_wanted_before() -> None:
    net = pair()
    net.join("a", "b")
    net.run(5, until=lambda: reaches(net, "a", "b") and reaches(net, "b", "a"))
    deliver(net, "a", "b")
    sessions = net.hosts["a"].node.sessions
    session = sessions.by_peer[net.hosts["b"].address]
    assert session.sending is not None
    session.sending.accepted_by = net.now + 1
    session.hold()
    sessions._proving._of(session)._arm()
    data = ping(net, "a", "b")
    net.run(0.9)
    assert received(net, "b")[-1:] != [data]
    net.run(0.2)
    assert received(net, "b")[-1:] == [data]


def test_a_session_is_proved_when_its_peer_gets_a_pin_and_goes_on_when_that_goes() -> None:
    net = pair()
    net.join("a", "b")
    net.run(5, until=lambda: reaches(net, "a", "b") and reaches(net, "b", "a"))
    deliver(net, "a", "b")
    a, b = net.hosts["a"], net.hosts["b"]
    pin, right = b.identity.exchange_public_key, fingerprint(b)
    a.running.act(a.node.add_peer, url_of("b") + "0", pin=pin, fingerprint=right)
    data = ping(net, "a", "b")
    net.run(1)
    assert data in received(net, "b")
    assert a.node.sessions.counters.key_proofs_taken == 1
    a.running.act(a.node.remove_peer, url_of("b") + "0")
    deliver(net, "a", "b")


@pytest.mark.parametrize("names", ["ab", "abc"])
def test_packets_that_are_under_way_when_a_pin_comes_wait_for_the_proof_and_none_is_lost(names: str) -> None:
    """Both ends of a link owe the proof twice: as neighbour, and as partner."""
    net = ready_line(names)
    one, other = names[0], names[-1]
    deliver(net, one, other)
    deliver(net, other, one)
    ends = net.hosts[one], net.hosts[other]
    for end in ends:
        end.delivered.clear()
    there, back = [], []
    for number in range(60):
        if number == 20:
            for end, peer in (ends, ends[::-1]):
                pin = peer.identity.exchange_public_key
                end.running.act(end.node.add_peer, "udp://192.0.2.9:1", pin=pin, fingerprint=fingerprint(peer))
        there.append(ping(net, one, other))
        back.append(ping(net, other, one))
        net.run(0.001)
    net.run(1)
    assert all(end.node.sessions.counters.key_proofs_taken for end in ends)
    assert (received(net, other), received(net, one)) == (there, back)


def test_packets_that_wait_for_a_proof_arrive_when_its_pin_goes() -> None:
    net = ready_line("abc")
    deliver(net, "a", "c")
    a, c = net.hosts["a"], net.hosts["c"]
    pin = a.identity.exchange_public_key
    c.running.act(c.node.add_peer, "udp://192.0.2.9:1", pin=pin, fingerprint=bytes(16))
    data = ping(net, "a", "c")
    net.run(0.5)
    assert data not in received(net, "c")
    c.running.act(c.node.remove_peer, "udp://192.0.2.9:1")
    net.run(0.001)
    assert data in received(net, "c")
    assert c.node.sessions.counters.trains_unproved == 0


def test_a_certificate_of_another_mldsa_key_than_the_pinned_one_is_refused_in_a_session() -> None:
    mesh = far_members()
    a, c = mesh.net.hosts["a"], mesh.net.hosts["c"]
    a.node.peers.add("udp://192.0.2.9:1", c.identity.exchange_public_key, bytes(15) + b"x", now=mesh.net.now)
    ping(mesh.net, "a", "c")
    mesh.run(2)
    assert received(mesh.net, "c") == []
    assert (c.address, OTHER_KEY) in refusals(a)
    assert mesh.gates["a"].counters.members_refused == 1
    assert mesh.gates["a"].bars(c.address) is None, "somebody may pose as it"


def test_who_was_invited_by_one_that_is_removed_loses_its_sessions_further_away() -> None:
    mesh = MemberNet()
    for name in "abcd":
        mesh.add(name)
    d = mesh.net.hosts["d"].identity
    mesh.gates["c"].membership.chain = invited(mesh.net.hosts["c"].identity, d)
    for one, other in ("ab", "bc"):
        mesh.net.join(one, other)
    mesh.run(8)
    deliver(mesh.net, "a", "c")
    assert mesh.gates["a"].take_removals(removals(1, d), now=mesh.net.now)
    mesh.run(1)
    assert mesh.net.hosts["c"].address not in mesh.net.hosts["a"].node.sessions.by_peer
    assert mesh.gates["a"].bars(mesh.net.hosts["c"].address) is not None


def test_a_partner_whose_certificate_expires_shows_a_newer_one_and_loses_no_session() -> None:
    mesh = MemberNet()
    for name in "abc":
        mesh.add(name, end=START + DAY_S)
    for one, other in ("ab", "bc"):
        mesh.net.join(one, other)
    mesh.run(8)
    deliver(mesh.net, "a", "c")
    c = mesh.net.hosts["c"]
    newer = Chain(certificate(c.identity, end=START + 9 * DAY_S))
    mesh.gates["c"].membership.chain = newer
    known = mesh.gates["a"]._known[c.address]
    mesh.gates["a"]._known[c.address] = _Known(known.digest, replace(known.claims, until=START))
    mesh.gates["a"].sweep(now=mesh.net.now)
    session = session_of(mesh, "a", "c")
    assert session.sending is None
    data = ping(mesh.net, "a", "c")
    mesh.run(1)
    assert data in received(mesh.net, "c")
    assert mesh.gates["a"]._known[c.address].claims.until > START + 8 * DAY_S
    assert session_of(mesh, "a", "c") is session
    assert mesh.gates["a"].bars(c.address) is None


def test_certificates_of_nodes_without_link_or_session_are_forgotten_where_there_are_many() -> None:
    mesh = far_members()
    deliver(mesh.net, "a", "c")
    gate = mesh.gates["a"]
    claims = Claims((bytes(16),), None, START + DAY_S)
    for number in range(NEIGHBOURS + SESSIONS):
        gate._known[number.to_bytes(16, "big")] = _Known(b"", claims)
    gate.sweep(now=mesh.net.now)
    assert set(gate._known) == {mesh.net.hosts[name].address for name in "bc"}


@pytest.mark.parametrize("dropped", [(SESSION_PROOF,), (SESSION_PROOF, SESSION_REQUEST, SESSION_REPLY, DATA)])
def test_a_relay_that_drops_proofs_keeps_no_session_from_being_set_up_where_there_is_another_way(
    dropped: tuple[int, ...],
) -> None:
    mesh = MemberNet()
    for name in "abcd":
        mesh.add(name)
    for one, other in ("ab", "bd", "ac", "cd"):
        mesh.net.join(one, other, 0.004 if "c" in one + other else 0.001)
    mesh.run(8)
    a, b, d = (mesh.net.hosts[name] for name in "abd")
    assert a.node.routing.forwarding.next_hop[d.address] == b.address
    next_link = b.node.receiving._next_link

    def drops(header: Any, *arguments: Any, now: float) -> Link | None:
        return None if header[2] in dropped else next_link(header, *arguments, now=now)

    b.node.receiving._next_link = drops  # type: ignore[assignment,method-assign]
    ping(mesh.net, "a", "d")
    took = mesh.net.run(12, until=lambda: proved(a, d))
    assert took < 4


def proved(one: NamedHost, other: NamedHost) -> bool:
    """Tells whether two nodes have a session under keys that both have proved."""
    ends = (one.node.sessions.by_peer.get(other.address), other.node.sessions.by_peer.get(one.address))
    return all(end is not None and end.sending is not None for end in ends)
