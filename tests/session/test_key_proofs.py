"""Partners prove ML-DSA keys in a session: nothing is sent to who has not, nothing taken of it, no renewal loses a packet."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.channel.key_proofs import PROVED_WITHIN_S, SHOWN_AGAIN_S, WANTED_AGAIN_S
from mycelium.channel.proof_causes import not_proved, wrongly_proved
from mycelium.channel.simultaneous_open import SIMULTANEOUS_S
from mycelium.errors import NotAMember
from mycelium.identity import address_of_exchange_key
from mycelium.limits import SharedRate
from mycelium.session.key_proofs import NO_CERTIFICATE, NOT_ACCEPTED, SessionProofs
from mycelium.session.requests import PATIENCE_S
from mycelium.session.session import UNPROVED_KEYPAIRS, SessionKeypair
from mycelium.session.table import REFUSED_S
from mycelium.timing import SharedBucket
from mycelium.wire.datagram import TAG_BYTES
from mycelium.wire.key_proof import PROOF_PART_BYTES, PROOF_PARTS, ProofWanted
from mycelium.wire.membership import CERTIFICATE_BYTES, CHAIN_BYTES
from mycelium.wire.session_proof import CertificatePart, MemberWanted, certificate_parts, parts_of
from mycelium.wire.train import DATA, SESSION_PROOF
from sim.net.repeatable_crypto import RepeatablePrimitives
from tests.channel.support import agreed_keys, awaited_proof
from tests.session.lab import DELAY_S, Delays, SentTrain, SessionLab
from tests.support.examples import examples

PART_BYTES = range(400, 520)
WHOLE_PART_BYTES = 2 + PROOF_PART_BYTES + TAG_BYTES


def fingerprint_of(lab: SessionLab, name: str) -> bytes:
    fingerprint = lab.ends[name].prover.fingerprint
    assert fingerprint is not None
    return fingerprint


def want(lab: SessionLab, one: str, other: str, fingerprint: bytes | None = None) -> None:
    """Has one end want the proof of the other's key, or of another key."""
    key = lab.ends[other].identity.exchange_public_key
    lab.ends[one].wanted[key] = fingerprint or fingerprint_of(lab, other)


def pinned(*pairs: str, seed: int = 0) -> SessionLab:
    lab = SessionLab("ab", seed=seed)
    for pair in pairs:
        want(lab, pair[0], pair[1])
    return lab


def is_part(train: SentTrain) -> bool:
    return train.kind == SESSION_PROOF and len(train.body) in PART_BYTES


def impostor(lab: SessionLab, name: str) -> None:
    """Has an end be somebody who has all of its keys but the ML-DSA key."""
    lab.ends[name].prover._private = RepeatablePrimitives().dsa_keypair(bytes(32))[0]
    assert lab.ends[name].prover.public_key


def made_impostor(lab: SessionLab, name: str) -> None:
    lab.ends[name].prover.public_key  # noqa: B018 - it is made when it is first used
    impostor(lab, name)


def proofs_of(lab: SessionLab, name: str, other: str) -> SessionProofs:
    return lab.ends[name].sessions._proving._by_peer[lab.ends[other].identity.address]


# -- pins --------------------------------------------------------------------------------------------------------------


def test_packets_go_to_a_pinned_partner_once_it_has_proved_its_key() -> None:
    lab = pinned("ab")
    lab.send("a", "b", b"one")
    lab.run(1)
    said = lab.said()
    assert said[:3] == ["a>b request", "b>a reply", "a>b proof"]
    assert said[3 : 3 + PROOF_PARTS] == ["b>a proof"] * PROOF_PARTS
    assert said[3 + PROOF_PARTS :] == ["a>b proof", "a>b one", "b>a confirm"]
    assert lab.heard("b") == [b"one"]
    assert lab.ends["b"].unproved == 0


def test_both_ends_may_want_a_proof_and_no_packet_is_lost() -> None:
    lab = pinned("ab", "ba")
    for number in range(5):
        lab.send("a", "b", b"%d" % number)
    lab.send("b", "a", b"back")
    lab.run(2)
    assert lab.heard("b") == [b"%d" % number for number in range(5)]
    assert lab.heard("a") == [b"back"]
    assert [lab.ends[name].unproved for name in "ab"] == [0, 0]


def test_who_is_asked_by_the_responder_goes_on_when_its_proof_is_accepted() -> None:
    lab, lost = pinned("ba"), list[SentTrain]()

    def loses_a_part(train: SentTrain) -> Delays:
        lost.extend([train] if is_part(train) and not lost else [])
        return [] if lost[-1:] == [train] else [DELAY_S]

    lab.fate = loses_a_part
    lab.send("a", "b", b"early")
    lab.run(3.5 * DELAY_S)
    assert lab.ends["b"].unproved == 1
    lab.run(2 * DELAY_S)
    lab.send("a", "b", b"waits")
    lab.run(1)
    lab.send("b", "a", b"answer")
    lab.run(1)
    assert (lab.heard("b"), lab.heard("a")) == ([b"early", b"waits"], [b"answer"])
    assert lab.ends["b"].unproved == 1


def test_where_nothing_is_wanted_no_train_more_is_sent_and_nothing_is_kept() -> None:
    lab = SessionLab("ab")
    lab.send("a", "b", b"one")
    lab.run(1)
    assert lab.said() == ["a>b request", "b>a reply", "a>b one"]
    assert [len(lab.ends[name].sessions._proving) for name in "ab"] == [0, 0]


@pytest.mark.parametrize("initiator", ["a", "b"])
def test_who_has_all_keys_but_the_mldsa_key_gets_no_session(initiator: str) -> None:
    lab = pinned("ab")
    made_impostor(lab, "b")
    lab.send(initiator, "ab"["ba".index(initiator)], b"first")
    lab.run(1)
    a = lab.ends["a"]
    assert set(a.sessions.unproved) == {(lab.ends["b"].identity.address, wrongly_proved(fingerprint_of(lab, "b")))}
    assert a.sessions.counters.key_proofs_refused == a.sessions.counters.sessions_unproved <= 2
    assert lab.session("a", "b").sending is None
    assert a.sessions.by_index == {}
    lab.send("a", "b", b"secret")
    lab.send("b", "a", b"forged")
    lab.run(1)
    assert (lab.heard("a"), lab.heard("b")) == ([], [])


def test_the_owner_is_told_once_why_keys_are_dropped_until_others_are_used() -> None:
    lab = pinned("ab")
    a, key = lab.ends["a"].sessions, lab.ends["b"].identity.exchange_public_key
    right, told = lab.ends["a"].wanted[key], list[tuple[bytes, str]]()
    for wanted in (bytes(15) + b"x", bytes(15) + b"x", bytes(15) + b"y", right, bytes(15) + b"y"):
        lab.ends["a"].wanted[key] = wanted
        a.want_proofs(now=lab.now)
        lab.send("a", "b", b"one")
        lab.run(PROVED_WITHIN_S + REFUSED_S + 1)
        if wanted != right:
            told.append((lab.ends["b"].identity.address, not_proved(wanted)))
    assert a.counters.sessions_unproved >= 4
    assert a.unproved == told[1:]


def test_who_shows_nothing_is_refused_after_some_seconds_and_the_packets_with_it() -> None:
    lab = pinned()
    want(lab, "a", "b", bytes(15) + b"x")
    lab.send("a", "b", b"secret")
    lab.run(PROVED_WITHIN_S)
    assert lab.session("a", "b").is_proving
    lab.run(1)
    assert lab.ends["a"].sessions.failed == [lab.session("a", "b")]
    assert [cause for _, cause in lab.ends["a"].sessions.unproved] == [not_proved(bytes(15) + b"x")]
    assert lab.heard("b") == []
    assert lab.ends["b"].sessions.counters.key_proofs_shown == 0, "it is shown to who knows the fingerprint"
    asked = [train for train in lab.sent if train.kind == SESSION_PROOF]
    assert len(asked) == round(PROVED_WITHIN_S / WANTED_AGAIN_S)


def test_a_recorded_request_draws_neither_a_proof_nor_a_wish() -> None:
    lab = pinned("ab", "ba")
    lab.send("a", "b", b"one")
    lab.run(1)
    request = next(train for train in lab.sent if train.text == "a>b request")
    lab.restart("b")
    want(lab, "b", "a")
    lab.said()
    lab.fate = lambda train: []
    lab.replay(request)
    lab.run(20)
    assert [text for text in lab.said() if text.startswith("b>")] == ["b>a reply"]
    assert lab.ends["b"].sessions.unproved == []


# -- renewal, restarts, loss -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", [("ab",), ("ba",), ("ab", "ba")])
@pytest.mark.parametrize("renewing", ["a", "b"])
def test_new_keys_are_used_once_they_are_proved_and_nothing_is_lost_meanwhile(
    renewing: str, pairs: tuple[str, ...]
) -> None:
    lab = pinned(*pairs)
    lab.send("a", "b", b"begin")
    lab.run(SIMULTANEOUS_S + 2)
    lab.send("a", "b", b"x")
    lab.run(1)
    lab.heard("b")
    before = {name: lab.ends[name].unproved for name in "ab"}
    old = {name: lab.session(name, other).sending for name, other in ("ab", "ba")}
    lost = set[str]()

    def loses_first(train: SentTrain) -> Delays:
        is_first = is_part(train) and train.source not in lost
        lost.update(train.source if is_first else "")
        return [] if is_first else [DELAY_S]

    lab.fate = loses_first
    other = "ab"["ba".index(renewing)]
    lab.ends[renewing].sessions.request(lab.session(renewing, other), now=lab.now)
    every = [b"%d" % number for number in range(100)]
    for data in every:
        lab.send("a", "b", data)
        lab.send("b", "a", data)
        lab.run(0.02)
    lab.run(1)
    assert (lab.heard("a"), lab.heard("b")) == (every, every)
    assert {name: lab.ends[name].unproved for name in "ab"} == before
    for name, its_old in old.items():
        assert lab.session(name, "ab"["ba".index(name)]).sending is not its_old
    assert len(lost) == len(pairs)


def test_keys_of_who_can_not_prove_take_no_session_over() -> None:
    """Somebody has computed b's X25519 and Ed25519 secrets from its public keys, and asks for a session as b."""
    lab = pinned("ab")
    lab.send("a", "b", b"one")
    lab.run(1)
    made_impostor(lab, "b")
    old = lab.session("a", "b").sending
    lab.ends["b"].sessions.request(lab.session("b", "a"), now=lab.now)
    lab.run(1)
    assert lab.session("a", "b").sending is old
    assert lab.session("a", "b").keypairs == [old]
    assert len(lab.ends["a"].sessions.unproved) in (1, 2)


def test_many_keys_that_are_not_proved_push_out_none_that_is() -> None:
    lab = pinned("ab")
    lab.send("a", "b", b"one")
    lab.run(1)
    old = lab.session("a", "b").sending
    lab.fate = lambda train: [] if len(train.body) == WHOLE_PART_BYTES else [DELAY_S]  # all but the last
    for _ in range(UNPROVED_KEYPAIRS + 3):
        lab.ends["b"].sessions._request(lab.session("b", "a"), now=lab.now)
        lab.run(0.3)
    held = lab.session("a", "b").keypairs
    assert old in held
    assert lab.session("a", "b").sending is old
    assert sum(keypair.awaited is not None for keypair in held) in range(UNPROVED_KEYPAIRS, UNPROVED_KEYPAIRS + 3)
    assert set(lab.ends["a"].sessions.by_index) == {keypair.local_index for keypair in held}


@pytest.mark.parametrize("pairs", [("ab",), ("ba",), ("ab", "ba")])
@pytest.mark.parametrize("restarted", ["a", "b"])
@pytest.mark.parametrize("after_s", [1.5 * DELAY_S, 2.5 * DELAY_S, 3.5 * DELAY_S, 1.0])
def test_an_end_that_is_restarted_gets_a_new_session(restarted: str, pairs: tuple[str, ...], after_s: float) -> None:
    lab = pinned(*pairs)
    lab.send("a", "b", b"one")
    lab.run(after_s)
    lab.restart(restarted)
    for pair in pairs:
        if pair[0] == restarted:
            want(lab, pair[0], pair[1])
    for number in range(80):
        lab.send("a", "b", b"%d" % number)
        lab.send("b", "a", b"%d" % number)
        lab.run(0.1)
    assert {b"%d" % number for number in range(60, 80)} <= set(lab.heard("a"))
    assert {b"%d" % number for number in range(60, 80)} <= set(lab.heard("b"))


def test_an_end_that_wanted_a_proof_before_its_restart_and_none_after_does_not_hold_the_other_up() -> None:
    lab = pinned("ba")
    lab.send("a", "b", b"x")
    lab.run(1)
    lab.send("a", "b", b"one")
    lab.run(1)
    lab.restart("b")
    lab.send("b", "a", b"two")
    lab.run(0.5)
    lab.send("a", "b", b"three")
    lab.run(0.5)
    assert (lab.heard("a"), lab.heard("b")) == ([b"two"], [b"three"])


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 1 << 32),
    lost=st.floats(0.0, 0.25),
    pairs=st.sampled_from([("ab",), ("ba",), ("ab", "ba")]),
    both=st.booleans(),
)
def test_packets_arrive_over_a_way_that_loses_doubles_and_reorders_and_none_before_a_proof(
    seed: int, lost: float, pairs: tuple[str, ...], both: bool
) -> None:
    lab, rng = pinned(*pairs, seed=seed), random.Random(seed)

    def fate(train: SentTrain) -> Delays:
        return [DELAY_S * rng.uniform(0.5, 3) for _ in range(rng.choice((1, 1, 2))) if rng.random() >= lost]

    lab.fate = fate
    for number in range(200):
        lab.send("a", "b", b"%d" % number)
        if both:
            lab.send("b", "a", b"%d" % number)
        lab.run(0.1)
        for one in (pair[0] for pair in pairs):
            if lab.heard(one):
                assert lab.ends[one].sessions.counters.key_proofs_taken > 0
    lab.fate = lambda train: [DELAY_S]
    lab.run(6)
    lab.send("a", "b", b"last")
    lab.send("b", "a", b"last")
    lab.run(8)
    assert lab.heard("b")[-1:] == [b"last"]
    assert lab.heard("a")[-1:] == [b"last"]
    for name in "ab":
        assert lab.ends[name].sessions._proving.next_deadline() == inf


def test_an_acceptance_that_is_lost_is_asked_for_again_by_the_last_part() -> None:
    lab = pinned("ba", "ab")
    lost: list[SentTrain] = []

    def fate(train: SentTrain) -> Delays:
        is_it = train.source == "b" and train.kind == SESSION_PROOF and len(train.body) == 17 and not lost
        lost.extend([train] if is_it else [])
        return [] if is_it else [DELAY_S]

    lab.fate = fate
    lab.send("a", "b", b"one")
    lab.run(2 * WANTED_AGAIN_S)
    assert len(lost) == 1
    assert lab.heard("b") == [b"one"]


def test_who_asks_in_a_partners_name_and_proves_nothing_keeps_nobody_from_asking_that_partner() -> None:
    lab = pinned("ab")
    made_impostor(lab, "b")
    lab.fate = lambda train: [] if train.text == "a>b request" else [DELAY_S]  # which whoever poses as b does not get
    for _ in range(20):
        lab.send("b", "a", b"forged")
        lab.run(0.2)
        lab.ends["b"].sessions.forget(lab.session("b", "a"))
    assert lab.ends["a"].sessions.counters.key_proofs_refused > 5
    lab.run(PATIENCE_S)
    lab.send("b", "a", b"forged")
    lab.run(0.2)
    lab.restart("b")
    lab.fate = lambda train: [DELAY_S]
    lab.send("a", "b", b"one")
    lab.run(1.5)
    assert lab.heard("b") == [b"one"]
    assert lab.heard("a") == []


def test_packets_wait_for_the_partner_while_somebody_who_asks_in_its_name_owes_a_proof_and_fails() -> None:
    lab = pinned("ab")
    made_impostor(lab, "b")
    lab.fate = lambda train: [] if train.text == "a>b request" or is_part(train) else [DELAY_S]
    lab.send("b", "a", b"forged")
    lab.run(0.2)
    [forged] = lab.session("a", "b").keypairs
    assert forged.awaited is not None
    lab.send("a", "b", b"one")
    assert "a>b request" in lab.said()
    lab.fate = lambda train: [] if train.text == "a>b request" else [DELAY_S]
    lab.run(1)
    a = lab.ends["a"].sessions
    assert (a.counters.sessions_unproved, a.failed, len(lab.session("a", "b").queue)) == (1, [], 1)


def test_a_proof_that_nobody_wants_any_more_is_answered_and_its_keys_are_used() -> None:
    lab = pinned("ba")
    lab.send("a", "b", b"x")
    lab.run(SIMULTANEOUS_S + 1)
    lab.ends["b"].wanted.clear()
    lab.ends["b"].sessions.forget(lab.session("b", "a"))
    lab.ends["a"].sessions.request(lab.session("a", "b"), now=lab.now)
    lab.run(5 * DELAY_S)
    keypair = lab.session("b", "a").sending
    assert keypair is not None
    lab.send("b", "a", b"two")
    lab.run(1)
    assert lab.heard("a") == [b"two"]


def test_keys_that_begin_with_a_proof_that_nobody_wants_any_more_are_used_by_both_ends() -> None:
    lab = pinned("ba")
    lab.send("a", "b", b"x")
    lab.run(SIMULTANEOUS_S + 1)
    b = lab.ends["b"]
    b.wanted.clear()
    b.sessions.want_proofs(now=lab.now)
    lab.ends["a"].sessions.request(lab.session("a", "b"), now=lab.now)
    lab.run(1)
    for name, other in ("ab", "ba"):
        session = lab.session(name, other)
        assert session.sending is session.keypairs[0]
        assert len(session.keypairs) == 2


def test_new_keys_whose_first_train_is_about_proofs_are_used_where_nothing_is_to_be_proved() -> None:
    lab = SessionLab("ab")
    lab.send("a", "b", b"x")
    lab.run(SIMULTANEOUS_S + 1)
    old = lab.session("b", "a").sending
    lab.fate = lambda train: [] if train.kind == DATA else [DELAY_S]
    a = lab.ends["a"].sessions
    a.request(lab.session("a", "b"), now=lab.now)
    lab.run(3 * DELAY_S)
    keypair = lab.session("a", "b").sending
    assert keypair is not None
    a._proving.send(lab.session("a", "b"), keypair, MemberWanted(), now=lab.now)
    lab.run(2 * DELAY_S)
    sending = lab.session("b", "a").sending
    assert sending is not None
    assert sending is not old
    assert sending.remote_index == keypair.local_index


def test_who_answers_no_wish_any_more_is_shown_nothing_unasked_once_that_has_failed() -> None:
    lab = pinned("ba")
    lab.send("a", "b", b"x")
    lab.run(SIMULTANEOUS_S + 1)
    a, old = lab.ends["a"].sessions, lab.session("a", "b").sending
    lab.ends["b"].wanted.clear()
    lab.restart("b")
    lab.ends["b"].sessions.receive_proof = lambda *args, now: None  # type: ignore[method-assign]
    a.request(lab.session("a", "b"), now=lab.now)
    lab.run(PROVED_WITHIN_S + REFUSED_S + 1)
    assert lab.session("a", "b").sending is old
    a.request(lab.session("a", "b"), now=lab.now)
    lab.run(1)
    assert lab.session("a", "b").sending is lab.session("a", "b").keypairs[0] is not old


def test_a_train_of_data_says_that_a_proof_is_accepted() -> None:
    lab = pinned("ba")
    lab.fate = lambda train: [] if train.text == "b>a proof" and len(train.body) == 1 + TAG_BYTES else [DELAY_S]
    lab.send("b", "a", b"one")
    lab.run(PROVED_WITHIN_S + 1)
    assert lab.heard("a") == [b"one"]
    assert lab.ends["a"].sessions.unproved == []


def test_a_renewal_whose_acceptance_is_lost_is_asked_for_it_again() -> None:
    lab = pinned("ba")
    lab.send("a", "b", b"x")
    lab.run(SIMULTANEOUS_S + 1)
    old, lost = lab.session("a", "b").sending, list[SentTrain]()

    def fate(train: SentTrain) -> Delays:
        is_it = train.source == "b" and train.kind in (SESSION_PROOF, DATA) and len(lost) < 3
        lost.extend([train] if is_it else [])
        return [] if is_it else [DELAY_S]

    lab.fate = fate
    lab.ends["a"].sessions.request(lab.session("a", "b"), now=lab.now)
    lab.run(WANTED_AGAIN_S)
    assert (len(lost), lab.session("a", "b").sending) == (3, old)
    lab.run(WANTED_AGAIN_S)
    assert lab.session("a", "b").sending is not old


@pytest.mark.parametrize("late_s", [0.0, 0.003, 0.1])
def test_new_keys_that_the_other_end_never_accepts_are_dropped_however_late_that_is_noticed(late_s: float) -> None:
    lab = pinned("ba")
    lab.send("a", "b", b"x")
    lab.run(SIMULTANEOUS_S + 1)
    old, lab.late_s = lab.session("a", "b").sending, late_s
    lab.fate = lambda train: [] if train.source == "b" and train.kind in (SESSION_PROOF, DATA) else [DELAY_S]
    lab.ends["a"].sessions.request(lab.session("a", "b"), now=lab.now)
    lab.run(PROVED_WITHIN_S + 1)
    assert lab.ends["a"].sessions.unproved == [(lab.session("a", "b").peer, NOT_ACCEPTED)]
    assert lab.session("a", "b").sending is old


def test_who_is_reminded_to_accept_is_so_over_another_next_hop_each_second_time() -> None:
    lab = pinned("ba")
    lab.send("a", "b", b"x")
    lab.run(SIMULTANEOUS_S + 1)
    lab.fate = lambda train: [] if train.source == "b" and train.kind in (SESSION_PROOF, DATA) else [DELAY_S]
    lab.ends["a"].turns.clear()
    lab.ends["a"].sessions.request(lab.session("a", "b"), now=lab.now)
    lab.run(3.3 * WANTED_AGAIN_S)
    assert lab.ends["a"].turns == [1]


def test_a_member_without_an_mldsa_key_reminds_by_a_part_of_its_certificates() -> None:
    lab = member_lab("a")
    accepts_at = lab.now + 0.8 * WANTED_AGAIN_S

    def fate(train: SentTrain) -> Delays:
        says_so = train.kind == DATA or len(train.body) == 1 + TAG_BYTES
        return [] if train.source == "b" and says_so and lab.now < accepts_at else [DELAY_S]

    lab.fate = fate
    lab.send("a", "b", b"one")
    lab.run(0.9 * WANTED_AGAIN_S)
    assert lab.heard("b") == []
    lab.run(WANTED_AGAIN_S)
    assert lab.heard("b") == [b"one"]


def test_keys_are_used_in_the_end_where_too_many_proofs_were_wanted_and_this_one_is_no_more() -> None:
    lab = pinned("ba")
    lab.send("a", "b", b"x")
    lab.run(SIMULTANEOUS_S + 1)
    a, b, old = lab.ends["a"].sessions, lab.ends["b"], lab.session("a", "b").sending
    b.wanted.clear()
    b.sessions.want_proofs(now=lab.now)
    for share in (a._proving._budgets.known, a._proving._budgets.strangers):
        share.made = SharedBucket(SharedRate(0.001, 0.5, 0.001, 0.5), keys=4, now=lab.now)
    a.request(lab.session("a", "b"), now=lab.now)
    lab.run(PROVED_WITHIN_S + 1)
    assert a.counters.key_proofs_over_budget == 1
    assert lab.session("a", "b").sending is lab.session("a", "b").keypairs[0] is not old
    assert a.unproved == []


def test_what_is_asked_for_or_shown_again_takes_another_next_hop_each_second_time() -> None:
    lab = pinned("ab")
    lab.fate = lambda train: [] if train.kind == SESSION_PROOF else [DELAY_S]
    lab.send("a", "b", b"one")
    lab.run(3.3 * WANTED_AGAIN_S)
    assert lab.ends["a"].turns == [1, 2]
    lab = pinned("ab")
    lab.fate = lambda train: [] if is_part(train) else [DELAY_S]
    lab.send("a", "b", b"one")
    lab.run(1.4 * WANTED_AGAIN_S)
    turns = lab.ends["b"].turns
    assert turns == [1] * PROOF_PARTS
    lab.run(WANTED_AGAIN_S)
    assert turns[PROOF_PARTS:].count(1) <= 1, "the one that reminds"
    lab = member_lab("b")
    lab.fate = lambda train: [] if train.source == "b" and is_part(train) else [DELAY_S]
    lab.send("a", "b", b"one")
    lab.run(1.9 * WANTED_AGAIN_S)
    assert lab.ends["b"].turns == [1] * (certificate_parts(CERTIFICATE_BYTES) - 1), "the last one is short, and arrives"


def lab_that_loses_a_part() -> tuple[SessionLab, list[SentTrain]]:
    """Members of which b's first whole part of certificates is lost, which is in the list then."""
    lab, lost = member_lab(), list[SentTrain]()

    def loses_one(train: SentTrain) -> Delays:
        is_it = train.source == "b" and is_part(train) and not lost and len(train.body) == WHOLE_PART_BYTES + 2
        lost.extend([train] if is_it else [])
        return [] if is_it else [DELAY_S]

    lab.fate = loses_one
    return lab, lost


def test_only_parts_that_have_not_arrived_are_shown_again() -> None:
    lab, lost = lab_that_loses_a_part()
    lab.send("a", "b", b"one")
    lab.run(2 * WANTED_AGAIN_S)
    assert (len(lost), lab.heard("b")) == (1, [b"one"])
    shown = sum(train.source == "b" and is_part(train) for train in lab.sent)
    assert shown <= PROOF_PARTS + certificate_parts(CERTIFICATE_BYTES) + 2, (
        "the one that was lost, and one that reminds"
    )


def test_a_part_of_certificates_that_is_lost_is_asked_for_soon_after_the_last_one() -> None:
    lab, lost = lab_that_loses_a_part()
    lab.send("a", "b", b"one")
    lab.run(SHOWN_AGAIN_S + 9 * DELAY_S)
    assert (len(lost), lab.heard("b")) == (1, [b"one"])


# -- pins that come later ----------------------------------------------------------------------------------------------


def test_a_session_that_is_up_is_proved_when_its_peer_gets_a_pin_and_its_packets_wait() -> None:
    lab = SessionLab("ab")
    lab.send("a", "b", b"one")
    lab.run(1)
    keypair = lab.session("a", "b").sending
    want(lab, "a", "b")
    lab.ends["a"].sessions.want_proofs(now=lab.now)
    lab.send("a", "b", b"two")
    lab.run(DELAY_S)
    assert lab.heard("b") == [b"one"]
    lab.run(1)
    assert lab.heard("b") == [b"two"]
    assert lab.session("a", "b").sending is keypair
    lab.ends["a"].wanted.clear()
    lab.ends["a"].sessions.want_proofs(now=lab.now)
    lab.send("a", "b", b"three")
    lab.run(1)
    assert lab.heard("b") == [b"three"]


def test_a_session_that_is_up_ends_when_its_peer_gets_a_pin_that_it_can_not_prove() -> None:
    lab = SessionLab("ab")
    lab.send("a", "b", b"one")
    lab.run(1)
    want(lab, "a", "b", bytes(15) + b"x")
    lab.ends["a"].sessions.want_proofs(now=lab.now)
    lab.send("b", "a", b"early")
    lab.run(PROVED_WITHIN_S + 1)
    assert lab.session("a", "b").sending is None
    assert lab.heard("a") == []


def test_a_pin_draws_no_wish_under_keys_that_nobody_has_confirmed() -> None:
    lab = SessionLab("ab")
    lab.send("a", "b", b"one")
    lab.run(1)
    lab.replay(next(train for train in lab.sent if train.text == "a>b request"))
    lab.run(1)
    assert [keypair.is_confirmed for keypair in lab.session("b", "a").keypairs] == [False, True]
    lab.said()
    want(lab, "b", "a")
    lab.ends["b"].sessions.want_proofs(now=lab.now)
    assert lab.said() == ["b>a proof"]


def test_a_pin_that_goes_while_a_proof_is_awaited_ends_the_waiting() -> None:
    lab = pinned()
    want(lab, "a", "b", bytes(15) + b"x")
    lab.send("a", "b", b"one")
    lab.run(1)
    lab.ends["a"].wanted.clear()
    lab.ends["a"].sessions.want_proofs(now=lab.now)
    lab.ends["a"].release()
    lab.run(1)
    assert lab.heard("b") == [b"one"]


def kept_early(lab: SessionLab, *, count: int) -> None:
    """Has so many packets of b come to a, which wants another proof than b has."""
    lab.send("b", "a", b"first")
    lab.run(1)
    assert lab.heard("a") == [b"first"]
    want(lab, "a", "b", bytes(15) + b"x")
    lab.ends["a"].sessions.want_proofs(now=lab.now)
    for number in range(count):
        lab.send("b", "a", b"early %d" % number)
    lab.run(1.5 * DELAY_S)
    assert lab.heard("a") == []
    assert [one.awaited for one in lab.session("a", "b").keypairs] != [None]


def test_packets_that_wait_are_taken_when_nobody_wants_the_proof_any_more() -> None:
    lab = SessionLab("ab")
    armed: list[float] = []
    kept_early(lab, count=2)
    lab.ends["a"].wanted.clear()
    lab.ends["a"].sessions._arm = armed.append
    lab.ends["a"].sessions.want_proofs(now=lab.now)
    assert min(armed) <= lab.now, "whoever drains them is called"
    lab.ends["a"].release()
    assert lab.heard("a") == [b"early 0", b"early 1"]


def test_packets_that_wait_go_on_to_wait_when_another_proof_is_wanted() -> None:
    lab = SessionLab("ab")
    kept_early(lab, count=2)
    want(lab, "a", "b")
    lab.ends["a"].sessions.want_proofs(now=lab.now)
    assert lab.heard("a") == []
    lab.run(1)
    assert lab.heard("a") == [b"early 0", b"early 1"]


def not_proved_in_time(lab: SessionLab) -> None:
    lab.run(PROVED_WITHIN_S + 1)


def forgotten(lab: SessionLab) -> None:
    lab.ends["a"].sessions.forget(lab.session("a", "b"))


def without_keys(lab: SessionLab) -> None:
    lab.ends["a"].sessions.drop_keys(now=lab.now)


def expired(lab: SessionLab) -> None:
    lab.session("a", "b").keypairs[0].expire()
    lab.ends["a"].sessions._sweep(lab.session("a", "b"), now=lab.now)


def pushed_out(lab: SessionLab) -> None:
    sessions, session = lab.ends["a"].sessions, lab.session("a", "b")
    for index in range(1, UNPROVED_KEYPAIRS + 1):
        keypair = SessionKeypair(agreed_keys(is_initiator=True, index=index), now=lab.now)
        keypair.awaited = awaited_proof(until=lab.now + 1)
        session.adopt(keypair)
        sessions.by_index[index] = session, keypair
    lab.ends["b"].sessions.request(lab.session("b", "a"), now=lab.now)
    lab.run(2.5 * DELAY_S)


@pytest.mark.parametrize("end", [not_proved_in_time, forgotten, without_keys, expired, pushed_out])
def test_packets_that_end_with_the_keys_whose_proof_they_wait_for_are_counted(
    end: Callable[[SessionLab], None],
) -> None:
    lab = SessionLab("ab")
    kept_early(lab, count=2)
    assert lab.ends["a"].sessions.counters.trains_unproved == 0
    end(lab)
    assert lab.heard("a") == []
    assert lab.ends["a"].sessions.counters.trains_unproved == 2


# -- members -----------------------------------------------------------------------------------------------------------


class KnownMembers:
    """What an end knows of members: certificates are told apart by their first byte, and some are refused."""

    def __init__(self, lab: SessionLab, name: str, *, has_key: bool = True) -> None:
        self.lab, self.name, self.has_key = lab, name, has_key
        self.known: dict[bytes, bytes | None] = {}  # fingerprints, by X25519 key
        self.refuses = False
        self.is_busy = False
        self.checked = 0

    def knows(self, exchange_key: bytes) -> bool:
        return exchange_key in self.known

    def certified(self, exchange_key: bytes) -> bytes | None:
        return self.known.get(exchange_key)

    def shown(self) -> bytes:
        named = self.lab.ends[self.name].prover.fingerprint if self.has_key else None
        return (
            (named or bytes(16)) + self.lab.ends[self.name].identity.exchange_public_key + bytes(CERTIFICATE_BYTES - 48)
        )

    def admit(self, partner: bytes, certificates: bytes, *, now: float) -> bool:
        self.checked += 1
        named, key = certificates[:16], certificates[16:48]
        if self.refuses or address_of_exchange_key(key) != partner:
            raise NotAMember("it was removed")
        if not self.is_busy:
            self.known[key] = named if any(named) else None
        return not self.is_busy


def members(lab: SessionLab, name: str) -> KnownMembers:
    of = lab.ends[name].members
    assert isinstance(of, KnownMembers)
    return of


def member_lab(*without_key: str) -> SessionLab:
    lab = SessionLab("ab")
    for name in "ab":
        lab.ends[name].members = KnownMembers(lab, name, has_key=name not in without_key)
        if name in without_key:
            lab.ends[name].prover.identity.seed = None
    return lab


def arrivals(lab: SessionLab) -> Iterator[float]:
    """Yields after how many ways a packet and its answer have arrived."""
    began = lab.now
    lab.send("a", "b", b"one")
    while not lab.heard("b"):
        lab.run(DELAY_S / 4)
    yield (lab.now - began) / DELAY_S
    lab.send("b", "a", b"two")
    while not lab.heard("a"):
        lab.run(DELAY_S / 4)
    yield (lab.now - began) / DELAY_S


def test_members_show_certificates_and_proofs_at_once_and_are_heard_two_ways_later() -> None:
    lab = member_lab()
    assert list(arrivals(lab)) == pytest.approx([5, 6], abs=0.6)
    assert [members(lab, name).checked for name in "ab"] == [1, 1]
    assert [lab.ends[name].unproved for name in "ab"] == [0, 0]
    assert [lab.ends[name].sessions.counters.key_proofs_taken for name in "ab"] == [1, 1]


def test_a_certificate_that_is_known_is_neither_asked_for_nor_checked_again() -> None:
    lab = member_lab()
    list(arrivals(lab))
    lab.run(SIMULTANEOUS_S)
    lab.said()
    lab.sent.clear()
    lab._told = 0
    lab.ends["a"].sessions.request(lab.session("a", "b"), now=lab.now)
    lab.run(1)
    assert sum(is_part(train) for train in lab.sent) == 2 * PROOF_PARTS
    assert [members(lab, name).checked for name in "ab"] == [1, 1]


@pytest.mark.parametrize("without_key", ["a", "b", "ab"])
def test_members_whose_key_was_imported_show_certificates_alone(without_key: str) -> None:
    lab = member_lab(*without_key)
    assert list(arrivals(lab))[1] <= 7
    old = lab.session("a", "b").sending
    lab.run(SIMULTANEOUS_S)
    lab.ends["a"].sessions.request(lab.session("a", "b"), now=lab.now)
    lab.run(1)
    lab.send("a", "b", b"more")
    lab.run(0.1)
    assert lab.heard("b") == [b"more"]
    assert lab.session("a", "b").sending is not old


def test_who_is_no_member_gets_no_session() -> None:
    lab = member_lab()
    lab.ends["b"].members = None  # which shows none
    lab.send("a", "b", b"secret")
    lab.run(PROVED_WITHIN_S + 1)
    assert [cause for _, cause in lab.ends["a"].sessions.unproved] == [NO_CERTIFICATE]
    assert lab.heard("b") == []
    lab = member_lab()
    members(lab, "a").refuses = True
    lab.send("a", "b", b"secret")
    lab.run(1)
    assert [cause for _, cause in lab.ends["a"].sessions.unproved] == ["it was removed"]
    assert lab.heard("b") == []


def test_who_shows_a_members_certificate_without_its_mldsa_key_gets_no_session() -> None:
    lab = member_lab()
    made_impostor(lab, "b")
    lab.send("a", "b", b"secret")
    lab.send("b", "a", b"forged")
    lab.run(2)
    assert (lab.heard("a"), lab.heard("b")) == ([], [])
    assert lab.ends["a"].sessions.counters.key_proofs_refused >= 1
    assert lab.session("a", "b").sending is None


def test_certificates_that_can_not_be_checked_for_now_are_asked_for_again() -> None:
    lab = member_lab()
    members(lab, "a").is_busy = True
    lab.send("a", "b", b"one")
    lab.run(2 * WANTED_AGAIN_S)
    assert lab.heard("b") == []
    members(lab, "a").is_busy = False
    lab.run(2 * WANTED_AGAIN_S)
    assert lab.heard("b") == [b"one"]


def test_a_certificate_that_is_valid_no_more_is_shown_anew_and_the_packets_wait() -> None:
    lab = member_lab()
    list(arrivals(lab))
    members(lab, "a").known.clear()
    lab.ends["a"].sessions.want_proofs(now=lab.now)
    lab.send("a", "b", b"waits")
    lab.run(DELAY_S)
    assert lab.heard("b") == []
    lab.run(1)
    assert lab.heard("b") == [b"waits"]
    assert members(lab, "a").checked == 2


@pytest.mark.parametrize("made", [partial(pinned, "ab"), member_lab, partial(member_lab, "b")])
def test_who_is_to_prove_once_more_under_the_same_keys_has_its_packets_wait(made: Callable[[], SessionLab]) -> None:
    lab = made()
    lab.send("a", "b", b"one")
    lab.run(1)
    a, lost = lab.ends["a"], list[SentTrain]()
    if a.members is None:
        a.wanted.clear()
        a.sessions.want_proofs(now=lab.now)
        want(lab, "a", "b")
    else:
        members(lab, "a").known.clear()

    def loses_one(train: SentTrain) -> Delays:
        is_it = train.source == "b" and is_part(train) and not lost
        lost.extend([train] if is_it else [])
        return [] if is_it else [DELAY_S]

    lab.fate = loses_one
    a.sessions.want_proofs(now=lab.now)
    lab.run(1.5 * DELAY_S)
    sent = [b"%d" % number for number in range(50)]
    for data in sent:
        lab.send("b", "a", data)
        lab.run(DELAY_S)
    lab.run(1)
    assert (len(lost), lab.heard("a"), a.unproved) == (1, sent, 0)


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 1 << 32), lost=st.floats(0.0, 0.2))
def test_members_reach_each_other_over_a_way_that_loses_and_reorders(seed: int, lost: float) -> None:
    lab, rng = member_lab(), random.Random(seed)
    lab.fate = lambda train: [DELAY_S * rng.uniform(0.5, 3)] if rng.random() >= lost else []
    for number in range(150):
        lab.send("a", "b", b"%d" % number)
        lab.send("b", "a", b"%d" % number)
        lab.run(0.1)
    lab.fate = lambda train: [DELAY_S]
    lab.run(6)
    lab.send("a", "b", b"last")
    lab.send("b", "a", b"last")
    lab.run(8)
    assert (lab.heard("a")[-1:], lab.heard("b")[-1:]) == ([b"last"], [b"last"])


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_who_asks_again_and_again_is_shown_the_proof_now_and_then_and_it_is_made_once() -> None:
    lab = pinned("ab")
    lab.send("a", "b", b"one")
    lab.run(1)
    lab.sent.clear()
    session, proving = lab.session("a", "b"), lab.ends["a"].sessions._proving
    assert session.sending is not None
    for _ in range(100):
        proving.send(session, session.sending, ProofWanted(fingerprint_of(lab, "b")), now=lab.now)
        lab.run(0.01)
    assert sum(is_part(train) for train in lab.sent) <= 5 * PROOF_PARTS
    assert lab.ends["b"].sessions.counters.key_proofs_shown == 1


@pytest.mark.parametrize("without_key", ["", "b"])
def test_who_asks_a_member_again_and_again_is_shown_certificates_no_more_often_than_the_proof(without_key: str) -> None:
    lab = member_lab(*without_key)
    list(arrivals(lab))
    lab.run(1)
    lab.sent.clear()
    session, proving = lab.session("a", "b"), lab.ends["a"].sessions._proving
    assert session.sending is not None
    for _ in range(10):
        proving.send(session, session.sending, MemberWanted(), now=lab.now)
        lab.run(0.01)
    shown = sum(train.source == "b" and train.kind == SESSION_PROOF for train in lab.sent)
    assert shown == (0 if without_key else PROOF_PARTS) + certificate_parts(CERTIFICATE_BYTES)


def test_parts_of_certificates_of_another_length_than_the_first_are_dropped() -> None:
    lab = member_lab()
    lab.fate = lambda train: [] if train.source == "b" and train.kind == SESSION_PROOF else [DELAY_S]
    lab.send("a", "b", b"one")
    lab.run(1)
    [keypair] = lab.session("a", "b").keypairs
    for number, total in ((0, CERTIFICATE_BYTES), (2, CHAIN_BYTES), (1, CERTIFICATE_BYTES)):
        item = CertificatePart(number, total, bytes(480))
        lab.ends["a"].sessions._proving.take(lab.session("a", "b"), keypair, item, now=lab.now)
    assert keypair.awaited is not None
    assert keypair.awaited.certificates is not None
    assert keypair.awaited.certificates.arrived == 0b11


def test_certificates_of_a_partner_whose_own_are_known_are_not_checked() -> None:
    lab = member_lab()
    b = lab.ends["b"]
    members(lab, "a").known[b.identity.exchange_public_key] = fingerprint_of(lab, "b")
    lab.fate = lambda train: [] if train.source == "b" and train.kind == SESSION_PROOF else [DELAY_S]
    lab.send("a", "b", b"one")
    lab.run(1)
    [keypair] = lab.session("a", "b").keypairs
    for part in parts_of(members(lab, "b").shown()):
        lab.ends["a"].sessions._proving.take(lab.session("a", "b"), keypair, part, now=lab.now)
    assert (members(lab, "a").checked, keypair.awaited is None) == (0, False)


def test_one_partner_is_shown_its_share_of_parts() -> None:
    lab = member_lab()
    list(arrivals(lab))
    budget = lab.ends["b"].sessions._proving._budgets.known
    budget.shown = SharedBucket(
        SharedRate(10, at_once=50, little_per_second=10, little_at_once=20), keys=4, now=lab.now
    )
    lab.run(1)
    lab.sent.clear()
    session, proving = lab.session("a", "b"), lab.ends["a"].sessions._proving
    assert session.sending is not None
    for _ in range(20):
        proving.send(session, session.sending, MemberWanted(), now=lab.now)
        lab.run(0.25)
    shown = sum(is_part(train) for train in lab.sent)
    assert 0 < shown <= 50 + 10 * 5
    assert lab.ends["b"].sessions.counters.key_proofs_over_budget > 0


@pytest.mark.parametrize("is_known", [True, False])
def test_strangers_who_are_shown_all_that_is_left_keep_no_known_partners_apart(is_known: bool) -> None:
    lab = member_lab()
    for name, other in ("ab", "ba"):
        strangers = lab.ends[name].sessions._proving._budgets.strangers
        strangers.made = strangers.shown = SharedBucket(SharedRate(0.001, 0.5, 0.001, 0.5), keys=4, now=lab.now)
        if is_known:
            members(lab, name).known[lab.ends[other].identity.exchange_public_key] = fingerprint_of(lab, other)
    lab.send("a", "b", b"one")
    lab.run(1)
    assert (lab.heard("b") == [b"one"]) is is_known


def test_what_is_not_shown_is_counted_once() -> None:
    lab = member_lab()
    list(arrivals(lab))
    lab.run(1)
    lab.ends["b"].sessions._proving._budgets.known.shown = SharedBucket(
        SharedRate(0.001, 0.5, 0.001, 0.5), keys=4, now=lab.now
    )
    session = lab.session("a", "b")
    assert session.sending is not None
    lab.ends["a"].sessions._proving.send(session, session.sending, MemberWanted(), now=lab.now)
    lab.run(0.1)
    assert lab.ends["b"].sessions.counters.key_proofs_over_budget == 1


def test_a_member_that_waits_for_nothing_else_looks_soon_whether_it_is_accepted() -> None:
    lab = member_lab()
    members(lab, "b").known[lab.ends["a"].identity.exchange_public_key] = None
    lab.send("a", "b", b"one")
    lab.run(3.5 * DELAY_S)
    [keypair] = lab.session("b", "a").keypairs
    assert (keypair.awaited, keypair.is_settled) == (None, False)
    assert proofs_of(lab, "b", "a").due_at <= lab.now + WANTED_AGAIN_S


def test_only_the_last_part_of_certificates_tells_that_others_are_missing() -> None:
    lab = member_lab()
    lab.fate = lambda train: [] if train.source == "b" and train.kind == SESSION_PROOF else [DELAY_S]
    lab.send("a", "b", b"one")
    lab.run(3.5 * DELAY_S)
    [keypair] = lab.session("a", "b").keypairs
    awaited, proofs = keypair.awaited, proofs_of(lab, "a", "b")
    assert awaited is not None
    asked_at, last = awaited.asked_at, certificate_parts(CERTIFICATE_BYTES) - 1
    proofs.take_item(keypair, CertificatePart(0, CERTIFICATE_BYTES, bytes(480)), now=lab.now)
    assert awaited.asked_at == asked_at
    data = bytes(CERTIFICATE_BYTES - last * 480)
    proofs.take_item(keypair, CertificatePart(last, CERTIFICATE_BYTES, data), now=lab.now)
    assert awaited.asked_at < asked_at
    assert proofs.due_at == pytest.approx(lab.now + SHOWN_AGAIN_S)


def with_old_keys_awaited() -> tuple[SessionLab, SessionKeypair]:
    """Returns members of which one waits for a proof under the older of two keypairs, and that."""
    lab = member_lab()
    list(arrivals(lab))
    lab.run(SIMULTANEOUS_S)
    lab.ends["a"].sessions.request(lab.session("a", "b"), now=lab.now)
    lab.run(1)
    _, old = lab.session("a", "b").keypairs
    old.awaited = awaited_proof(until=lab.now + 1)
    return lab, old


def test_a_certificate_settles_all_keys_that_wait_for_it_also_behind_others_that_do_not() -> None:
    lab, old = with_old_keys_awaited()
    proofs_of(lab, "a", "b")._named(None, now=lab.now)
    assert old.awaited is None


def test_packets_that_wait_under_keys_that_a_certificate_settles_with_others_are_taken() -> None:
    lab, old = with_old_keys_awaited()
    assert old.awaited is not None
    assert old.awaited.keep(b"early", now=lab.now)
    proofs_of(lab, "a", "b")._named(None, now=lab.now)
    lab.ends["a"].release()
    assert lab.heard("a") == [b"early"]


@pytest.mark.parametrize("is_known", [True, False])
def test_strangers_whose_packets_wait_leave_known_partners_theirs(is_known: bool) -> None:
    lab = member_lab()
    a = lab.ends["a"]
    if is_known:
        members(lab, "a").known[lab.ends["b"].identity.exchange_public_key] = fingerprint_of(lab, "b")
    strangers = a.sessions._proving._budgets.strangers
    strangers.early_bytes = SharedBucket(SharedRate(0.001, 0.5, 0.001, 0.5), keys=4, now=lab.now)
    lab.fate = lambda train: [] if is_part(train) else [DELAY_S]
    lab.send("b", "a", b"one")
    lab.run(0.5)
    [keypair] = lab.session("a", "b").keypairs
    assert keypair.awaited is not None
    assert keypair.awaited.keep(b"early", now=lab.now) is is_known


def test_parts_that_nobody_waits_for_and_of_other_lengths_have_no_effect() -> None:
    lab = member_lab()
    list(arrivals(lab))
    session, proving = lab.session("a", "b"), lab.ends["a"].sessions._proving
    assert session.sending is not None
    lab.said()
    proving.send(session, session.sending, CertificatePart(0, CERTIFICATE_BYTES, bytes(480)), now=lab.now)
    lab.run(0.1)
    assert lab.said() == ["a>b proof"]
    last = certificate_parts(CERTIFICATE_BYTES) - 1
    data = bytes(CERTIFICATE_BYTES - last * 480)
    proving.send(session, session.sending, CertificatePart(last, CERTIFICATE_BYTES, data), now=lab.now)
    lab.run(0.1)
    assert lab.said() == ["a>b proof", "b>a proof"], "who has not heard that it is accepted is told"


def test_trains_about_proofs_are_no_traffic_of_users_and_no_loss() -> None:
    lab = pinned("ab", "ba")
    lab.send("a", "b", b"one")
    lab.run(1)
    for name, other in ("ab", "ba"):
        session = lab.session(name, other)
        keypair = session.sending
        assert keypair is not None
        data = sum(train.source == name and train.kind == DATA for train in lab.sent)
        taken = sum(train.source == other and train.kind == DATA for train in lab.sent)
        assert keypair.sealing.counter - 1 + keypair.opening.opened - session.without_packets == data + taken
        assert keypair.report.newest - keypair.report.opened <= taken, "the lab reports no trains of data"
