from math import inf

import pytest
from msgspec.structs import replace

from mycelium.channel.byte_budget import ByteBudget
from mycelium.channel.frame_budget import FrameBudget
from mycelium.channel.keypair import IDLE_KEPT_S, REJECT_AFTER_S
from mycelium.channel.simultaneous_open import SIMULTANEOUS_S
from mycelium.limits import DATAGRAM_FLOOR, WAYPOINTS_AVOIDED
from mycelium.packet.ipv6 import HEADER_BYTES, TCP_HEADER_BYTES
from mycelium.session.queue import PacketQueue
from mycelium.session.session import (
    CONFIRMED_KEYPAIRS,
    QUOTED_BYTES,
    TRAIN_FLOOR,
    UNCONFIRMED_KEYPAIRS,
    Answer,
    Session,
    SessionKeypair,
)
from mycelium.wire.datagram import FRAME_HEAD, TAG_BYTES
from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.train import TRAIN_HEADER_BYTES
from tests.channel.support import OWN_KEY, agreed_keys, awaited_proof

ANSWER = Answer(b"digest", 7, b"reply", b"")


@pytest.fixture
def session() -> Session:
    return Session(bytes(16), PacketQueue(ByteBudget(0)), now=0.0)


def keypair(*, is_initiator: bool = True, now: float = 0.0, index: int = 1) -> SessionKeypair:
    return SessionKeypair(agreed_keys(is_initiator=is_initiator, index=index), now=now)


def adopt(session: Session, keypair: SessionKeypair) -> None:
    """Adds a keypair for which no proof is wanted."""
    session.adopt(keypair)
    session.settle(keypair)


def test_an_initiator_sends_under_its_keypair_at_once_and_a_responder_once_it_has_opened_a_train(
    session: Session,
) -> None:
    first, second = keypair(), keypair(is_initiator=False, now=100.0)
    adopt(session, first)
    adopt(session, second)
    assert session.sending is first
    session.opened_under(second, OWN_KEY, is_first=session.confirm(second))
    assert session.sending is second
    assert session.keypairs == [second, first]


def test_a_responder_without_another_keypair_sends_nothing_until_confirmed(session: Session) -> None:
    adopt(session, keypair(is_initiator=False))
    assert session.sending is None


def test_a_straggler_under_an_older_keypair_changes_nothing(session: Session) -> None:
    old, new = keypair(), keypair(now=SIMULTANEOUS_S + 1)
    adopt(session, old)
    adopt(session, new)
    session.opened_under(old, OWN_KEY, is_first=session.confirm(old))
    assert session.sending is new


def test_the_first_train_under_a_responder_s_keypair_is_followed_even_if_the_other_keypair_wins_later(
    session: Session,
) -> None:
    ours, theirs = keypair(now=1.0), keypair(is_initiator=False, now=0.0)
    adopt(session, theirs)
    adopt(session, ours)
    session.opened_under(theirs, OWN_KEY, is_first=session.confirm(theirs))
    assert session.sending is theirs
    session.opened_under(ours, OWN_KEY, is_first=session.confirm(ours))
    assert session.sending is ours  # OWN_KEY is the lower one
    session.opened_under(theirs, OWN_KEY, is_first=session.confirm(theirs))
    assert session.sending is ours


def test_a_switch_to_another_keypair_restarts_the_loss_counters(session: Session) -> None:
    adopt(session, keypair())
    session.take_report(50, 100, now=0.0)
    assert session.budget.missed == 0  # nothing was sent under this keypair yet
    assert session.sending is not None
    session.sending.sealing.counter = 101
    session.take_report(50, 100, now=0.1)
    assert session.budget.missed == 50
    adopt(session, keypair(now=1.0))
    session.sending.sealing.counter = 11
    session.take_report(8, 10, now=1.1)
    assert session.budget.missed == 52


class RecordingBudget(FrameBudget):
    """Keeps the reports that it is given: of how many trains, up to which, and which one was sent last."""

    def __init__(self) -> None:
        super().__init__(floor=TRAIN_FLOOR, now=0.0)
        self.reports: list[tuple[int, int, int]] = []

    def report(self, opened: int, newest: int, *, sent: int, now: float) -> None:
        self.reports.append((opened, newest, sent))


def reported(session: Session, newest: int, *, counter: int) -> list[tuple[int, int, int]]:
    """Returns what a session believes of a report that all trains up to one were opened, before it sends another."""
    session.budget = budget = RecordingBudget()
    if session.sending is not None:
        session.sending.sealing.counter = counter
    session.take_report(newest, newest, now=1.0)
    return budget.reports


def test_losses_count_as_those_of_one_moment_up_to_the_newest_train_sent(session: Session) -> None:
    adopt(session, keypair())
    assert reported(session, 5, counter=10) == [(5, 5, 9)]


def test_a_report_that_trains_never_sent_were_opened_is_ignored(session: Session) -> None:
    assert reported(session, 0, counter=1) == [], "there are no keys"
    adopt(session, keypair())
    beyond = 1 << 32  # reports have the low 32 bits
    for counter in (101, beyond + 101):
        assert reported(session, 100, counter=counter) == [(100, 100, counter - 1)]
        assert reported(session, 101, counter=counter) == []
        assert reported(session, beyond - 1, counter=counter) == []


def test_a_report_about_the_first_train_alone_counts(session: Session) -> None:
    adopt(session, keypair())
    assert session.sending is not None
    session.sending.sealing.counter = 2
    session.take_report(0, 1, now=1.0)
    assert session.budget.missed == 1


def test_the_smallest_train_fits_one_datagram_on_every_path_with_a_packet_in_it() -> None:
    overhead = FRAME_HEAD.size + FRAME_HEADER.size + TAG_BYTES + TRAIN_HEADER_BYTES + TAG_BYTES
    assert 600 < TRAIN_FLOOR <= DATAGRAM_FLOOR - overhead


def test_a_quote_names_the_flow_of_a_packet() -> None:
    assert QUOTED_BYTES >= HEADER_BYTES + TCP_HEADER_BYTES


@pytest.mark.parametrize("newest", [0, 101, 500])
def test_a_report_about_trains_never_sent_is_ignored(session: Session, newest: int) -> None:
    adopt(session, keypair())
    assert session.sending is not None
    session.sending.sealing.counter = 101
    session.take_report(0, newest, now=1.0)
    assert session.budget.missed == 0


def test_a_session_begins_without_a_way_of_its_own_with_the_first_home_and_nothing_heard(session: Session) -> None:
    assert (session.home, session.way_back, session.waypoint, session.lost) == (b"", b"", b"", {})
    assert (session.heard_at, session.without_packets) == (-inf, 0)


def test_the_peer_was_heard_when_a_train_was_opened_last_under_any_keypair(session: Session) -> None:
    for opened_at in (3.0, 7.0, 5.0):
        adopt(session, one := keypair())
        one.last_opened = opened_at
    assert session.heard_at == 7.0
    adopt(session, one := keypair(now=9.0))
    one.awaited = awaited_proof(until=14.0)
    assert session.heard_at == 7.0, "somebody else may have the other keys"


def test_where_a_request_said_that_its_node_is_reached_counts_once_its_keypair_has_opened_a_train(
    session: Session,
) -> None:
    ours, theirs = keypair(), keypair(is_initiator=False)
    theirs.answer = replace(ANSWER, home=b"home")
    adopt(session, ours)
    adopt(session, theirs)
    session.opened_under(ours, OWN_KEY, is_first=session.confirm(ours))
    assert session.way_back == b""
    session.opened_under(theirs, OWN_KEY, is_first=session.confirm(theirs))
    assert session.way_back == b"home"


def test_a_request_is_answered_as_before_until_its_keypair_is_confirmed(session: Session) -> None:
    responding = keypair(is_initiator=False)
    responding.answer = ANSWER
    adopt(session, responding)
    assert session.answer_to(b"digest") is ANSWER
    assert session.answer_to(b"other") is None
    session.opened_under(responding, OWN_KEY, is_first=session.confirm(responding))
    assert session.answer_to(b"digest") is None


def test_the_oldest_keypairs_beyond_the_bound_are_dropped_but_never_the_one_in_use(session: Session) -> None:
    pairs = [keypair(now=float(number), index=number) for number in range(CONFIRMED_KEYPAIRS + 2)]
    for one in pairs:
        adopt(session, one)
    session.sending = pairs[0]
    dropped = session.trim_keypairs()
    assert [one.local_index for one in dropped] == [2, 1]
    assert len(session.keypairs) == CONFIRMED_KEYPAIRS
    assert pairs[0] in session.keypairs


def test_a_session_holds_four_confirmed_keypairs_and_two_others(session: Session) -> None:
    for number in range(10):
        adopt(session, keypair(now=float(number), index=number))
        adopt(session, keypair(is_initiator=False, now=float(number), index=100 + number))
        session.trim_keypairs()
    assert [one.local_index for one in session.keypairs] == [109, 9, 108, 8, 7, 6]


def test_recorded_requests_push_no_confirmed_keypair_out(session: Session) -> None:
    adopt(session, keypair(index=1))
    for number in range(2, 10):
        adopt(session, keypair(is_initiator=False, index=number))
    session.trim_keypairs()
    assert [one.local_index for one in session.keypairs] == [9, 8, 1][: UNCONFIRMED_KEYPAIRS + 1]


def test_a_replaced_keypair_expires_once_idle_unless_it_was_the_last_to_open_a_train(session: Session) -> None:
    old, older, new = keypair(now=1.0, index=1), keypair(index=2), keypair(now=2.0, index=3)
    for one in (older, old, new):
        adopt(session, one)
    old.last_opened = 5.0
    assert session.expire_keypairs(now=IDLE_KEPT_S) == []
    assert session.expire_keypairs(now=IDLE_KEPT_S + 3.0) == [older]
    assert session.expire_keypairs(now=1_000.0) == []
    new.last_opened = 6.0
    assert session.expire_keypairs(now=1_000.0) == [old]
    assert session.keypairs == [new]


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_keys_that_nobody_has_confirmed_or_proved_have_none_expire_under_which_the_peer_may_send(
    session: Session, is_confirmed: bool
) -> None:
    heard, new, other = keypair(index=1), keypair(now=1.0, index=2), keypair(now=50.0, index=3, is_initiator=False)
    for one in (heard, new):
        adopt(session, one)
    heard.last_opened = 5.0
    other.is_confirmed, other.awaited = is_confirmed, awaited_proof(until=60.0) if is_confirmed else None
    session.adopt(other)
    assert session.expire_keypairs(now=55.0) == []
    assert session.keypairs == [other, new, heard]


def test_no_keypair_expires_while_none_is_in_use(session: Session) -> None:
    adopt(session, keypair(is_initiator=False))
    assert session.expire_keypairs(now=1_000.0) == []


def test_a_keypair_that_is_too_old_is_dropped_though_it_is_in_use_and_the_only_one(session: Session) -> None:
    old, newer = keypair(), keypair(is_initiator=False, now=1.0)
    adopt(session, old)
    adopt(session, newer)
    assert session.expire_keypairs(now=REJECT_AFTER_S) == []
    assert session.expire_keypairs(now=REJECT_AFTER_S + 0.5) == [old]
    assert (session.sending, session.keypairs) == (None, [newer])
    assert session.expire_keypairs(now=REJECT_AFTER_S + 1.5) == [newer]
    assert session.keypairs == []


def test_of_the_homes_that_are_lost_the_one_lost_longest_ago_is_forgotten_first(session: Session) -> None:
    for number in range(WAYPOINTS_AVOIDED):
        session.lose(bytes([number]), now=float(number))
    session.lose(bytes([0]), now=100.0)
    session.lose(b"another", now=101.0)
    assert list(session.lost) == [*(bytes([number]) for number in range(2, WAYPOINTS_AVOIDED)), bytes([0]), b"another"]
    assert session.lost[bytes([0])] == 100.0
