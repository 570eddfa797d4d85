"""What a member can draw with proofs of keys in sessions (docs/protocol.md 13.1), as fast as it can."""

import os
from collections.abc import Callable, Iterator
from itertools import cycle
from time import monotonic
from typing import Final

from msgspec.structs import replace

from mycelium.crypto.handshake import AgreedKeys
from mycelium.crypto.session_handshake import SessionInitiator, prologue
from mycelium.errors import HandshakeError
from mycelium.identity import Identity
from mycelium.session.proving import _head
from mycelium.wire.datagram import TAG_BYTES
from mycelium.wire.frame import DATA, FRAME_HEADER
from mycelium.wire.hybrid import HYBRID_SIGNATURE_BYTES
from mycelium.wire.key_proof import PROOF_PART_BYTES, ProofPart
from mycelium.wire.membership import Chain, encode_chain
from mycelium.wire.session_proof import MemberWanted, SessionProofItem, encode_session_proof, parts_of
from mycelium.wire.train import (
    SESSION_COOKIE,
    SESSION_PROOF,
    SESSION_REPLY,
    SESSION_REQUEST,
    TRAIN_HEADER,
    TRAIN_HEADER_BYTES,
    handshake_counter,
    index_and_suites,
)
from tests.hostile.attacker import SETTINGS, Attacker, introduction, made_up, segments_of
from tests.hostile.session_floods import _session

FACES: Final = 64  # nodes behind the attacker that hold the key of the network, and have no certificates
DELIVERED_S: Final = 20.0
_FRAME_HEADER_BYTES: Final = FRAME_HEADER.size

Act = Callable[[], None]


def want_proofs(attacker: Attacker) -> Act:
    """Wishes for proof and certificates in one session, and by turns parts of a wrong proof and of wrong certificates."""
    session, proving = _session(attacker), attacker.node.sessions._proving
    parts: list[SessionProofItem] = [*_wrong_certificates(attacker, attacker.identity)]
    parts.append(ProofPart(0, os.urandom(PROOF_PART_BYTES)))
    items = cycle([one for part in parts for one in (MemberWanted(), part)])

    def act() -> None:
        if session.sending is not None:
            proving.send(session, session.sending, next(items), now=monotonic())

    return act


def begin_proved_sessions(attacker: Attacker) -> Act:
    """Sessions of ever other nodes, in each of which one wants the proof and the certificates, and shows wrong ones."""
    identities = made_up(FACES)
    attacker.deliver(segments_of([introduction(one) for one in identities]), seconds=DELIVERED_S)
    faces = {one.address: _Face(attacker, one) for one in identities}
    receive = attacker.node.receiving.receive_frame

    def receive_frame(frame: memoryview, *, now: float, neighbour: bytes = b"") -> None:
        if len(frame) >= _FRAME_HEADER_BYTES + TRAIN_HEADER_BYTES:
            *_, kind, _, _, _, counter, destination, _ = TRAIN_HEADER.unpack_from(frame, _FRAME_HEADER_BYTES)
            if destination in faces:
                faces[destination].take(kind, counter, bytes(frame[_FRAME_HEADER_BYTES + TRAIN_HEADER_BYTES :]))
                return
        receive(frame, now=now, neighbour=neighbour)

    attacker.node.receiving.receive_frame = receive_frame  # type: ignore[method-assign]
    turns = cycle(faces.values())
    return lambda: next(turns).begin()


class _Face:
    """One made-up node, with one request under way."""

    def __init__(self, attacker: Attacker, identity: Identity) -> None:
        self._attacker = attacker
        self._victim = attacker.link.address
        self._own = identity.address
        self._config = replace(attacker.node.sessions._config, identity=identity)
        self._items = [MemberWanted(), *_wrong_certificates(attacker, identity)]
        self._initiator: SessionInitiator | None = None

    def begin(self) -> None:
        """Requests another session."""
        known = self._attacker.node.routing.resolve(self._victim)
        assert known is not None, "the victim has announced itself"
        index = int.from_bytes(os.urandom(4), "big")
        head = prologue(self._own, self._victim, initiator_index=index, offered=SETTINGS.suites)
        self._initiator = SessionInitiator(self._config, known.signing_public_key, local_index=index, prologue=head)
        self._request(b"")

    def take(self, kind: int, counter: int, body: bytes) -> None:
        """Goes on with the request: brings a cookie back, or says what it has to say under the keys."""
        if self._initiator is None:
            return
        if kind == SESSION_COOKIE:
            self._request(body)
        elif kind == SESSION_REPLY:
            remote_index, suite = index_and_suites(counter)
            try:
                keys = self._initiator.receive_reply(body, suite=suite, remote_index=remote_index)
            except HandshakeError:  # of the request before
                return
            self._initiator = None
            for item in self._items:
                self._prove(keys, encode_session_proof(item))

    def _request(self, cookie: bytes) -> None:
        assert self._initiator is not None
        counter = handshake_counter(self._initiator.local_index, SETTINGS.suites)
        self._send(SESSION_REQUEST, 0, counter, self._initiator.request + cookie)

    def _prove(self, keys: AgreedKeys, plain: bytes) -> None:
        index, counter, sealed = keys.remote_index, keys.sealing.counter, bytearray(len(plain) + TAG_BYTES)
        keys.sealing.seal_into(counter, plain, _head(index, counter, len(sealed), self._own, self._victim), sealed)
        self._send(SESSION_PROOF, index, counter, bytes(sealed))

    def _send(self, kind: int, index: int, counter: int, body: bytes) -> None:
        head = TRAIN_HEADER.pack(64, 0, kind, 0, len(body), index, counter, self._victim, self._own)
        self._attacker.send(DATA, head + body)


def _wrong_certificates(attacker: Attacker, holder: Identity) -> Iterator[SessionProofItem]:
    """Yields parts of what is the attacker's certificate but for its holder's key, and the signature."""
    assert attacker.credentials is not None
    own = attacker.credentials.chain.own
    forged = replace(own, key=holder.signing_public_key, signature=os.urandom(HYBRID_SIGNATURE_BYTES))
    yield from parts_of(encode_chain(Chain(forged)))
