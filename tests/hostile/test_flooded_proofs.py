"""A member floods another one, in a session, with wishes for its proof and its certificates, and with parts of wrong ones."""

import os
from itertools import cycle

from mycelium.node.event_kind import EventKind
from mycelium.routing.excess import PROOFS
from mycelium.wire.key_proof import PROOF_PART_BYTES, ProofPart
from mycelium.wire.session_proof import MemberWanted, SessionProofItem, parts_of
from tests.support.members import MemberNet, joined
from tests.support.small_meshes import deliver

TRAINS_PER_SECOND = 1_000
WITHIN_S = 2.0  # in which a newcomer gets its session


def flood(mesh: MemberNet, attacker: str, victim: str, seconds: float) -> None:
    """Has a node with a session send without end what is about proofs."""
    net, node = mesh.net, mesh.net.hosts[attacker].node
    session = node.sessions.by_peer[net.hosts[victim].address]
    wrong = bytes(len(mesh.gates[attacker].shown()))
    parts: list[SessionProofItem] = [ProofPart(0, os.urandom(PROOF_PART_BYTES)), *parts_of(wrong)]
    mixed: list[SessionProofItem] = [one for part in parts for one in (MemberWanted(), part)]
    items, started = cycle(mixed), net.now

    def act(number: int) -> None:
        assert session.sending is not None
        node.sessions._proving.send(session, session.sending, next(items), now=net.now)
        net.drain(attacker)
        if net.now < started + seconds:
            net.at(started + (number + 1) / TRAINS_PER_SECOND, lambda: act(number + 1))

    act(0)


def test_a_newcomer_gets_its_session_and_the_attacker_is_named_and_draws_no_signature() -> None:
    mesh = joined("x", "v", "b")
    mesh.run(8)
    deliver(mesh.net, "x", "v")
    attacker, victim = mesh.net.hosts["x"], mesh.net.hosts["v"].node
    drawn = victim.sessions.counters.key_proofs_shown
    flood(mesh, "x", "v", 4)
    mesh.net.run(1)
    assert victim.sessions.counters.key_proofs_shown <= drawn + 1, "one for each handshake"
    assert deliver(mesh.net, "b", "v", within=WITHIN_S) < 0.2
    mesh.net.run(4)
    named = [(one.node, one.cause) for one in victim.journal.after(0) if one.kind is EventKind.NEIGHBOUR_EXCESSIVE]
    assert named == [(attacker.address, PROOFS)]
