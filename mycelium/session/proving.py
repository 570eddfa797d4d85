"""The proofs of keys of all sessions: which of them have something to prove, their trains, and when each is looked at."""

from collections.abc import Callable, Iterable
from math import inf

from mycelium.errors import DecodeError
from mycelium.limits import PROOF_TRAINS_AT_ONCE, PROOF_TRAINS_PER_SECOND, SESSIONS
from mycelium.routing.excess import PROOFS, Excesses, NamedRate
from mycelium.session.counters import SessionCounters
from mycelium.session.key_proofs import ProofBudgets, ProofSource, ProofsOwner, SessionProofs
from mycelium.session.requests import TrainSender
from mycelium.session.session import Session, SessionKeypair
from mycelium.wire.datagram import TAG_BYTES
from mycelium.wire.session_proof import SessionProofItem, decode_session_proof, encode_session_proof
from mycelium.wire.train import AAD_START, SESSION_PROOF, TRAIN_HEADER


class Proving:
    """Proofs by peer, of sessions in which something is or was to be proved. `owner` is told what comes of it."""

    def __init__(
        self,
        own_address: bytes,
        source: ProofSource,
        counters: SessionCounters,
        *,
        send: TrainSender,
        owner: ProofsOwner,
        excesses: Excesses,
        arm: Callable[[float], None],
    ) -> None:
        self._own_address = own_address
        self._source = source
        self._counters = counters
        self._budgets = ProofBudgets(counters)
        self._taken = NamedRate(excesses, PROOFS, PROOF_TRAINS_PER_SECOND, burst=PROOF_TRAINS_AT_ONCE, keys=SESSIONS)
        self._send = send
        self._owner = owner
        self._arm = arm
        self._by_peer: dict[bytes, SessionProofs] = {}
        self._due: dict[bytes, SessionProofs] = {}  # of those the ones with a deadline

    def __len__(self) -> int:
        return len(self._by_peer)

    def begin(self, session: Session, keypair: SessionKeypair, *, now: float) -> None:
        """Takes a new keypair: where nothing is to be proved, nothing happens."""
        proofs = self._needed(session, keypair)
        if proofs is not None:
            proofs.begin(keypair, now=now)

    def confirmed(self, session: Session, keypair: SessionKeypair, *, now: float) -> None:
        """Called when the first train was opened under a responder's keypair."""
        if session.peer in self._by_peer:
            self._by_peer[session.peer].confirmed(keypair, now=now)

    def want_anew(self, sessions: Iterable[Session], *, now: float) -> None:
        """Has partners prove what they must by now."""
        for session in sessions:
            for keypair in session.keypairs[:1]:
                proofs = self._needed(session, keypair)
                if proofs is not None:
                    proofs.want_anew(keypair, now=now)

    def forget(self, peer: bytes) -> None:
        """Forgets the proofs of a session."""
        self._by_peer.pop(peer, None)
        self._due.pop(peer, None)

    # -- trains --------------------------------------------------------------------------------------------------------

    def open(
        self, session: Session, keypair: SessionKeypair, counter: int, sealed: memoryview, *, now: float
    ) -> SessionProofItem | None:
        """Opens the body of a train about proofs; None for one that is dropped."""
        plain = bytearray(max(len(sealed) - TAG_BYTES, 0))
        head = _head(keypair.local_index, counter, len(sealed), session.peer, self._own_address)
        try:
            if len(sealed) <= TAG_BYTES or not keypair.opening.open_into(counter, sealed, head, plain):
                raise DecodeError("not authentic")
            item = decode_session_proof(bytes(plain))
        except DecodeError:
            self._counters.proof_trains_refused += 1
            return None
        session.without_packets += 1
        keypair.report.add(counter, now=now)
        self._taken.take(session.peer, now=now)  # names the peer; others may pose as it, so nothing is dropped for that
        return item

    def take(self, session: Session, keypair: SessionKeypair, item: SessionProofItem, *, now: float) -> None:
        """Takes what a partner says of proofs."""
        self._of(session).take_item(keypair, item, now=now)

    def send(
        self, session: Session, keypair: SessionKeypair, item: SessionProofItem, *, sent: int = 1, now: float
    ) -> None:
        """Sends an item about proofs, sealed under a keypair, for the time `sent`: each second time over another next hop."""
        self._send_plain(session, keypair, encode_session_proof(item), turn=0 if sent % 2 else sent // 2, now=now)

    def _send_plain(
        self, session: Session, keypair: SessionKeypair, plain: bytes, *, turn: int = 0, now: float
    ) -> None:
        sealing, index = keypair.sealing, keypair.remote_index
        if sealing.is_worn_out:
            return
        counter, sealed = sealing.counter, bytearray(len(plain) + TAG_BYTES)
        sealing.seal_into(counter, plain, _head(index, counter, len(sealed), self._own_address, session.peer), sealed)
        session.without_packets += 1
        train = (session.peer, SESSION_PROOF, index, counter, bytes(sealed))
        if not (turn and self._send(*train, turn=turn, now=now)):
            self._send(*train, now=now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, *, now: float) -> None:
        """Asks again, and ends the waiting, where that is due."""
        for proofs in list(self._due.values()):
            proofs.handle_timeout(now=now)

    def next_deadline(self) -> float:
        """Returns when `handle_timeout` is wanted next; infinity for never."""
        return min((one.due_at for one in self._due.values()), default=inf)

    def _needed(self, session: Session, keypair: SessionKeypair) -> SessionProofs | None:
        """Returns the proofs of a session; None where nothing is or was to be proved."""
        if session.peer in self._by_peer or self._source.wanted_of(keypair.peer_exchange_key) is not None:
            return self._of(session)
        return None

    def _of(self, session: Session) -> SessionProofs:
        proofs = self._by_peer.get(session.peer)
        if proofs is None:
            proofs = SessionProofs(session, self._owner, self.send, self._source, self._budgets, self._note_due)
            self._by_peer[session.peer] = proofs
        return proofs

    def _note_due(self, peer: bytes, due_at: float) -> None:
        if due_at < inf:
            self._due[peer] = self._by_peer[peer]
            self._arm(due_at)
        else:
            self._due.pop(peer, None)


def _head(index: int, counter: int, length: int, source: bytes, destination: bytes) -> bytes:
    """Returns what of the header of a train about proofs is sealed with it."""
    return TRAIN_HEADER.pack(0, 0, SESSION_PROOF, 0, length, index, counter, destination, source)[AAD_START:]
