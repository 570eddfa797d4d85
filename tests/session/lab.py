"""Tables of end-to-end sessions in memory and virtual time, whose conversation a test reads as a trace.

    lab = SessionLab("ab")
    lab.send("a", "b", b"one")      # waits for a session
    lab.run(1)
    assert lab.said() == ["a>b request", "b>a reply", "a>b one"]
    assert lab.heard("b") == [b"one"]

Any two know each other's announcement, and a train takes DELAY_S. Before it leaves, `fate` may lose it, delay it or send it
twice. The lab does what the data path does with a session: seals under its keypair, opens, and confirms.
"""

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from mycelium.crypto.handshake import HandshakeConfig
from mycelium.crypto.key_proof import KeyProver
from mycelium.identity import Identity
from mycelium.policy.base import DEFAULT_POLICY
from mycelium.routing.excess import Excesses
from mycelium.routing.resolution import Resolution
from mycelium.session.key_proofs import MemberChecks, ProofSource
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.wire.announcement import EPOCH_SHIFT, Announcement
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305, TAG_BYTES
from mycelium.wire.train import DATA, SESSION_COOKIE, SESSION_PROOF, SESSION_REPLY, SESSION_REQUEST
from sim.net.repeatable_crypto import RepeatablePrimitives

DELAY_S: Final = 0.02
_KINDS: Final = {SESSION_REQUEST: "request", SESSION_REPLY: "reply", SESSION_COOKIE: "cookie", SESSION_PROOF: "proof"}

Delays = Sequence[float]  # how long each copy of a train takes; none where it is lost


@dataclass(frozen=True)
class SentTrain:
    """What travels; `text` is its line of the trace."""

    source: str
    destination: str
    kind: int
    index: int
    counter: int
    body: bytes
    text: str


class SessionEnd:
    """One node's sessions, and what they have received and reported."""

    def __init__(self, lab: "SessionLab", name: str, *, epoch: int) -> None:
        self.lab = lab
        self.name = name
        self.epoch = epoch
        self.identity = Identity(name.encode() * 32)
        self.resolutions: dict[bytes, Resolution] = {}  # of nodes that differ from what the lab knows
        self.delivered: list[bytes] = []
        self.unproved = 0  # trains that came before the proof
        self.turns: list[int] = []  # of other next hops, of which there is none, that were tried
        self.prover = KeyProver(self.identity, RepeatablePrimitives())
        self.wanted: dict[bytes, bytes] = {}  # fingerprints, by X25519 key
        self.members: MemberChecks | None = None
        self.excesses = Excesses()
        rng = random.Random(f"{name}/{epoch}/{lab.seed}")
        self.sessions = Sessions(
            HandshakeConfig(
                identity=self.identity,
                suites=SUITE_CHACHA20_POLY1305,
                entropy=rng.randbytes,
                primitives=RepeatablePrimitives(),
            ),
            rng=rng,
            resolve=self._resolve,
            look_up=lambda node, *, now: self._resolve(node),
            policy=DEFAULT_POLICY,
            proof_source=ProofSource(self.prover, lambda key: self._wanted(key), lambda: self.members),
            send=self._send,
            excesses=self.excesses,
            arm=lambda when: None,
            now=lab.now,
        )

    @property
    def announcement(self) -> Announcement:
        return Announcement(self.identity.signing_public_key, self.epoch << EPOCH_SHIFT, bytes(8))

    def send(self, peer: bytes, data: bytes) -> None:
        now, session = self.lab.now, self.sessions.find(peer, now=self.lab.now)
        if session.sending is None:
            self.sessions.enqueue(session, memoryview(data), 0, 0, now=now)
            return
        session.last_used = now
        self._seal(session, data)

    def receive(self, train: SentTrain) -> None:
        now, source = self.lab.now, self.lab.ends[train.source].identity.address
        body = memoryview(train.body)
        if train.kind == SESSION_REQUEST:
            self.sessions.receive_request(source, train.counter, body, neighbour=source, now=now)
        elif train.kind == SESSION_COOKIE:
            self.sessions.receive_cookie(source, train.index, train.body, now=now)
        elif train.kind == SESSION_REPLY:
            self.sessions.receive_reply(source, train.index, train.counter, body, now=now)
        elif train.kind == SESSION_PROOF:
            self.sessions.receive_proof(source, train.index, train.counter, body, now=now)
        else:
            self._open(source, train)
        self.release()

    def release(self) -> None:
        """Takes what waited for proofs that have come, and sends what waited for sessions that have keys now."""
        self.delivered += [bytes(early) for _, early in self.sessions.early]
        self.sessions.early.clear()
        ready, self.sessions.ready[:] = list(self.sessions.ready), []
        for session in ready:
            for data in [packet.data for packet in session.queue.take_all()] or [b""]:
                self.send(session.peer, data) if data else self._seal(session, b"")

    def _wanted(self, exchange_key: bytes) -> bytes | None:
        certified = None if self.members is None else self.members.certified(exchange_key)
        return self.wanted.get(exchange_key, certified)

    def _resolve(self, node: bytes) -> Resolution:
        known = next((end.announcement for end in self.lab.ends.values() if end.identity.address == node), None)
        return self.resolutions.get(node, known)

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
            self.turns.append(turn)
            return False  # there is one way
        self.lab.transmit(self.name, node, kind, index, counter, body, _KINDS[kind])
        return True

    def _seal(self, session: Session, data: bytes) -> None:
        keypair = session.sending
        assert keypair is not None
        counter, sealed = keypair.sealing.counter, bytearray(len(data) + TAG_BYTES)
        keypair.sealing.seal_into(counter, data, b"", sealed)
        text = data.decode() if data else "confirm"
        self.lab.transmit(self.name, session.peer, DATA, keypair.remote_index, counter, bytes(sealed), text)

    def _open(self, source: bytes, train: SentTrain) -> None:
        session, keypair = self.sessions.by_index.get(train.index, (None, None))
        if session is None or keypair is None or session.peer != source:
            self.sessions.receive_unknown(source, now=self.lab.now)
            return
        plain = bytearray(len(train.body) - TAG_BYTES)
        if not keypair.opening.open_into(train.counter, train.body, b"", plain):
            return
        if keypair is not session.sending and not self.sessions.opened_under(session, keypair, now=self.lab.now):
            self.unproved += 1
            assert keypair.awaited is not None
            keypair.awaited.keep(plain, now=self.lab.now)
            return
        keypair.last_opened = session.last_used = self.lab.now
        if plain:
            self.delivered.append(bytes(plain))


class SessionLab:
    """All ends. `fate` is asked about each train that leaves."""

    def __init__(self, names: str, *, seed: int = 0) -> None:
        self.now = 1_000.0
        self.seed = seed
        self.fate: Callable[[SentTrain], Delays] = lambda train: [DELAY_S]
        self.late_s = 0.0  # how long after it is due an end looks at the time
        self.sent: list[SentTrain] = []  # every train, lost or not
        self.ends: dict[str, SessionEnd] = {}
        self._arriving: list[tuple[float, int, SentTrain]] = []
        self._count = count()
        self._told = 0
        for name in names:
            self.ends[name] = SessionEnd(self, name, epoch=1)

    # -- what ends do --------------------------------------------------------------------------------------------------

    def send(self, source: str, destination: str, data: bytes) -> None:
        self.ends[source].send(self.ends[destination].identity.address, data)

    def restart(self, name: str) -> None:
        """Starts an end anew, without any memory; the others know at once."""
        self.ends[name] = SessionEnd(self, name, epoch=self.ends[name].epoch + 1)

    def session(self, name: str, peer: str) -> Session:
        return self.ends[name].sessions.by_peer[self.ends[peer].identity.address]

    # -- what the network does -----------------------------------------------------------------------------------------

    def lose(self, *texts: str) -> None:
        """Loses the next train of each of these lines of the trace."""
        left = list(texts)

        def fate(train: SentTrain) -> Delays:
            if train.text not in left:
                return [DELAY_S]
            left.remove(train.text)
            return []

        self.fate = fate

    def transmit(self, source: str, node: bytes, kind: int, index: int, counter: int, body: bytes, what: str) -> None:
        destination = next((name for name, end in self.ends.items() if end.identity.address == node), "?")
        train = SentTrain(source, destination, kind, index, counter, body, f"{source}>{destination} {what}")
        self.sent.append(train)
        for delay_s in self.fate(train):
            self.replay(train, delay_s)

    def replay(self, train: SentTrain, delay_s: float = DELAY_S) -> None:
        """Has a train arrive, once more or for the first time."""
        heapq.heappush(self._arriving, (self.now + delay_s, next(self._count), train))

    # -- what is seen --------------------------------------------------------------------------------------------------

    def said(self) -> list[str]:
        """Returns the trains that have left since the last call."""
        told, self._told = self._told, len(self.sent)
        return [train.text for train in self.sent[told:]]

    def heard(self, name: str) -> list[bytes]:
        """Returns the data that an end has received since the last call."""
        delivered, self.ends[name].delivered[:] = list(self.ends[name].delivered), []
        return delivered

    # -- time ----------------------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        until = self.now + seconds
        while True:
            due = min(end.sessions.next_deadline() for end in self.ends.values()) + self.late_s
            arrival = self._arriving[0][0] if self._arriving else until
            if min(due, arrival) >= until:
                self.now = until
                return
            self.now = max(self.now, min(due, arrival))
            if arrival <= due:
                train = heapq.heappop(self._arriving)[2]
                self.ends[train.destination].receive(train)
                continue
            for end in self.ends.values():
                if end.sessions.next_deadline() <= self.now:
                    end.sessions.handle_timeout(now=self.now)
                    end.release()
