"""Session requests under way: they wait for the peer's announcement, are sent again, and end."""

from itertools import pairwise

import pytest
from msgspec.structs import replace

from mycelium.routing.resolution import PENDING
from mycelium.session.requests import PATIENCE_S, RESOLVE_AGAIN_S
from mycelium.wire.train import SESSION_COOKIE_BYTES, SESSION_REPLY, SESSION_REQUEST
from tests.session.support import PACKET, Peer


@pytest.fixture
def a() -> Peer:
    return Peer(1)


@pytest.fixture
def b() -> Peer:
    return Peer(2)


def test_packets_wait_while_the_announcement_is_pending_and_leave_once_it_has_come(a: Peer, b: Peer) -> None:
    a.resolution, b.resolution = PENDING, a.announcement
    a.send_to(b, now=0.0)
    a.sessions.handle_timeout(now=1.0)
    assert (a.sent, a.sessions.failed, a.sessions.ready) == ([], [], [])
    assert a.sessions.next_deadline() == pytest.approx(1.0 + RESOLVE_AGAIN_S)
    a.resolution = b.announcement
    a.sessions.handle_timeout(now=a.sessions.next_deadline())
    assert [(kind, index) for kind, index, _, _ in a.sent] == [(SESSION_REQUEST, 0)]
    b.receive_from(a, now=1.2)
    a.receive_from(b, now=1.3)
    [session] = a.sessions.ready
    assert session.peer == b.identity.address
    assert [packet.data for packet in session.queue.take_all()] == [PACKET]


def test_a_session_with_an_unknown_node_fails_at_once(a: Peer, b: Peer) -> None:
    a.send_to(b, now=0.0)
    assert [session.peer for session in a.sessions.failed] == [b.identity.address]
    assert a.sessions.by_peer[b.identity.address].is_requesting is False


def test_a_node_that_turns_out_to_be_unknown_fails_the_session(a: Peer, b: Peer) -> None:
    a.resolution = PENDING
    a.send_to(b, now=0.0)
    a.resolution = None
    a.sessions.handle_timeout(now=1.0)
    assert [session.peer for session in a.sessions.failed] == [b.identity.address]


def test_no_session_waits_for_an_announcement_for_ever(a: Peer, b: Peer) -> None:
    a.resolution = PENDING
    a.send_to(b, now=0.0)
    now = 0.0
    while not a.sessions.failed:
        now = a.sessions.next_deadline()
        a.sessions.handle_timeout(now=now)
    assert now == pytest.approx(PATIENCE_S, abs=RESOLVE_AGAIN_S)


def test_a_request_of_a_node_that_is_pending_is_answered_when_it_comes_again(a: Peer, b: Peer) -> None:
    a.resolution, b.resolution = b.announcement, PENDING
    a.send_to(b, now=0.0)
    b.receive_from(a, now=0.1)
    assert (b.sent, b.sessions.counters.sessions_deferred, b.sessions.counters.sessions_refused) == ([], 1, 0)
    b.resolution = a.announcement
    a.sessions.handle_timeout(now=1.0)
    b.receive_from(a, now=1.1)
    assert [kind for kind, _, _, _ in b.sent] == [SESSION_REPLY]


def test_a_request_of_an_unknown_node_is_refused(a: Peer, b: Peer) -> None:
    a.resolution = b.announcement
    a.send_to(b, now=0.0)
    b.receive_from(a, now=0.1)
    assert (b.sent, b.sessions.counters.sessions_refused) == ([], 1)


def test_a_request_is_sent_again_with_growing_waits_until_it_is_given_up(a: Peer, b: Peer) -> None:
    a.resolution = b.announcement
    a.send_to(b, now=0.0)
    times = []
    while not a.sessions.failed:
        now = a.sessions.next_deadline()
        a.sent.clear()
        a.sessions.handle_timeout(now=now)
        times += [now] * len(a.sent)
    waits = [later - earlier for earlier, later in pairwise([0.0, *times])]
    assert now == pytest.approx(PATIENCE_S)
    assert waits[:3] == [pytest.approx(wait, rel=0.11) for wait in (0.25, 0.5, 1.0)]
    assert all(wait == pytest.approx(1.0, rel=0.11) for wait in waits[3:])
    assert len({*waits[2:]}) == len(waits[2:]), "requests that began at once do not stay in step"


def test_a_request_goes_over_the_route_each_time_and_over_the_next_other_way_from_the_third_on(
    a: Peer, b: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    a.resolution = b.announcement
    turns: list[int] = []
    copies: set[tuple[object, ...]] = set()

    def send(*train: object, turn: int = 0, home: bytes = b"", now: float) -> None:
        turns.append(turn)
        copies.add(train)

    monkeypatch.setattr(a.sessions._requests, "_send", send)
    a.send_to(b, now=0.0)
    for step in range(45):
        a.sessions.handle_timeout(now=step / 10)
    assert turns[:10] == [0, 0, 0, 1, 0, 2, 0, 3, 0, 4]
    assert len(copies) == 1, "they are alike"


@pytest.mark.parametrize(
    ("has_others", "turns"),
    [(True, [0, 1, 0, 2, 0, 3]), (False, [0, 1, 0, 0, 2, 0, 0, 3, 0])],
    ids=["three ways", "one"],
)
def test_copies_of_a_request_are_answered_over_the_route_and_over_others_by_turns(
    a: Peer, b: Peer, monkeypatch: pytest.MonkeyPatch, has_others: bool, turns: list[int]
) -> None:
    a.resolution, b.resolution = b.announcement, a.announcement
    a.send_to(b, now=0.0)
    [(_, _, counter, body)] = a.sent
    told: list[int] = []

    def send(*_: object, turn: int = 0, home: bytes = b"", now: float) -> bool:
        told.append(turn)
        return has_others or not turn

    monkeypatch.setattr(b.sessions, "_send", send)
    source = a.identity.address
    for _ in range(6):
        b.sessions.receive_request(source, counter, memoryview(body), neighbour=source, now=0.1)
    assert told == turns


def test_a_request_under_way_is_not_begun_again(a: Peer, b: Peer) -> None:
    a.resolution = b.announcement
    a.send_to(b, now=0.0)
    a.send_to(b, now=0.1)
    assert len(a.sent) == 1


def test_the_earliest_of_several_requests_is_what_is_waited_for(a: Peer, b: Peer) -> None:
    a.resolution = PENDING
    a.send_to(b, now=0.0)
    a.send_to(Peer(3), now=0.05)
    assert a.sessions.next_deadline() == pytest.approx(RESOLVE_AGAIN_S)


def test_a_session_keeps_the_epoch_that_it_was_requested_in_if_the_announcement_is_gone_at_the_reply(
    a: Peer, b: Peer
) -> None:
    a.resolution, b.resolution = replace(b.announcement, sequence=2 << 16), a.announcement
    a.send_to(b, now=0.0)
    b.receive_from(a, now=0.0)
    a.resolution = None
    a.receive_from(b, now=0.0)
    assert a.sessions.by_peer[b.identity.address].peer_epoch == 2


def test_a_reply_from_another_node_completes_nothing(a: Peer, b: Peer) -> None:
    a.resolution, b.resolution = b.announcement, a.announcement
    a.send_to(b, now=0.0)
    b.receive_from(a, now=0.0)
    [(_, index, counter, body)] = b.sent
    a.sessions.receive_reply(bytes(16), index, counter, memoryview(body), now=0.1)
    a.sessions.receive_reply(b.identity.address, index ^ 1, counter, memoryview(body), now=0.1)
    assert (a.sessions.counters.sessions_refused, a.sessions.ready) == (2, [])
    a.receive_from(b, now=0.1)
    assert len(a.sessions.ready) == 1
    assert a.sessions.next_deadline() > 1.0  # nothing is sent again


def test_a_peer_whose_key_is_unusable_fails_the_session(a: Peer) -> None:
    a.resolution = a.announcement  # nobody has a session with itself
    a.send_to(a, now=0.0)
    assert (a.sent, len(a.sessions.failed), a.sessions.counters.sessions_refused) == ([], 1, 1)


def test_a_session_without_packets_fails_in_silence(a: Peer, b: Peer) -> None:
    a.sessions.request(a.sessions.find(b.identity.address, now=0.0), now=0.0)
    assert a.sessions.failed == []


def test_a_cookie_that_comes_before_the_request_has_left_sends_nothing(a: Peer, b: Peer) -> None:
    a.resolution = PENDING
    a.send_to(b, now=0.0)
    [index] = a.sessions._requests._by_index
    a.sessions.receive_cookie(b.identity.address, index, bytes(SESSION_COOKIE_BYTES), now=0.0)
    assert a.sent == []
