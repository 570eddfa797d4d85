"""Conversations of nodes about their sessions, over a network that loses, delays, repeats and reorders."""

import random
from dataclasses import replace

import pytest

from mycelium.channel.keypair import IDLE_KEPT_S, REKEY_AFTER_S
from mycelium.session.requests import PATIENCE_S
from mycelium.session.session import CONFIRMED_KEYPAIRS, UNCONFIRMED_KEYPAIRS
from mycelium.session.table import RENEWAL_SPACING_S, SWEEP_S
from tests.session.lab import DELAY_S, Delays, SentTrain, SessionLab


@pytest.fixture
def lab() -> SessionLab:
    return SessionLab("ab")


@pytest.fixture
def settled(lab: SessionLab) -> SessionLab:
    """A lab with a session that both ends have used."""
    lab.send("a", "b", b"one")
    lab.run(1)
    lab.send("b", "a", b"two")
    lab.run(1)
    assert (lab.heard("b"), lab.heard("a")) == ([b"one"], [b"two"])
    lab.said()
    return lab


def grow_old(lab: SessionLab, age_s: float) -> None:
    """Lets a session in use reach an age."""
    while lab.now - lab.session("a", "b").keypairs[0].established < age_s - 10:
        lab.send("a", "b", b"still here")
        lab.send("b", "a", b"still here")
        lab.run(10)
    lab.said()
    lab.heard("a")
    lab.heard("b")


def one_key(lab: SessionLab) -> bool:
    """Tells whether both ends send under the same keypair."""
    ours, theirs = lab.session("a", "b").sending, lab.session("b", "a").sending
    return ours is not None and theirs is not None and ours.remote_index == theirs.local_index


# -- a session begins --------------------------------------------------------------------------------------------------


def test_first_packets_wait_for_the_reply_and_leave_in_order(lab: SessionLab) -> None:
    lab.send("a", "b", b"one")
    lab.send("a", "b", b"two")
    lab.run(1)
    assert lab.said() == ["a>b request", "b>a reply", "a>b one", "a>b two"]
    lab.send("b", "a", b"three")
    lab.run(1)
    assert (lab.said(), lab.heard("a")) == (["b>a three"], [b"three"])


@pytest.mark.parametrize(
    ("lost", "trace"),
    [
        ("a>b request", ["a>b request", "a>b request", "b>a reply", "a>b one"]),
        ("b>a reply", ["a>b request", "b>a reply", "a>b request", "b>a reply", "a>b one"]),
    ],
)
def test_a_lost_session_message_is_sent_again(lab: SessionLab, lost: str, trace: list[str]) -> None:
    lab.lose(lost)
    lab.send("a", "b", b"one")
    lab.run(0.4)
    assert (lab.said(), lab.heard("b")) == (trace, [b"one"])
    assert len(lab.session("b", "a").keypairs) == 1, "the same request has the same answer"


def test_a_reply_that_comes_twice_or_late_completes_one_session(lab: SessionLab) -> None:
    def fate(train: SentTrain) -> Delays:
        return [0.4, 0.6] if train.text == "b>a reply" else [DELAY_S]

    lab.fate = fate
    lab.send("a", "b", b"one")
    lab.run(2)
    assert lab.said() == ["a>b request", "b>a reply", "a>b request", "b>a reply", "a>b one"]
    assert lab.heard("b") == [b"one"]
    counters = lab.ends["a"].sessions.counters
    assert (counters.sessions_repeated, counters.sessions_refused) == (3, 0), "no fault of anybody"


@pytest.mark.parametrize("idle_s", [0.1, IDLE_KEPT_S * 2, IDLE_KEPT_S * 4])
def test_requests_that_cross_leave_one_keypair_in_use_at_both_ends(lab: SessionLab, idle_s: float) -> None:
    lab.send("a", "b", b"one")
    lab.send("b", "a", b"two")
    lab.run(1)
    assert lab.said() == ["a>b request", "b>a request", "b>a reply", "a>b reply", "a>b one", "b>a two"]
    assert (lab.heard("a"), lab.heard("b")) == ([b"two"], [b"one"])
    for _ in range(3):
        for source, destination in ("ab", "ba"):
            lab.run(idle_s)
            lab.send(source, destination, b"more")
    lab.run(1)
    assert lab.said() == ["a>b more", "b>a more"] * 3
    assert lab.heard("a") == lab.heard("b") == [b"more"] * 3
    assert one_key(lab)


def test_who_never_answers_is_given_up_and_asked_anew_by_the_next_packet(lab: SessionLab) -> None:
    lab.fate = lambda train: []
    lab.send("a", "b", b"one")
    lab.run(PATIENCE_S + DELAY_S)
    [failed] = lab.ends["a"].sessions.failed
    assert len(failed.queue) == 1, "whoever reports the failure finds the packets here"
    requests = lab.said()
    assert 6 <= len(requests) <= 8
    lab.run(60)
    assert lab.said() == []
    lab.fate = lambda train: [DELAY_S]
    lab.send("a", "b", b"two")
    lab.run(1)
    assert lab.said()[0] == "a>b request"


# -- recordings --------------------------------------------------------------------------------------------------------


def test_a_recorded_request_has_an_answer_and_replaces_nothing(settled: SessionLab) -> None:
    request = settled.sent[0]
    for _ in range(10):
        settled.replay(request)
    settled.run(1)
    assert settled.said() == ["b>a reply"] * 10
    assert len(settled.session("b", "a").keypairs) <= 1 + UNCONFIRMED_KEYPAIRS
    for source, destination in ("ab", "ba"):
        settled.send(source, destination, b"still")
        settled.run(1)
        assert settled.heard(destination) == [b"still"]
    assert one_key(settled)


def test_a_recorded_data_train_is_delivered_once(settled: SessionLab) -> None:
    data = next(train for train in settled.sent if train.text == "a>b one")
    settled.replay(data)
    settled.run(1)
    assert (settled.heard("b"), settled.said()) == ([], [])


# -- restarts and new keys ---------------------------------------------------------------------------------------------


def test_a_train_for_a_restarted_peer_has_it_ask_for_a_session(settled: SessionLab) -> None:
    settled.restart("b")
    settled.send("a", "b", b"lost")
    settled.run(1)
    assert settled.said() == ["a>b lost", "b>a request", "a>b reply", "b>a confirm"]
    settled.send("a", "b", b"three")
    settled.run(1)
    assert (settled.said(), settled.heard("b")) == (["a>b three"], [b"three"])


def test_a_restart_is_noticed_by_the_announcement_before_anybody_sends(settled: SessionLab) -> None:
    settled.restart("b")
    settled.run(SWEEP_S + 1)
    assert settled.said() == ["a>b request", "b>a reply", "a>b confirm"]
    settled.send("b", "a", b"three")
    settled.run(1)
    assert (settled.said(), settled.heard("a")) == (["b>a three"], [b"three"])


def test_a_rekey_under_traffic_is_asked_for_once_and_loses_nothing(settled: SessionLab) -> None:
    grow_old(settled, REKEY_AFTER_S - 10)
    before = settled.session("a", "b").sending
    sent: list[bytes] = []
    for number in range(400):
        sent.append(b"%d" % number)
        settled.send("a", "b", sent[-1])
        settled.send("b", "a", sent[-1])
        settled.run(0.1)
    said = settled.said()
    assert [line for line in said if line.split()[1] in ("request", "reply")] == ["a>b request", "b>a reply"]
    assert settled.heard("a") == settled.heard("b") == sent
    assert settled.session("a", "b").sending is not before
    assert one_key(settled)


def test_a_straggler_under_the_old_keypair_arrives_and_changes_nothing(settled: SessionLab) -> None:
    grow_old(settled, REKEY_AFTER_S)
    settled.fate = lambda train: [18.0] if train.text == "a>b late" else [DELAY_S]
    settled.send("a", "b", b"late")
    settled.run(16)
    assert settled.said() == ["a>b late", "a>b request", "b>a reply", "a>b confirm"]
    settled.run(3)
    assert (settled.heard("b"), settled.said(), one_key(settled)) == ([b"late"], [], True)


# -- among three -------------------------------------------------------------------------------------------------------


def test_a_session_with_one_node_is_none_of_another_s_business() -> None:
    lab = SessionLab("abc")
    lab.send("a", "b", b"one")
    lab.send("c", "b", b"two")
    lab.run(1)
    assert lab.said() == ["a>b request", "c>b request", "b>a reply", "b>c reply", "a>b one", "c>b two"]
    assert [*lab.ends["a"].sessions.by_peer] == [lab.ends["b"].identity.address]
    stolen = next(train for train in lab.sent if train.text == "a>b one")
    lab.run(2 * RENEWAL_SPACING_S)
    lab.replay(replace(stolen, source="c"))
    lab.run(0.1)
    assert lab.heard("b") == [b"one", b"two"]
    assert lab.said()[:2] == ["b>c request", "c>b reply"], "c is believed to hold keys that are lost, and gets others"


# -- all of it at once -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_no_loss_delay_repetition_or_restart_leaves_two_nodes_without_a_session(seed: int) -> None:
    lab, dice = SessionLab("ab", seed=seed), random.Random(seed)

    def fate(train: SentTrain) -> Delays:
        return [dice.choice((DELAY_S, 0.3, 2.0)) for _ in range(dice.choice((0, 1, 1, 2)))]

    lab.fate = fate
    for number in range(8):
        source, destination = dice.choice(("ab", "ba"))
        lab.send(source, destination, b"%d" % number)
        lab.run(dice.choice((0.01, 0.1, 1.0, 20.0)))
        if dice.random() < 0.02:
            lab.restart(dice.choice("ab"))
    for name in "ab":
        heard = lab.heard(name)
        assert len(heard) == len({*heard}), "nothing is delivered twice"
    lab.fate = lambda train: [DELAY_S]
    lab.run(SWEEP_S + PATIENCE_S)
    for _ in range(3):
        for source, destination in ("ab", "ba"):
            lab.send(source, destination, b"sent after all")
            lab.run(1)
    for name, peer in ("ab", "ba"):
        assert lab.heard(name)[-2:] == [b"sent after all"] * 2
        assert len(lab.session(name, peer).keypairs) <= CONFIRMED_KEYPAIRS + UNCONFIRMED_KEYPAIRS
    assert one_key(lab)
