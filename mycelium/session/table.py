"""The table of end-to-end sessions: handshakes, waiting packets, rekeying and expiry. The data path seals and opens with them.

A session is keyed by the other node's address; which packets may travel in it is decided where they are read and delivered.
"""

import random
from math import inf
from typing import Final, Protocol

from mycelium.channel.keypair import REKEY_AFTER_S
from mycelium.channel.simultaneous_open import SIMULTANEOUS_S
from mycelium.crypto.handshake import AgreedKeys, HandshakeConfig, choose_suite
from mycelium.crypto.keys import LAST_BLOCK
from mycelium.crypto.session_handshake import SessionInitiator, answer_request, prologue
from mycelium.errors import HandshakeError
from mycelium.identity import blake2b
from mycelium.limits import (
    HANDSHAKES_PER_SECOND,
    HANDSHAKES_PER_SECOND_WITH_COOKIE,
    LINKS,
    SESSION_QUEUE_BYTES_PER_NODE,
    SESSIONS,
)
from mycelium.policy import Policy
from mycelium.routing.resolution import PENDING, Resolver
from mycelium.session.session import Answer, QueuedPacket, Request, Session, SessionKeypair
from mycelium.timing import Backoff, TokenBucket
from mycelium.wire.announcement import EPOCH_SHIFT, Announcement
from mycelium.wire.train import SESSION_REPLY, SESSION_REPLY_BYTES, SESSION_REQUEST, SESSION_REQUEST_BYTES

FIRST_RETRANSMIT_S: Final = 0.25
RETRANSMIT_CEILING_S: Final = 1.0
REQUEST_PATIENCE_S: Final = 6.0
RESOLVE_AGAIN_S: Final = 0.1  # while a peer's announcement is pending
REPAIR_SPACING_S: Final = 1.0  # of handshakes that a train under unknown keys begins, with one peer
WORN_OUT_BLOCKS: Final = LAST_BLOCK - (1 << 31)  # 32 GiB before the end: more than is sealed between two looks at it
IDLE_FORGOTTEN_S: Final = 10 * 60.0
HOUSEKEEPING_S: Final = 5.0

_SUITE_SHIFT: Final = 32
_DIGEST_BYTES: Final = 16


class TrainSender(Protocol):
    """How handshake messages leave: as the body of a train of the given type towards a node; False where no way leads."""

    def __call__(self, node: bytes, kind: int, index: int, counter: int, body: bytes, *, now: float) -> bool: ...


class Sessions:
    """Every session of this node, by peer address and by our own index of its keys."""

    def __init__(
        self,
        config: HandshakeConfig,
        *,
        rng: random.Random,
        resolve: Resolver,
        policy: Policy,
        send: TrainSender,
        now: float,
    ) -> None:
        self._config = config
        self._own_address = config.identity.address
        self._rng = rng
        self._resolve = resolve
        self._policy = policy
        self._send = send
        self._answers = TokenBucket(HANDSHAKES_PER_SECOND_WITH_COOKIE, now=now)
        self._shares: dict[bytes, TokenBucket] = {}  # of it, by the neighbour that brings the requests
        self._repairs = TokenBucket(HANDSHAKES_PER_SECOND, now=now)
        self.by_peer: dict[bytes, Session] = {}
        self.by_index: dict[int, tuple[Session, SessionKeypair]] = {}
        self._requests: dict[int, Session] = {}  # our index of a request under way
        self._next_housekeeping = now + HOUSEKEEPING_S
        self.ready: list[Session] = []  # sessions whose waiting packets may leave; drained by the caller
        self.renewed: list[bytes] = []  # nodes whose keys were replaced before their time; drained by the caller
        self.failed: list[Session] = []  # sessions that could not be set up, with what waited in them
        self._queued_bytes = 0
        self.refused = 0
        self.deferred = 0  # requests of nodes whose announcement has not come yet
        self.denied = 0  # requests of and to nodes that the policy keeps out
        self.queue_full = 0

    # -- on the way out ------------------------------------------------------------------------------------------------

    def find(self, peer: bytes, *, now: float) -> Session:
        """Returns the session with a node, a new one if need be; the one used longest ago gives way to it."""
        session = self.by_peer.get(peer)
        if session is None:
            if len(self.by_peer) >= SESSIONS:
                self._forget(min(self.by_peer.values(), key=lambda one: one.last_used))
            session = self.by_peer[peer] = Session(peer, now=now)
        return session

    def enqueue(self, session: Session, packet: memoryview, flags: int, segment_size: int, *, now: float) -> None:
        """Keeps a packet until the session has keys, and sees to it that it gets them."""
        fits = self._queued_bytes + len(packet) <= SESSION_QUEUE_BYTES_PER_NODE
        if fits and session.enqueue(packet, flags, segment_size):
            self._queued_bytes += len(packet)
        else:
            self.queue_full += 1
        self.request(session, now=now)

    def take_queue(self, session: Session) -> list[QueuedPacket]:
        """Hands over what waits in a session."""
        self._queued_bytes -= session.queued_bytes
        return session.take_queue()

    def request(self, session: Session, *, now: float) -> None:
        """Begins a handshake unless one is under way; fails where the policy forbids it or the node is unknown."""
        if session.request is not None:
            return
        if not self._policy.allows_session(session.peer):
            self.denied += 1
            self._fail(session)
            return
        backoff = Backoff(FIRST_RETRANSMIT_S, factor=2.0, ceiling=RETRANSMIT_CEILING_S, jitter=0.1, rng=self._rng)
        request = session.request = Request(self._new_index(), backoff=backoff, give_up=now + REQUEST_PATIENCE_S)
        self._requests[request.local_index] = session
        self._send_request(session, request, now=now)

    # -- handshake trains ----------------------------------------------------------------------------------------------

    def receive_request(self, peer: bytes, counter: int, body: memoryview, *, neighbour: bytes, now: float) -> None:
        """Answers a session request that another node sent to us; one that comes again as before, at no cost.

        `neighbour` brought it: whoever floods uses up its own share only.
        """
        if not self._policy.allows_session(peer):
            self.denied += 1
            return
        resolution = self._resolve(peer) if len(body) == SESSION_REQUEST_BYTES else None
        if resolution is PENDING:  # the peer sends its request again
            self.deferred += 1
            return
        if resolution is None or not self._share_of(neighbour, now).take(now=now) or not self._answers.take(now=now):
            self.refused += 1
            return
        remote_index, offered = counter & 0xFFFF_FFFF, counter >> _SUITE_SHIFT & 0xFF
        digest = blake2b(counter.to_bytes(8, "big") + body, size=_DIGEST_BYTES)
        if self._answer_again(peer, remote_index, digest, now):
            return
        try:
            suite = choose_suite(offered, self._config.suites)
            reply, keys = answer_request(
                self._config,
                bytes(body),
                suite=suite,
                local_index=self._new_index(),
                remote_index=remote_index,
                prologue=prologue(peer, self._own_address, initiator_index=remote_index, offered=offered),
            )
        except HandshakeError:
            self.refused += 1
            return
        if keys.peer_address != peer:
            self.refused += 1
            return
        session = self.find(peer, now=now)
        keypair = self._adopt(session, keys, now=now)
        keypair.answer = Answer(digest, suite << _SUITE_SHIFT | keypair.local_index, reply)
        self._send(peer, SESSION_REPLY, remote_index, keypair.answer.counter, reply, now=now)

    def _share_of(self, neighbour: bytes, now: float) -> TokenBucket:
        if neighbour not in self._shares:
            if len(self._shares) >= LINKS:
                del self._shares[next(iter(self._shares))]
            self._shares[neighbour] = TokenBucket(HANDSHAKES_PER_SECOND, now=now)
        return self._shares[neighbour]

    def _answer_again(self, peer: bytes, remote_index: int, digest: bytes, now: float) -> bool:
        session = self.by_peer.get(peer)
        for keys in session.keys if session is not None else ():
            if keys.answer is not None and keys.answer.request_digest == digest:
                self._send(peer, SESSION_REPLY, remote_index, keys.answer.counter, keys.answer.reply, now=now)
                return True
        return False

    def receive_reply(self, peer: bytes, index: int, counter: int, body: memoryview, *, now: float) -> None:
        """Takes the reply to a request of ours; the session's waiting packets may then leave."""
        session = self._requests.get(index)
        suite = counter >> _SUITE_SHIFT & 0xFF
        initiator = None if session is None or session.request is None else session.request.initiator
        if session is None or initiator is None or session.peer != peer or len(body) != SESSION_REPLY_BYTES:
            self.refused += 1
            return
        try:
            keys = initiator.receive_reply(bytes(body), suite=suite, remote_index=counter & 0xFFFF_FFFF)
        except HandshakeError:
            self.refused += 1
            return
        del self._requests[index]
        session.request = None
        before = session.sending
        self._adopt(session, keys, now=now)
        self._note_renewal(session, before)
        self.ready.append(session)

    def heard_under(self, session: Session, keys: SessionKeypair) -> None:
        """Called when keys have opened a train that are not the ones we send under; we may be waiting for it."""
        before = session.sending
        session.heard_under(keys, self._config.identity.exchange_public_key)
        self._note_renewal(session, before)
        if session.queue:
            self.ready.append(session)

    def receive_unknown(self, peer: bytes, *, now: float) -> None:
        """Called for a train under keys that we do not hold: a handshake of ours replaces what the other end believes in.

        Unless it was heard, or the keys that we send under agreed, a moment ago: then it is a straggler or a forgery.
        """
        session = self.by_peer.get(peer)
        if session is not None:
            is_in_use = session.sending is not None and now - session.sending.last_opened < REPAIR_SPACING_S
            if is_in_use or session.request is not None:
                return
        if self._resolve(peer) is not None and self._repairs.take(now=now):
            session = self.find(peer, now=now)
            self.request(session, now=now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, *, now: float) -> None:
        """Sends requests again, gives up the hopeless, rekeys what is old, forgets what is idle."""
        for index, session in list(self._requests.items()):
            request = session.request
            if request is None or now >= request.give_up:
                self._give_up(session, index)
            elif now >= request.next_send:
                self._send_request(session, request, now=now)
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + HOUSEKEEPING_S
            self._keep_house(now)

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted next."""
        sends = (min(s.request.next_send, s.request.give_up) for s in self._requests.values() if s.request)
        return min(min(sends, default=inf), self._next_housekeeping if self.by_peer else inf)

    def _keep_house(self, now: float) -> None:
        for session in list(self.by_peer.values()):
            for keys in session.expire_keys(now):
                del self.by_index[keys.local_index]
            if now - session.last_used > IDLE_FORGOTTEN_S:
                self._forget(session)
            elif session.sending is not None:
                self._renew(session, session.sending, now)

    def _renew(self, session: Session, keys: SessionKeypair, now: float) -> None:
        """Begins a handshake where keys are old, have sealed much, or the other end has restarted since they were agreed."""
        has_restarted = self._epoch_of(session.peer) > session.peer_epoch
        if has_restarted or keys.wants_replacement(now=now):
            self.request(session, now=now)
        if keys.sealing.blocks > WORN_OUT_BLOCKS:
            session.sending = None

    # -- helpers -------------------------------------------------------------------------------------------------------

    def _send_request(self, session: Session, request: Request, *, now: float) -> None:
        """Sends a request, the first time or again; while the peer's announcement is pending it only looks for that."""
        if request.initiator is None:
            resolution = self._resolve(session.peer)
            if resolution is PENDING:
                request.next_send = now + RESOLVE_AGAIN_S
                return
            request.initiator = None if resolution is None else self._initiate(resolution, session, request)
        if request.initiator is None:
            self._give_up(session, request.local_index)
            return
        counter = self._config.suites << _SUITE_SHIFT | request.local_index
        self._send(session.peer, SESSION_REQUEST, 0, counter, request.initiator.request, now=now)
        request.next_send = now + request.backoff.next()

    def _initiate(self, announcement: Announcement, session: Session, request: Request) -> SessionInitiator | None:
        """Returns the initiator of a handshake; None where the announced key is unusable."""
        index, offered = request.local_index, self._config.suites
        session.peer_epoch = announcement.sequence >> EPOCH_SHIFT
        try:
            return SessionInitiator(
                self._config,
                announcement.signing_public_key,
                local_index=index,
                prologue=prologue(self._own_address, session.peer, initiator_index=index, offered=offered),
            )
        except HandshakeError:
            self.refused += 1
            return None

    def _give_up(self, session: Session, index: int) -> None:
        del self._requests[index]
        session.request = None
        self._fail(session)

    def _epoch_of(self, peer: bytes) -> int:
        """Returns the epoch of a peer's newest announcement, 0 where it is not known."""
        resolution = self._resolve(peer)
        return resolution.sequence >> EPOCH_SHIFT if isinstance(resolution, Announcement) else 0

    def _adopt(self, session: Session, keys: AgreedKeys, *, now: float) -> SessionKeypair:
        keypair = SessionKeypair(keys, now=now)
        self.by_index[keypair.local_index] = (session, keypair)
        session.adopt(keypair)
        for old in session.trim_keys():
            del self.by_index[old.local_index]
        session.peer_epoch = self._epoch_of(session.peer) or session.peer_epoch
        return keypair

    def _note_renewal(self, session: Session, before: SessionKeypair | None) -> None:
        after = session.sending
        age = 0.0 if before is None or after is None else after.established - before.established
        if SIMULTANEOUS_S < age < REKEY_AFTER_S:
            self.renewed.append(session.peer)

    def _fail(self, session: Session) -> None:
        if session.queue and session not in self.failed:
            self.failed.append(session)

    def _forget(self, session: Session) -> None:
        self.take_queue(session)
        del self.by_peer[session.peer]
        for keys in session.keys:
            del self.by_index[keys.local_index]
        if session.request is not None:
            self._requests.pop(session.request.local_index, None)

    def _new_index(self) -> int:
        while True:
            index = int.from_bytes(self._config.entropy(4), "big")
            if index and index not in self.by_index and index not in self._requests:
                return index
