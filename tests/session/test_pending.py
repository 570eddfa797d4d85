"""A session and the key of its peer: it waits while the announcement is pending, and fails where there is none."""

import random

import pytest

from mycelium.crypto.handshake import HandshakeConfig
from mycelium.crypto.primitives import RealPrimitives
from mycelium.identity import Identity
from mycelium.policy import DEFAULT_POLICY
from mycelium.routing.resolution import PENDING, Resolution
from mycelium.session.table import REQUEST_PATIENCE_S, RESOLVE_AGAIN_S, Sessions
from mycelium.wire.announcement import Announcement
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305
from mycelium.wire.train import SESSION_REPLY, SESSION_REQUEST

PACKET = memoryview(b"\x60" + bytes(39))


class Peer:
    """One node's sessions over a resolver that a test sets, and what they send: the type, index, counter and body of trains."""

    def __init__(self, seed: int) -> None:
        self.identity = Identity(bytes([seed]) * 32)
        self.resolution: Resolution = None
        self.sent: list[tuple[int, int, int, bytes]] = []
        self.sessions = Sessions(
            HandshakeConfig(
                identity=self.identity,
                suites=SUITE_CHACHA20_POLY1305,
                entropy=random.Random(seed).randbytes,
                primitives=RealPrimitives(),
            ),
            rng=random.Random(seed),
            resolve=lambda node: self.resolution,
            policy=DEFAULT_POLICY,
            send=self._send,
            now=0.0,
        )

    @property
    def announcement(self) -> Announcement:
        return Announcement(self.identity.signing_public_key, 1 << 16, bytes(8))

    def send_to(self, other: "Peer", *, now: float) -> None:
        session = self.sessions.find(other.identity.address, now=now)
        self.sessions.enqueue(session, PACKET, 0, 0, now=now)

    def receive_from(self, other: "Peer", *, now: float) -> None:
        """Takes all that the other has sent."""
        source = other.identity.address
        for kind, index, counter, body in other.sent:
            if kind == SESSION_REQUEST:
                self.sessions.receive_request(source, counter, memoryview(body), neighbour=source, now=now)
            else:
                assert kind == SESSION_REPLY
                self.sessions.receive_reply(source, index, counter, memoryview(body), now=now)
        other.sent.clear()

    def _send(self, node: bytes, kind: int, index: int, counter: int, body: bytes, *, now: float) -> bool:
        self.sent.append((kind, index, counter, body))
        return True


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
    assert [kind for kind, _, _, _ in a.sent] == [SESSION_REQUEST]
    b.receive_from(a, now=1.2)
    a.receive_from(b, now=1.3)
    [session] = a.sessions.ready
    assert session.peer == b.identity.address
    assert [packet.data for packet in a.sessions.take_queue(session)] == [PACKET]


def test_a_session_with_an_unknown_node_fails_at_once(a: Peer, b: Peer) -> None:
    a.send_to(b, now=0.0)
    assert [session.peer for session in a.sessions.failed] == [b.identity.address]
    assert a.sessions.by_peer[b.identity.address].request is None


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
    assert now == pytest.approx(REQUEST_PATIENCE_S, abs=RESOLVE_AGAIN_S)


def test_a_request_of_a_node_that_is_pending_is_answered_when_it_comes_again(a: Peer, b: Peer) -> None:
    a.resolution, b.resolution = b.announcement, PENDING
    a.send_to(b, now=0.0)
    b.receive_from(a, now=0.1)
    assert (b.sent, b.sessions.deferred, b.sessions.refused) == ([], 1, 0)
    b.resolution = a.announcement
    a.sessions.handle_timeout(now=1.0)
    b.receive_from(a, now=1.1)
    assert [kind for kind, _, _, _ in b.sent] == [SESSION_REPLY]


def test_a_request_of_an_unknown_node_is_refused(a: Peer, b: Peer) -> None:
    a.resolution = b.announcement
    a.send_to(b, now=0.0)
    b.receive_from(a, now=0.1)
    assert (b.sent, b.sessions.refused) == ([], 1)
