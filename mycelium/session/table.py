"""The table of end-to-end sessions: it sets them up, renews their keypairs and forgets them. The data path seals and opens.

A session is keyed by the peer's address; which packets may travel in it is decided where they are read and delivered.
"""

import random
from collections.abc import Callable
from math import inf
from typing import Final

from mycelium.channel.byte_budget import ByteBudget
from mycelium.channel.keypair import REKEY_AFTER_S
from mycelium.channel.simultaneous_open import SIMULTANEOUS_S
from mycelium.crypto.handshake import AgreedKeys, HandshakeConfig, choose_suite
from mycelium.crypto.keys import LAST_BLOCK
from mycelium.crypto.session_handshake import answer_request, prologue
from mycelium.errors import HandshakeError
from mycelium.identity import blake2b
from mycelium.limits import (
    HANDSHAKES_PER_SECOND,
    SESSION_QUEUE_BYTES_PER_NODE,
    SESSIONS,
)
from mycelium.policy.base import Policy
from mycelium.routing.excess import Excesses
from mycelium.routing.resolution import PENDING, LookUp, Resolver
from mycelium.session.counters import SessionCounters
from mycelium.session.key_proofs import ProofSource
from mycelium.session.proving import Proving
from mycelium.session.queue import PacketQueue
from mycelium.session.request_gate import RequestGate, RequestVerdict
from mycelium.session.requests import SessionRequests, TrainSender
from mycelium.session.session import Answer, Session, SessionKeypair
from mycelium.timing import TokenBucket
from mycelium.wire.announcement import EPOCH_SHIFT
from mycelium.wire.train import (
    SESSION_COOKIE,
    SESSION_COOKIE_BYTES,
    SESSION_REPLY,
    SESSION_REQUEST_BYTES,
    handshake_counter,
    index_and_suites,
)

RENEWAL_SPACING_S: Final = 1.0  # time after an opened train in which one under an unknown keypair starts no handshake
WORN_OUT_BLOCKS: Final = LAST_BLOCK - (1 << 31)  # 32 GiB before the end: more than is sealed between two sweeps
IDLE_FORGOTTEN_S: Final = 10 * 60.0
SWEEP_S: Final = 5.0
REFUSED_S: Final = 2.0  # for which no session is requested of a peer that has not proved what it must

_DIGEST_BYTES: Final = 16


class Sessions:
    """Every session of this node, by the peer's address and by our own index of each keypair.

    `resolve` gives the keys of nodes that are known, and `look_up` of others too, for sessions that this node wants. `arm` is
    told whenever `handle_timeout` may be due earlier.
    """

    def __init__(
        self,
        config: HandshakeConfig,
        *,
        rng: random.Random,
        resolve: Resolver,
        look_up: LookUp,
        policy: Policy,
        proof_source: ProofSource,
        send: TrainSender,
        excesses: Excesses,
        arm: Callable[[float], None],
        now: float,
    ) -> None:
        self._config = config
        self._resolve = resolve
        self._policy = policy
        self._send = send
        self._arm = arm
        self.counters = SessionCounters()
        self._proving = Proving(
            config.identity.address, proof_source, self.counters, send=send, owner=self, excesses=excesses, arm=arm
        )
        self._requests = SessionRequests(
            config, rng=rng, look_up=look_up, send=send, counters=self.counters, new_index=self._new_index
        )
        self._gate = RequestGate(config.entropy, excesses, now=now)
        self._renewals = TokenBucket(HANDSHAKES_PER_SECOND, now=now)  # handshakes that unknown trains start
        self._queue_budget = ByteBudget(SESSION_QUEUE_BYTES_PER_NODE)
        self._next_sweep = now + SWEEP_S
        self.by_peer: dict[bytes, Session] = {}
        self.by_index: dict[int, tuple[Session, SessionKeypair]] = {}
        self.ready: list[Session] = []  # their queued packets may leave; drained by the owner
        # sources and trains that waited for a proof which has come; drained by the owner
        self.early: list[tuple[bytes, memoryview]] = []
        self.renewed: list[bytes] = []  # peers whose keypair was replaced early; drained by the owner
        self.unproved: list[tuple[bytes, str]] = []  # peers whose keypair was dropped, and why; drained by the owner
        self.failed = self._requests.failed

    # -- outbound ------------------------------------------------------------------------------------------------------

    def find(self, peer: bytes, *, now: float) -> Session:
        """Returns the session with a node, creating it if need be; the one used longest ago gives way to a new one."""
        session = self.by_peer.get(peer)
        if session is None:
            if len(self.by_peer) >= SESSIONS:
                self.forget(min(self.by_peer.values(), key=lambda one: one.last_used))
            session = self.by_peer[peer] = Session(peer, PacketQueue(self._queue_budget), now=now)
            self._arm(self.next_deadline())
        return session

    def enqueue(self, session: Session, packet: memoryview, flags: int, segment_size: int, *, now: float) -> None:
        """Queues a packet until the session has a keypair, and requests one."""
        if not session.queue.append(packet, flags, segment_size):
            self.counters.packets_queue_full += 1
        self.request(session, now=now)

    def request(self, session: Session, *, now: float) -> None:
        """Starts a handshake unless one is under way or its keys are being proved; fails if that is forbidden."""
        if not session.is_proving:
            self._request(session, now=now)

    def _request(self, session: Session, *, now: float) -> None:
        if session.is_requesting:
            return
        if now < session.refused_until:
            self._requests.fail(session)
            return
        if self._policy.allows_session(session.peer, now=now):
            self._requests.begin(session, now=now)
            self._arm(self.next_deadline())
        else:
            self.counters.sessions_denied += 1
            self._requests.fail(session)

    # -- handshake trains ----------------------------------------------------------------------------------------------

    def receive_request(
        self, peer: bytes, counter: int, body: memoryview, *, neighbour: bytes, home: bytes = b"", now: float
    ) -> None:
        """Answers a session request, or asks for a cookie; a retransmitted one gets the same answer, at no cost.

        `neighbour` forwarded it. `home` is where the peer says that it is reached: then it need not be known, as its key is
        in the request.
        """
        if not self._policy.allows_session(peer, now=now):
            self.counters.sessions_denied += 1
            return
        request, cookie = bytes(body[:SESSION_REQUEST_BYTES]), bytes(body[SESSION_REQUEST_BYTES:])
        is_whole = len(request) == SESSION_REQUEST_BYTES and len(cookie) in (0, SESSION_COOKIE_BYTES)
        resolution = self._resolve(peer) if is_whole and not home else None
        if resolution is PENDING:  # the peer retransmits its request
            self.counters.sessions_deferred += 1
            return
        remote_index, _ = index_and_suites(counter)
        verdict = (
            RequestVerdict.REFUSE
            if not is_whole or (resolution is None and not home)
            else self._gate.judge(peer, cookie, neighbour=neighbour, now=now)
        )
        if verdict is RequestVerdict.ASK_FOR_COOKIE:
            self.counters.sessions_sent_a_cookie += 1
            self._send(peer, SESSION_COOKIE, remote_index, 0, self._gate.cookie_for(peer, now=now), home=home, now=now)
            return
        try:
            if verdict is RequestVerdict.REFUSE:
                raise HandshakeError("unknown, or beyond its share")
            answer = self._answer(peer, counter, request, home, now=now)
        except HandshakeError:
            self.counters.sessions_refused += 1
            return
        self._reply(peer, remote_index, answer, home=home, now=now)

    def _reply(self, peer: bytes, remote_index: int, answer: Answer, *, home: bytes, now: float) -> None:
        """Sends an answer over the route, and each second time over another next hop: it seems to be lost."""
        answer.sent += 1
        turn = 0 if answer.sent % 2 or home else answer.sent // 2
        train = (peer, SESSION_REPLY, remote_index, answer.counter, answer.reply)
        if not (turn and self._send(*train, turn=turn, now=now)):
            self._send(*train, home=home, now=now)

    def receive_cookie(self, peer: bytes, index: int, cookie: bytes, *, now: float) -> None:
        """Brings the cookie back with the request of ours that it answers."""
        if self._requests.is_over(peer, index):
            self.counters.sessions_repeated += 1
            return
        try:
            self._requests.take_cookie(peer, index, cookie, now=now)
        except HandshakeError:
            self.counters.sessions_refused += 1

    def _answer(self, peer: bytes, counter: int, request: bytes, home: bytes, *, now: float) -> Answer:
        """Completes the handshake that a request started, unless that was answered already; raises HandshakeError."""
        digest = blake2b(counter.to_bytes(8, "big") + request, size=_DIGEST_BYTES)
        known = self.by_peer.get(peer)
        answer = None if known is None else known.answer_to(digest)
        if answer is not None:
            return answer
        remote_index, offered = index_and_suites(counter)
        suite = choose_suite(offered, self._config.suites)
        own_address = self._config.identity.address
        reply, keys = answer_request(
            self._config,
            request,
            suite=suite,
            local_index=self._new_index(),
            remote_index=remote_index,
            prologue=prologue(peer, own_address, initiator_index=remote_index, offered=offered),
        )
        if keys.peer_address != peer:
            raise HandshakeError("the train's source is not the node that signed")
        keypair = self._adopt(self.find(peer, now=now), keys, now=now)
        keypair.answer = Answer(digest, handshake_counter(keypair.local_index, suite), reply, home)
        return keypair.answer

    def receive_reply(self, peer: bytes, index: int, counter: int, body: memoryview, *, now: float) -> None:
        """Takes the reply to a request of ours; the session's queued packets may leave afterwards."""
        if self._requests.is_over(peer, index):
            self.counters.sessions_repeated += 1
            return
        try:
            session, keys = self._requests.complete(peer, index, counter, bytes(body))
        except HandshakeError:
            self.counters.sessions_refused += 1
            return
        before = session.sending
        if self._adopt(session, keys, now=now).is_settled:
            self._note_renewal(session, before)
            self.ready.append(session)

    def opened_under(self, session: Session, keypair: SessionKeypair, *, now: float) -> bool:
        """Called when a train was opened under a keypair that the session does not send under; tells whether it counts."""
        is_first = self._confirm(session, keypair, now=now)
        if keypair.awaited is not None:
            return False
        keypair.accepted_by = -inf  # or the peer would seal nothing but proofs
        before = session.sending
        session.opened_under(keypair, self._config.identity.exchange_public_key, is_first=is_first)
        self._note_renewal(session, before)
        if session.queue:
            self.ready.append(session)
        return True

    def _confirm(self, session: Session, keypair: SessionKeypair, *, now: float) -> bool:
        """Notes that a train was opened under a keypair; tells whether it was the first one of a responder's."""
        is_first = session.confirm(keypair)
        if is_first:
            self._proving.confirmed(session, keypair, now=now)
        return is_first

    def receive_unknown(self, peer: bytes, *, now: float) -> None:
        """Called for a train under a keypair that we do not hold: a handshake gives the peer one that we do.

        If a train was opened a moment ago, this one is a straggler or a forgery, and nothing happens.
        """
        session = self.by_peer.get(peer)
        if session is not None:
            is_in_use = session.sending is not None and now - session.sending.last_opened < RENEWAL_SPACING_S
            if is_in_use or session.is_requesting:
                return
        if self._resolve(peer) is not None and self._renewals.take(now=now):
            self._request(self.find(peer, now=now), now=now)

    def drop_keys(self, *, now: float) -> None:
        """Drops all keypairs and requests under way; where packets wait, keys are asked for anew."""
        for session in self.by_peer.values():
            self._requests.drop(session)
            for keypair in session.keypairs:
                keypair.expire()
            for keypair in session.expire_keypairs(now=now):
                self._end(keypair)
            if session.queue:
                self.request(session, now=now)

    # -- proofs of keys ------------------------------------------------------------------------------------------------

    def receive_proof(self, peer: bytes, index: int, counter: int, sealed: memoryview, *, now: float) -> None:
        """Takes a train about proofs of keys, under whatever keypair; `sealed` is its body."""
        session, keypair = self.by_index.get(index, (None, None))
        if session is None or keypair is None or session.peer != peer:
            self.receive_unknown(peer, now=now)
            return
        item = self._proving.open(session, keypair, counter, sealed, now=now)
        if item is None:
            return
        is_first = self._confirm(session, keypair, now=now)
        self._proving.take(session, keypair, item, now=now)
        if is_first:
            self.proved(session, keypair, now=now)

    def want_proofs(self, *, now: float) -> None:
        """Has partners prove what they must: pins have changed, or a certificate is valid no more."""
        self._proving.want_anew(list(self.by_peer.values()), now=now)
        if self.early:
            self._arm(now)

    def take_early(self, session: Session, early: list[memoryview]) -> None:
        """Takes trains that have waited for a proof, for the owner."""
        self.early += [(session.peer, train) for train in early]

    def proved(self, session: Session, keypair: SessionKeypair, *, now: float) -> None:
        """Has a session use a keypair, unless a proof is still to come."""
        before = session.sending
        if keypair.is_settled and session.settle(keypair):
            self._note_renewal(session, before)
            self.ready.append(session)

    def not_proved(self, session: Session, keypair: SessionKeypair, cause: str, *, now: float) -> None:
        """Drops a keypair that is not the peer's; the session goes on under the one before, or fails."""
        session.keypairs.remove(keypair)
        self._end(keypair)
        self.counters.sessions_unproved += 1
        if session.refused_for != cause:  # once, as keys are agreed again and again while packets wait
            session.refused_for = cause
            self.unproved.append((session.peer, cause))
        if keypair.is_initiator:  # others ask as they like, also in the peer's name
            session.refused_until = now + REFUSED_S
        if session.sending is None and not session.is_proving and not session.is_requesting:
            self._requests.fail(session)

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, *, now: float) -> None:
        """Retransmits and gives up requests, renews old keypairs, forgets idle sessions."""
        self._requests.handle_timeout(now=now)
        self._proving.handle_timeout(now=now)
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_S
            for session in list(self.by_peer.values()):
                self._sweep(session, now=now)
        self._arm(self.next_deadline())

    def next_deadline(self) -> float:
        """Returns when `handle_timeout` is wanted next; infinity for never."""
        deadline = min(self._requests.next_deadline(), self._proving.next_deadline())
        return min(deadline, self._next_sweep) if self.by_peer else deadline

    def _sweep(self, session: Session, *, now: float) -> None:
        for keypair in session.expire_keypairs(now=now):
            self._end(keypair)
        if now - session.last_used > IDLE_FORGOTTEN_S:
            self.forget(session)
        elif session.sending is not None:
            self._renew(session, session.sending, now=now)

    def _renew(self, session: Session, keypair: SessionKeypair, *, now: float) -> None:
        """Starts a handshake if the keypair is old or much used, or the peer has restarted since it was agreed."""
        has_restarted = self._epoch_of(session.peer) > session.peer_epoch
        if has_restarted or keypair.wants_replacement(now=now):
            self.request(session, now=now)
        if keypair.sealing.blocks > WORN_OUT_BLOCKS:
            session.sending = None

    # -- helpers -------------------------------------------------------------------------------------------------------

    def _epoch_of(self, peer: bytes) -> int:
        """Returns the epoch of a peer's newest announcement, 0 if none is known."""
        resolution = self._resolve(peer)
        return 0 if resolution is None or resolution is PENDING else resolution.sequence >> EPOCH_SHIFT

    def _adopt(self, session: Session, keys: AgreedKeys, *, now: float) -> SessionKeypair:
        keypair = SessionKeypair(keys, now=now)
        self.by_index[keypair.local_index] = (session, keypair)
        session.adopt(keypair)
        self._proving.begin(session, keypair, now=now)
        if keypair.is_settled:
            session.settle(keypair)
        for old in session.trim_keypairs():
            self._end(old)
        session.peer_epoch = self._epoch_of(session.peer) or session.peer_epoch
        return keypair

    def _note_renewal(self, session: Session, before: SessionKeypair | None) -> None:
        after = session.sending
        if before is None or after is None:
            return
        if SIMULTANEOUS_S < after.established - before.established < REKEY_AFTER_S:
            self.renewed.append(session.peer)

    def forget(self, session: Session) -> None:
        """Ends a session: its keys and the packets that wait in it are gone."""
        self.counters.packets_forgotten += len(session.queue.take_all())
        self._requests.drop(session)
        del self.by_peer[session.peer]
        self._proving.forget(session.peer)
        for keypair in session.keypairs:
            self._end(keypair)

    def _end(self, keypair: SessionKeypair) -> None:
        """Forgets a keypair that its session has no more, and what waited for its proof."""
        del self.by_index[keypair.local_index]
        if keypair.awaited is not None:
            self.counters.trains_unproved += len(keypair.awaited.early)

    def _new_index(self) -> int:
        while True:
            index = int.from_bytes(self._config.entropy(4), "big")
            if index and index not in self.by_index and not self._requests.holds(index):
                return index
