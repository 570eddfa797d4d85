"""Proofs of ML-DSA keys between the two ends of a session, in trains of their own, and certificates of members with them.

A node has its partner prove the key that a pin names, or its certificate. In a network of members each end wants that of the
other, and who has not seen the certificate of a partner, which may be far away, wants that too: what is proved is then whatever
key the certificate names. Nothing is sent to a partner that has not proved what is wanted, and nothing taken; packets wait.

    a > b  request                          where a wants the proof of b's key, and b that of a's
    b > a  reply
    a > b  wanted, proof, certificates      unasked: members want it
    b > a  accepted, wanted, proof, certificates
    a > b  accepted; packets
"""

from collections.abc import Callable, Collection
from math import inf
from typing import Final, Protocol

from msgspec import Struct

from mycelium.channel.awaited_proof import AwaitedProof
from mycelium.channel.key_proofs import PROVED_WITHIN_S, SHOWN_AGAIN_S, WANTED_AGAIN_S, KeyProofs
from mycelium.channel.parts import Parts
from mycelium.crypto.key_proof import KeyProver
from mycelium.errors import NotAMember
from mycelium.identity import FINGERPRINT_BYTES
from mycelium.limits import KEY_PROOFS_OF_ALL, SESSION_PROOF_PARTS_OF_ALL, SESSIONS, UNPROVED_BYTES_OF_ALL
from mycelium.session.counters import SessionCounters
from mycelium.session.session import Session, SessionKeypair
from mycelium.timing import SharedBucket
from mycelium.wire.key_proof import PROOF_PARTS, KeyProofItem, ProofAccepted, ProofPart, part_range
from mycelium.wire.session_proof import (
    CERTIFICATE_PART_BYTES,
    CertificatePart,
    MemberWanted,
    SessionProofItem,
    parts_of,
)

OF_A_MEMBER: Final = bytes(FINGERPRINT_BYTES)  # in place of a fingerprint: the key that the certificate names
NO_CERTIFICATE: Final = (
    "it has shown no certificate of this network and proved no key that one names: is its version too old?"
)

NOT_ACCEPTED: Final = "it has not accepted the proof of this node's ML-DSA key, or answers no more"


class MemberChecks(Protocol):
    """What is known of the members of this node's network."""

    def knows(self, exchange_key: bytes) -> bool:
        """Tells whether the certificate of an X25519 key's holder is known."""

    def certified(self, exchange_key: bytes) -> bytes | None:
        """Returns the fingerprint of the ML-DSA key that it names, if it is known."""

    def shown(self) -> bytes:
        """Returns this node's certificates."""

    def admit(self, partner: bytes, certificates: bytes, *, now: float) -> bool:
        """Takes the certificates of a partner, unless too many are checked already; raises NotAMember."""


class ProofSource(Struct, frozen=True):
    """This node's prover, what it knows of its partners' keys, and of members; `members` returns None in other networks."""

    prover: KeyProver
    wanted: Callable[[bytes], bytes | None]  # by X25519 key: the fingerprint that a pin or a certificate names
    members: Callable[[], MemberChecks | None]

    def wanted_of(self, exchange_key: bytes) -> bytes | None:
        """Returns what a partner must prove; None for nothing."""
        members = self.members()
        if members is not None and not members.knows(exchange_key):
            return OF_A_MEMBER
        return self.wanted(exchange_key)


class _Share:
    """How many proofs are made for partners of one kind, how many parts they are shown, and how much data of them waits."""

    def __init__(self) -> None:
        self.made = SharedBucket[bytes](KEY_PROOFS_OF_ALL, keys=SESSIONS, now=0.0)
        self.shown = SharedBucket[bytes](SESSION_PROOF_PARTS_OF_ALL, keys=SESSIONS, now=0.0)
        self.early_bytes = SharedBucket[bytes](UNPROVED_BYTES_OF_ALL, keys=SESSIONS, now=0.0)


class ProofBudgets:
    """What all sessions of a node share. Addresses cost nothing, so partners whose keys are known share nothing with others."""

    def __init__(self, counters: SessionCounters) -> None:
        self.counters = counters
        self.known, self.strangers = _Share(), _Share()


class ProofsOwner(Protocol):
    """What the table of sessions does for the proofs of one."""

    def proved(self, session: Session, keypair: SessionKeypair, *, now: float) -> None:
        """Has the session use a keypair that waits for no proof any more."""

    def not_proved(self, session: Session, keypair: SessionKeypair, cause: str, *, now: float) -> None:
        """Drops a keypair that is not the partner's."""

    def take_early(self, session: Session, early: list[memoryview]) -> None:
        """Takes trains that have waited for a proof."""


class ProofSender(Protocol):
    """Sends an item in a train, sealed under a keypair; `sent` counts how often such a one was sent, this time included."""

    def __call__(
        self, session: Session, keypair: SessionKeypair, item: SessionProofItem, *, sent: int, now: float
    ) -> None: ...


class SessionProofs(KeyProofs[SessionKeypair]):
    """What the two ends of a session want proved, and show; `note_due` is told when `handle_timeout` is wanted."""

    __slots__ = ("_budgets", "_note_due", "_owner", "_send_item", "_session", "_source")

    def __init__(
        self,
        session: Session,
        owner: ProofsOwner,
        send: ProofSender,
        source: ProofSource,
        budgets: ProofBudgets,
        note_due: Callable[[bytes, float], None],
    ) -> None:
        share = budgets.strangers
        super().__init__(source.prover, share.made, share.early_bytes, budgets.counters, session.peer, None)
        self.is_asked = source.members() is not None
        self._session = session
        self._owner = owner
        self._send_item = send
        self._source = source
        self._budgets = budgets
        self._note_due = note_due

    # -- keypairs ------------------------------------------------------------------------------------------------------

    def begin(self, keypair: SessionKeypair, *, now: float) -> None:
        """Takes a new keypair. An initiator asks at once, and shows what was wanted before; a responder waits."""
        self._named(self._source.wanted_of(keypair.peer_exchange_key), now=now)
        if not keypair.is_confirmed:
            return
        super().begin(keypair, now=now)
        if not self.is_asked:
            return
        is_new = self._session.sending is None or self._prover.fingerprint is None
        if is_new and self._source.members() is not None:
            self._show_all(keypair, MemberWanted(), now=now)
        else:
            self._show(keypair, 0, now=now)
        self._arm()

    def confirmed(self, keypair: SessionKeypair, *, now: float) -> None:
        """Called when the first train was opened under a responder's keypair: the request was no recording."""
        super().begin(keypair, now=now)

    def want_anew(self, keypair: SessionKeypair, *, now: float) -> None:
        """Has the partner prove what it must by now, under all keypairs that there are; `keypair` is one of them."""
        self.want(self._source.wanted_of(keypair.peer_exchange_key), now=now)
        self._session.hold()
        for each in list(self._session.keypairs):
            self._passes(each, now=now)

    def _keypairs(self) -> Collection[SessionKeypair]:
        return [keypair for keypair in self._session.keypairs if keypair.is_confirmed]

    def _passes(self, keypair: SessionKeypair, *, now: float) -> None:
        if keypair.is_settled:
            self._owner.proved(self._session, keypair, now=now)

    def _await(self, keypair: SessionKeypair, *, now: float) -> None:
        self._early_bytes = self._share.early_bytes
        super()._await(keypair, now=now)

    def _take_early(self, early: list[memoryview]) -> None:
        self._owner.take_early(self._session, early)

    def _refuse(self, keypair: SessionKeypair, cause: str, *, now: float) -> None:
        self._owner.not_proved(self._session, keypair, cause, now=now)

    def _send(self, keypair: SessionKeypair, item: KeyProofItem, *, now: float) -> None:
        sent = keypair.shown if isinstance(item, ProofPart) else keypair.asked
        self._send_item(self._session, keypair, item, sent=sent, now=now)

    # -- what is shown -------------------------------------------------------------------------------------------------

    def take_item(self, keypair: SessionKeypair, item: SessionProofItem, *, now: float) -> None:
        """Takes what the partner says of proofs."""
        if isinstance(item, MemberWanted):
            if self._source.members() is not None:
                self._show_all(keypair, item, now=now)
        elif isinstance(item, CertificatePart):
            self._take_certificates(keypair, item, now=now)
        else:
            self.take(keypair, item, now=now)
        self._arm()

    def _show(self, keypair: SessionKeypair, arrived: int, *, now: float) -> bool:
        keypair.shown += 1
        self._of_all = self._share.made
        is_shown = super()._show(keypair, arrived, now=now)
        if is_shown:
            self._wait_until_accepted(keypair, now=now)
        return is_shown

    def _wait_until_accepted(self, keypair: SessionKeypair, *, now: float) -> None:
        """Seals nothing but proofs under a keypair until the partner, which drops all else, accepts what it was shown."""
        if keypair.accepted_by == -inf:
            keypair.accepted_by = now + PROVED_WITHIN_S
        self._session.hold()

    def _show_all(self, keypair: SessionKeypair, wanted: MemberWanted, *, now: float) -> None:
        """Shows proof and certificates; a member whose key was imported has certificates only."""
        members = self._source.members()
        assert members is not None
        if self._prover.fingerprint is not None:
            if not self._show(keypair, wanted.arrived, now=now):
                return
        elif now < keypair.shown_at + SHOWN_AGAIN_S:
            return
        else:
            keypair.shown += 1
        parts = [part for part in parts_of(members.shown()) if not wanted.certificates_arrived >> part.number & 1]
        if self._may_show(len(parts), now=now):
            keypair.shown_at = now
            for part in parts:
                self._send_item(self._session, keypair, part, sent=keypair.shown, now=now)
            self._wait_until_accepted(keypair, now=now)

    @property
    def _share(self) -> _Share:
        of_a_stranger = None if self._source.members() is None else OF_A_MEMBER
        return self._budgets.strangers if self.wanted == of_a_stranger else self._budgets.known

    def _may_show(self, parts: int, *, now: float) -> bool:
        if self._share.shown.take(self._other, parts, now=now):
            return True
        self._counters.key_proofs_over_budget += 1
        return False

    # -- what is taken -------------------------------------------------------------------------------------------------

    def _ask(self, keypair: SessionKeypair, awaited: AwaitedProof, wanted: bytes, *, now: float) -> None:
        keypair.asked += 1
        if wanted != OF_A_MEMBER:
            super()._ask(keypair, awaited, wanted, now=now)
            return
        awaited.asked_at = now
        certificates = 0 if awaited.certificates is None else awaited.certificates.arrived
        wish = MemberWanted(awaited.arrived, certificates)
        self._send_item(self._session, keypair, wish, sent=keypair.asked, now=now)

    def _take_certificates(self, keypair: SessionKeypair, part: CertificatePart, *, now: float) -> None:
        awaited, members = keypair.awaited, self._source.members()
        if awaited is None:
            if part.is_last:  # the partner, which may have no key to prove, has not heard that it is accepted
                self._send(keypair, ProofAccepted(), now=now)
            return
        if self.wanted != OF_A_MEMBER or members is None:
            return
        certificates = awaited.certificates
        if certificates is None:
            certificates = awaited.certificates = Parts(part.total, CERTIFICATE_PART_BYTES)
        if certificates.size != part.total:
            return
        if (whole := certificates.take(part.number, part.data)) is None:
            if part.is_last:
                self._missed(awaited, now=now)
            return
        awaited.certificates = None
        try:
            is_admitted = members.admit(self._other, whole, now=now)
        except NotAMember as reason:
            self._refuse(keypair, str(reason), now=now)
            return
        if is_admitted:
            self._named(self._source.wanted_of(keypair.peer_exchange_key), now=now)

    def _named(self, fingerprint: bytes | None, *, now: float) -> None:
        """Goes on with the key that a certificate names; None where it names none."""
        self.wanted = fingerprint
        for keypair in self._keypairs():
            if keypair.awaited is None:
                continue
            if fingerprint is None:
                self._accept(keypair, now=now)
            elif (proof := keypair.awaited.whole) is not None:
                self._judge(keypair, proof, fingerprint, now=now)

    def _judge(self, keypair: SessionKeypair, proof: bytes, wanted: bytes, *, now: float) -> None:
        if wanted != OF_A_MEMBER:  # else it waits for the certificate
            super()._judge(keypair, proof, wanted, now=now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, *, now: float) -> None:
        """Asks again and ends the waiting, where that is due; reminds a partner that has not said that it accepts."""
        for keypair in list(self._session.keypairs):
            remind_at = self._remind_at(keypair)
            if remind_at < inf and keypair.accepted_by <= now:  # or it would have answered what reminds it
                self.is_asked = self._source.members() is not None
                self._refuse(keypair, NOT_ACCEPTED, now=now)
            elif remind_at <= now:
                keypair.reminded_at = now
                self._remind(keypair, now=now)
        super().handle_timeout(now=now)

    def _remind(self, keypair: SessionKeypair, *, now: float) -> None:
        keypair.reminded += 1
        members, last = self._source.members(), PROOF_PARTS - 1
        part: SessionProofItem | None = None
        if keypair.proof:
            part = ProofPart(last, keypair.proof[part_range(last)])
        elif members is not None:
            *_, part = parts_of(members.shown())
        if part is not None:
            self._send_item(self._session, keypair, part, sent=keypair.reminded, now=now)

    def _remind_at(self, keypair: SessionKeypair) -> float:
        is_waiting = keypair.accepted_by > -inf and keypair.shown_at > -inf
        return max(keypair.shown_at, keypair.reminded_at) + WANTED_AGAIN_S if is_waiting else inf

    def _due_at(self, keypair: SessionKeypair) -> float:
        return min(super()._due_at(keypair), self._remind_at(keypair))

    def _arm(self) -> None:
        super()._arm()
        self._note_due(self._other, self.due_at)

    def _why_not(self, wanted: bytes) -> str:
        return NO_CERTIFICATE if wanted == OF_A_MEMBER else super()._why_not(wanted)
