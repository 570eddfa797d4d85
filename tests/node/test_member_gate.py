"""Members let in members: by certificates alone, until they expire or somebody is removed."""

from contextlib import suppress

import pytest
from msgspec.structs import replace

from mycelium.endpoint import Endpoint
from mycelium.errors import NotAMember
from mycelium.identity import SIGNATURE_BYTES, Identity
from mycelium.limits import MEMBER_CHECKS_AT_ONCE, MEMBER_CHECKS_OF_ALL, NEIGHBOURS, REMOVAL_PARTS, SESSIONS
from mycelium.link.events import (
    CostChanged,
    ItemsReceived,
    LinkMoved,
    LinkSuspected,
    LinkTrusted,
    LinkUp,
    NeighbourReset,
)
from mycelium.membership.certificates import Claims
from mycelium.node import member_gate as member_gate_module
from mycelium.node.event_kind import EventKind
from mycelium.node.member_gate import EXPIRED, NO_PROOF, REMOVED, _Known
from mycelium.routing.excess import MEMBERSHIP
from mycelium.wire.membership import MEMBER_PROOF, Certificate, Chain, MemberPiece, encode_chain, pieces_of
from tests.support.members import (
    DAY_S,
    OTHER_ROOT,
    START,
    MemberNet,
    certificate,
    invited,
    joined,
    key_of,
    removals,
    shown,
)
from tests.support.small_meshes import deliver, ping, reaches, received

IMPORTED = Identity.of_exchange_secret(b"i" * 32)  # which has no ML-DSA key


def test_members_reach_each_other_over_members() -> None:
    mesh = joined("a", "b", "c")
    mesh.run(5)
    deliver(mesh.net, "a", "c")
    assert mesh.refused == []
    assert mesh.gates["b"].counters.members_shown == 2


def test_who_has_the_key_and_no_certificate_learns_nothing_and_goes() -> None:
    mesh = joined("a", "b")
    mesh.add_stranger("x")
    mesh.net.join("x", "b")
    mesh.run(4)
    assert not reaches(mesh.net, "x", "b")
    assert not reaches(mesh.net, "x", "a")
    assert not reaches(mesh.net, "b", "x")
    mesh.run(6)
    x = mesh.net.hosts["x"].address
    assert x not in mesh.net.hosts["b"].node.links
    assert ("b", x, NO_PROOF) in mesh.refused
    assert mesh.gates["b"].bars(x) == NO_PROOF
    deliver(mesh.net, "a", "b")


def half_forged(first: Certificate, second: Certificate) -> Certificate:
    """Returns a certificate with the Ed25519 half of the signature of one and the ML-DSA half of that of another."""
    return replace(first, signature=first.signature[:SIGNATURE_BYTES] + second.signature[SIGNATURE_BYTES:])


def bad_chains(identity: Identity) -> list[tuple[Chain, str]]:
    """Returns chains that make nobody a member, and what is said of each."""
    delegate, plain = Identity(b"d" * 32), Identity(b"p" * 32)
    may = certificate(delegate, may_issue=True)
    return [
        (Chain(certificate(identity, OTHER_ROOT)), "not of this network, or forged"),
        (Chain(certificate(identity, OTHER_ROOT, root=OTHER_ROOT)), "not of this network, or forged"),
        (Chain(certificate(identity, end=START - DAY_S)), "has expired"),
        (Chain(certificate(identity, begin=START + DAY_S, end=START + 2 * DAY_S)), "is a clock wrong?"),
        (Chain(certificate(delegate)), "another node's"),
        (invited(identity, plain, certificate(plain)), "may not issue any"),
        (Chain(certificate(identity, plain), may, key_of(delegate).proof_key), "not of this network, or forged"),
        (invited(identity, delegate, certificate(delegate, may_issue=True, end=START - DAY_S)), "has expired"),
        (
            Chain(half_forged(certificate(identity), certificate(identity, OTHER_ROOT))),
            "not of this network, or forged",
        ),
        (
            Chain(half_forged(certificate(identity, OTHER_ROOT), certificate(identity))),
            "not of this network, or forged",
        ),
    ]


@pytest.mark.parametrize("number", range(10))
def test_a_bad_certificate_is_refused_and_told(number: int) -> None:
    mesh = joined("a")
    x = mesh.add("x")
    chain, reason = bad_chains(x)[number]
    mesh.gates["x"].membership.chain = chain
    mesh.net.join("x", "a")
    mesh.run(4)
    assert x.address not in mesh.net.hosts["a"].node.links
    assert next(why for by, who, why in mesh.refused if (by, who) == ("a", x.address)).endswith(reason)
    assert mesh.gates["a"].counters.members_refused > 0
    assert not reaches(mesh.net, "a", "x")


def test_what_happens_to_a_link_before_the_certificate_comes_is_told_as_one_that_is_up() -> None:
    mesh = joined("a")
    b = IMPORTED
    gate, where = mesh.gates["a"], Endpoint("udp", "192.0.2.1", 1)
    events = [LinkUp(b.address, where, 10), CostChanged(b.address, 20), NeighbourReset(b.address, 30)]
    assert list(gate.sift([CostChanged(b.address, 5), *events], now=1.0)) == []
    proof = shown(b.address, Chain(certificate(b)))
    assert list(gate.sift([proof], now=2.0)) == [LinkUp(b.address, where, 30)]
    assert list(gate.sift([proof], now=3.0)) == []


def test_a_suspicion_before_the_certificate_comes_is_told_if_it_holds_and_the_newest_address() -> None:
    mesh = joined("a")
    b = IMPORTED
    gate, where, moved = mesh.gates["a"], Endpoint("udp", "192.0.2.1", 1), Endpoint("udp", "192.0.2.2", 1)
    suspected, trusted = LinkSuspected(b.address, "silent", 0.2), LinkTrusted(b.address)
    proof = shown(b.address, Chain(certificate(b)))
    before = [LinkUp(b.address, where, 10), suspected, trusted, suspected, LinkMoved(b.address, where, moved)]
    for events, told in ((before, [LinkUp(b.address, moved, 10), suspected]), (before[:3], [before[0]])):
        gate._known.clear()
        assert list(gate.sift([suspected, trusted, *events], now=1.0)) == []
        assert list(gate.sift([proof], now=2.0)) == told
    gate._known.clear()
    reset = NeighbourReset(b.address, 30)
    assert list(gate.sift([reset, before[-1], suspected], now=3.0)) == []
    assert list(gate.sift([proof], now=4.0)) == [reset, suspected]


def test_a_member_that_may_invite_makes_members() -> None:
    mesh = joined("a")
    b, c = mesh.add("b"), mesh.add("c")
    mesh.gates["c"].membership.chain = invited(c, b)
    mesh.net.join("a", "c")
    mesh.run(4)
    deliver(mesh.net, "a", "c")


def test_a_removed_member_is_out_everywhere_and_what_it_has_invited_too() -> None:
    mesh = joined("a", "b")
    d, e = mesh.add("d"), mesh.add("e")
    mesh.gates["e"].membership.chain = invited(e, d)
    mesh.net.join("d", "b")
    mesh.net.join("e", "b")
    mesh.run(5)
    deliver(mesh.net, "a", "d")
    deliver(mesh.net, "a", "e")
    gate = mesh.gates["a"]
    assert gate.take_removals(removals(1, d), now=mesh.net.now)
    mesh.net.drain("a")
    mesh.run(8)
    for name in "ab":
        assert mesh.gates[name].bars(d.address) == REMOVED
        assert d.address not in mesh.net.hosts[name].node.links
    assert e.address not in mesh.net.hosts["b"].node.links
    assert not reaches(mesh.net, "a", "d")
    assert not reaches(mesh.net, "a", "e")
    before = len(received(mesh.net, "a"))
    ping(mesh.net, "d", "a")
    mesh.run(2)
    assert len(received(mesh.net, "a")) == before
    deliver(mesh.net, "a", "b")


def test_all_whom_a_removed_member_has_invited_are_barred_at_once_however_many_they_are() -> None:
    mesh = joined("a")
    d, gate = mesh.add("d"), mesh.gates["a"]
    nodes = [number.to_bytes(16, "big") for number in range(NEIGHBOURS + SESSIONS)]
    gate._known = {node: _Known(b"", Claims((node, d.address), None, START + DAY_S)) for node in nodes}
    assert gate.take_removals(removals(1, d), now=mesh.net.now)
    assert [node for node in nodes if gate.bars(node) is None] == []


def test_a_list_reaches_members_that_were_cut_off() -> None:
    mesh = joined("a", "b")
    x = mesh.add("x")
    mesh.gates["a"].take_removals(removals(3, x), now=mesh.net.now)
    mesh.run(5)
    assert mesh.gates["b"].membership.has_removed(x.address)
    assert mesh.gates["b"].counters.removals_taken == 1


def test_parts_told_while_the_mesh_was_cut_in_two_are_known_to_all_once_it_is_mended() -> None:
    mesh = joined("a", "b", "c", "d")
    mesh.run(4)
    mesh.net.cut("b", "c")
    mesh.run(5)
    gone = [Identity(bytes([number]) * 32) for number in range(REMOVAL_PARTS)]
    parts = [removals(1 + number, one, part=number) for number, one in enumerate(gone)]
    for number, part in enumerate(parts):
        mesh.gates["ad"[number % 2]].take_removals(part, now=mesh.net.now)
    for name in "ad":
        mesh.net.drain(name)
    mesh.run(3)
    assert [len(mesh.gates[name].membership.removed) for name in "abcd"] == [REMOVAL_PARTS // 2] * 4
    mesh.net.mend("b", "c")
    mesh.net.run(20, until=lambda: all(len(gate.membership.removed) == REMOVAL_PARTS for gate in mesh.gates.values()))
    for gate in mesh.gates.values():
        assert gate.membership.removals == dict(enumerate(parts))
        assert gate.counters.member_checks_over_budget == 0


def test_a_member_that_makes_others_check_signatures_without_end_is_checked_less_and_named() -> None:
    mesh = joined("a", "b")
    mesh.run(4)
    gate, b = mesh.gates["a"], mesh.net.hosts["b"].address
    forged = [removals(9, root=OTHER_ROOT)] * (MEMBER_CHECKS_AT_ONCE + 5)
    list(gate.sift([shown(b, *forged)], now=mesh.net.now))
    assert gate.counters.removals_refused <= MEMBER_CHECKS_AT_ONCE
    assert gate.counters.member_checks_over_budget >= 5
    mesh.run(1)
    journal = mesh.net.hosts["a"].node.journal
    told = [event for event in journal.after(0) if event.kind is EventKind.NEIGHBOUR_EXCESSIVE]
    assert [(event.node, event.cause) for event in told] == [(b, MEMBERSHIP)]


def test_who_shows_no_valid_certificate_again_and_again_is_told_of_once() -> None:
    mesh = joined("a")
    b = mesh.add("b")
    bad = shown(b.address, Chain(certificate(b, OTHER_ROOT)))
    list(mesh.gates["a"].sift([bad] * 9, now=1.0))
    assert mesh.gates["a"].counters.members_refused == 9
    assert len(mesh.refused) == 1


def test_older_and_forged_lists_are_not_taken() -> None:
    mesh = joined("a", "b")
    x = mesh.add("x")
    mesh.run(4)
    gate = mesh.gates["a"]
    assert gate.take_removals(removals(2), now=mesh.net.now)
    assert not gate.take_removals(removals(1, x), now=mesh.net.now)
    assert not gate.take_removals(removals(2, x), now=mesh.net.now)
    assert gate.counters.removals_refused == 0
    assert not gate.take_removals(removals(3, x, root=OTHER_ROOT), now=mesh.net.now)
    assert gate.counters.removals_refused == 1
    assert not gate.bars(x.address)


def test_a_certificate_that_expires_ends_the_link_and_another_keeps_it() -> None:
    mesh = joined("a")
    b, c = mesh.add("b", end=START - 290), mesh.add("c", end=START - 290)  # the skew of clocks is added
    mesh.net.join("b", "a")
    mesh.net.join("c", "a")
    mesh.run(4)
    deliver(mesh.net, "a", "b")
    mesh.gates["c"].membership.chain = Chain(certificate(c))
    mesh.gates["c"].show_again(now=mesh.net.now)
    mesh.net.drain("c")
    mesh.run(10)
    assert ("a", b.address, EXPIRED) in mesh.refused
    assert b.address not in mesh.net.hosts["a"].node.links
    deliver(mesh.net, "a", "c")


def test_a_certificate_has_expired_as_soon_as_a_clock_that_was_behind_is_set_says_so() -> None:
    mesh = joined("a", "b")
    mesh.run(4)
    mesh.gates["a"].membership.offset_s += 2 * DAY_S
    mesh.run(3)
    assert ("a", mesh.net.hosts["b"].address, EXPIRED) in mesh.refused


def test_who_was_refused_by_a_wrong_clock_gets_a_link_once_that_is_set() -> None:
    mesh = joined("a", "b")
    mesh.gates["a"].membership.offset_s += 2 * DAY_S
    mesh.run(3)
    assert ("a", mesh.net.hosts["b"].address, EXPIRED) in mesh.refused
    assert not reaches(mesh.net, "a", "b")
    mesh.gates["a"].membership.offset_s -= 2 * DAY_S
    mesh.gates["a"].pardon()
    mesh.run(20)
    deliver(mesh.net, "a", "b")


def test_who_is_barred_may_try_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_gate_module, "BARRED_S", 5.0)
    mesh = joined("a")
    b = mesh.add("b")
    mesh.gates["b"].membership.chain = Chain(certificate(b, OTHER_ROOT))
    mesh.net.join("b", "a")
    mesh.run(3)
    assert mesh.gates["a"].bars(b.address)
    mesh.gates["b"].membership.chain = Chain(certificate(b))
    mesh.run(40)
    assert reaches(mesh.net, "a", "b")


def test_a_neighbour_that_comes_back_is_known_at_once() -> None:
    mesh = joined("a", "b")
    mesh.run(4)
    mesh.net.cut("a", "b")
    mesh.run(5)
    assert not reaches(mesh.net, "a", "b")
    mesh.net.mend("a", "b")
    mesh.net.run(20, until=lambda: reaches(mesh.net, "a", "b"))
    assert mesh.refused == []


def test_the_same_certificate_again_costs_no_signature_and_another_one_does() -> None:
    mesh = joined("a", "b")
    mesh.run(4)
    gate, b = mesh.gates["a"], mesh.net.hosts["b"]
    again = shown(b.address, mesh.gates["b"].membership.chain)
    list(gate.sift([again] * 3 * MEMBER_CHECKS_AT_ONCE, now=mesh.net.now))
    assert gate.counters.member_checks_over_budget == 0
    own = mesh.gates["b"].membership.chain.own
    forged = shown(b.address, Chain(half_forged(own, certificate(b.identity, OTHER_ROOT))))
    list(gate.sift([forged] * (MEMBER_CHECKS_AT_ONCE + 5), now=mesh.net.now))
    assert gate.counters.members_refused <= MEMBER_CHECKS_AT_ONCE
    assert gate.counters.member_checks_over_budget >= 5


def test_many_neighbours_together_have_a_bounded_number_of_signatures_checked() -> None:
    mesh = joined("a")
    gate = mesh.gates["a"]
    taken = sum(
        gate._may_check(number.to_bytes(16, "big"), gate._checks, now=1.0)
        for number in range(NEIGHBOURS)
        for _ in range(MEMBER_CHECKS_AT_ONCE)
    )
    assert taken == MEMBER_CHECKS_OF_ALL.at_once
    assert not gate._may_check(b"n" * 16, gate._checks, now=1.0)
    assert gate._may_check(b"n" * 16, gate._checks, now=2.0)


def test_a_neighbour_has_no_more_signatures_checked_for_how_many_others_there_are() -> None:
    gate = joined("a").gates["a"]
    nodes = [number.to_bytes(16, "big") for number in range(NEIGHBOURS)]
    for _ in range(MEMBER_CHECKS_AT_ONCE):
        assert gate._checks.of_one.take(nodes[0], now=1.0)
    for node in nodes[1:]:
        gate._checks.of_one.take(node, now=1.0)
    assert not gate._checks.of_one.take(nodes[0], now=1.0)


def test_partners_further_away_have_no_signatures_checked_at_the_expense_of_neighbours() -> None:
    mesh = MemberNet()
    mesh.add("a")
    gate, now = mesh.gates["a"], mesh.net.now
    own = certificate(mesh.net.hosts["a"].identity, OTHER_ROOT)
    claims = Claims((b"",), None, START)
    gate.membership.check_claims = lambda *args, now: claims  # type: ignore[method-assign]
    for number in range(2 * int(MEMBER_CHECKS_OF_ALL.at_once)):
        with suppress(NotAMember):
            gate.admit(number.to_bytes(16, "big"), encode_chain(Chain(own)), now=now)
    assert gate.counters.member_checks_over_budget == MEMBER_CHECKS_OF_ALL.at_once
    assert gate._may_check(b"n" * 16, gate._checks, now=now)


def test_pieces_without_a_beginning_and_what_makes_no_sense_are_dropped_and_counted() -> None:
    mesh = joined("a", "b")
    gate, b = mesh.gates["a"], mesh.net.hosts["b"].address
    _, *rest = pieces_of(mesh.gates["b"].membership.chain)
    list(gate.sift([ItemsReceived(b, [*rest, MemberPiece(MEMBER_PROOF, 0, 5, b"hello")])], now=1.0))
    assert gate.counters.member_pieces_lost == len(rest) + 1
    assert gate.counters.members_shown == 0
    assert gate._assemblies == {}


def test_links_that_are_gone_leave_no_beginnings_of_statements() -> None:
    mesh = joined("a", "b")
    mesh.run(4)
    gate, b = mesh.gates["a"], mesh.net.hosts["b"].address
    first, *_ = pieces_of(removals(1))
    link = mesh.net.hosts["a"].node.links[b]
    for name in (b, b + b"instance"):  # of which the second is gone
        list(gate.sift([ItemsReceived(name, [first])], now=mesh.net.now))
    assert list(gate._assemblies) == [link, None]
    gate.sweep(now=mesh.net.now)
    assert list(gate._assemblies) == [link]
