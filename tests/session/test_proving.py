"""Trains about proofs: sealed with their header, opened by their receiver alone, and dropped where they are not authentic."""

from mycelium.limits import PROOF_TRAINS_AT_ONCE, PROOF_TRAINS_PER_SECOND
from mycelium.routing.excess import PROOFS
from mycelium.wire.key_proof import PROOF_BYTES, PROOF_PARTS, ProofAccepted, ProofPart, part_range
from mycelium.wire.train import DATA, SESSION_PROOF
from tests.session.lab import SentTrain, SessionLab


def met() -> SessionLab:
    """Returns two ends with a session in which nothing is to be proved."""
    lab = SessionLab("ab")
    lab.send("a", "b", b"one")
    lab.run(1)
    return lab


def accepted(lab: SessionLab) -> SentTrain:
    """Returns a train of a's about proofs that has not arrived."""
    session, sessions = lab.session("a", "b"), lab.ends["a"].sessions
    assert session.sending is not None
    lab.fate = lambda train: []
    sessions._proving.send(session, session.sending, ProofAccepted(), now=lab.now)
    return lab.sent[-1]


def taken(lab: SessionLab, train: SentTrain, **changed: object) -> int:
    """Hands a train to b, with some fields changed; returns how many have been refused."""
    fields = {"index": train.index, "counter": train.counter, "sealed": memoryview(train.body)} | changed
    b, a = lab.ends["b"], lab.ends["a"]
    b.sessions.receive_proof(a.identity.address, **fields, now=lab.now)  # type: ignore[arg-type]
    return b.sessions.counters.proof_trains_refused


def test_a_train_about_proofs_is_opened_once_and_as_nothing_else() -> None:
    lab = met()
    train = accepted(lab)
    assert train.kind == SESSION_PROOF
    assert taken(lab, train, sealed=memoryview(train.body[:-1] + bytes((train.body[-1] ^ 1,)))) == 1
    assert taken(lab, train, counter=train.counter + 1) == 2
    assert taken(lab, train, sealed=memoryview(train.body[:16])) == 3
    assert taken(lab, train, sealed=memoryview(b"")) == 4
    assert taken(lab, train) == 4
    assert taken(lab, train) == 5, "it is a replay"
    keypair = lab.session("b", "a").keypairs[0]
    plain = bytearray(1)
    assert not keypair.opening.open_into(train.counter, train.body, bytes((DATA,)), plain)


def test_a_partner_that_sends_far_more_than_handshakes_need_is_named_and_still_heard() -> None:
    lab = met()
    (session, a), b = (lab.session("a", "b"), lab.ends["a"]), lab.ends["b"]
    assert session.sending is not None
    for _ in range(PROOF_TRAINS_AT_ONCE):
        a.sessions._proving.send(session, session.sending, ProofAccepted(), now=lab.now)
    lab.run(1)
    assert b.excesses.take() == []
    last = ProofPart(PROOF_PARTS - 1, bytes(len(range(PROOF_BYTES)[part_range(PROOF_PARTS - 1)])))
    for _ in range(2 * PROOF_TRAINS_PER_SECOND):
        a.sessions._proving.send(session, session.sending, last, now=lab.now)
    lab.said()
    lab.run(1)
    assert b.excesses.take() == [(a.identity.address, PROOFS)]
    assert lab.said().count("b>a proof") == 2 * PROOF_TRAINS_PER_SECOND


def test_an_item_that_can_not_be_read_is_counted() -> None:
    lab = met()
    session, sessions = lab.session("a", "b"), lab.ends["a"].sessions
    assert session.sending is not None
    sessions._proving._send_plain(session, session.sending, b"\xff", now=lab.now)
    lab.run(1)
    assert lab.ends["b"].sessions.counters.proof_trains_refused == 1


def test_a_train_under_unknown_keys_begins_a_handshake_as_one_of_data_does() -> None:
    lab = met()
    train = accepted(lab)
    lab.run(2)
    lab.said()
    taken(lab, train, index=train.index ^ 1)
    assert lab.said() == ["b>a request"]


def test_nothing_is_sealed_under_keys_that_are_worn_out() -> None:
    lab = met()
    session, sessions = lab.session("a", "b"), lab.ends["a"].sessions
    assert session.sending is not None
    session.sending.sealing.wear_out()
    lab.said()
    sessions._proving.send(session, session.sending, ProofAccepted(), now=lab.now)
    assert lab.said() == []


def test_a_session_that_is_forgotten_leaves_no_proofs() -> None:
    lab = met()
    taken(lab, accepted(lab))
    sessions = lab.ends["b"].sessions
    assert len(sessions._proving) == 1
    sessions.forget(lab.session("b", "a"))
    assert len(sessions._proving) == 0
