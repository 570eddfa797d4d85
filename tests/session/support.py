"""One node's sessions without a node: trains go from one to the other by hand."""

import random

from mycelium.crypto.handshake import HandshakeConfig
from mycelium.crypto.key_proof import KeyProver
from mycelium.identity import Identity
from mycelium.policy.base import DEFAULT_POLICY
from mycelium.routing.excess import Excesses
from mycelium.routing.resolution import Resolution
from mycelium.session.key_proofs import ProofSource
from mycelium.session.table import Sessions
from mycelium.wire.announcement import Announcement
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305
from mycelium.wire.train import SESSION_REPLY, SESSION_REQUEST
from sim.net.repeatable_crypto import RepeatablePrimitives

PACKET = memoryview(b"\x60" + bytes(39))


class Peer:
    """One node's sessions over a resolver that a test sets, and what they send: the type, index, counter and body of trains."""

    def __init__(self, seed: int) -> None:
        self.identity = Identity(bytes([seed]) * 32)
        self.resolution: Resolution = None
        self.sent: list[tuple[int, int, int, bytes]] = []
        self.armed: list[float] = []  # when the owner was told to call
        self.excesses = Excesses()
        self.sessions = Sessions(
            HandshakeConfig(
                identity=self.identity,
                suites=SUITE_CHACHA20_POLY1305,
                entropy=random.Random(seed).randbytes,
                primitives=RepeatablePrimitives(),
            ),
            rng=random.Random(seed),
            resolve=lambda node: self.resolution,
            look_up=lambda node, *, now: self.resolution,
            policy=DEFAULT_POLICY,
            proof_source=ProofSource(KeyProver(self.identity, RepeatablePrimitives()), lambda key: None, lambda: None),
            send=self._send,
            excesses=self.excesses,
            arm=self.armed.append,
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

    def _send(
        self,
        node: bytes,
        kind: int,
        index: int,
        counter: int,
        body: bytes,
        *,
        turn: int = 0,
        home: bytes = b"",
        now: float,
    ) -> bool:
        if turn:
            return False  # there is one way
        self.sent.append((kind, index, counter, body))
        return True
