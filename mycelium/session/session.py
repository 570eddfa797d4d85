"""One end-to-end session: the keypairs that this node shares with another, the packets that wait for one, what was sent lately.

A session outlives its keypairs: a rekey adds one, and the old one still opens trains that are under way.
"""

from collections import deque
from math import inf
from typing import Final

from msgspec import Struct

from mycelium.channel.frame_budget import ArrivalReport, FrameBudget
from mycelium.channel.keypair import Keypair
from mycelium.channel.simultaneous_open import is_superseded
from mycelium.crypto.handshake import AgreedKeys
from mycelium.limits import QUOTED_PACKETS, WAYPOINTS_AVOIDED
from mycelium.session.queue import PacketQueue

CONFIRMED_KEYPAIRS: Final = 4  # enough for a rekey, a simultaneous open and a restart at once
UNCONFIRMED_KEYPAIRS: Final = 2
UNPROVED_KEYPAIRS: Final = 4  # as many as confirmed ones; whoever poses as the peer pushes out no others
TRAIN_FLOOR: Final = 1_024  # bytes of items in a train that fits one datagram on every path
QUOTED_BYTES: Final = 128  # of a train's first packet: what an ICMPv6 error needs to name its flow


class Answer(Struct):
    """A responder's reply to a request, kept to be repeated if the request is retransmitted."""

    request_digest: bytes
    counter: int  # the counter field of the reply's train
    reply: bytes
    home: bytes  # where the peer says that it is reached
    sent: int = 0  # times


class SessionKeypair(Keypair):
    """One keypair of a session.

    A responder sends nothing under an unconfirmed keypair, one that has opened nothing yet: the request may be a recording.
    """

    __slots__ = ("answer", "asked", "is_confirmed", "reminded", "reminded_at", "report", "shown")

    def __init__(self, keys: AgreedKeys, *, now: float) -> None:
        super().__init__(keys, now=now)
        self.is_confirmed = keys.is_initiator
        self.answer: Answer | None = None  # None once confirmed
        self.report = ArrivalReport()
        self.asked = self.shown = self.reminded = 0  # times: for its proof, of this node's, and to accept that
        self.reminded_at = -inf  # when the peer was reminded to say whether it accepts this node's proof


class Session:
    """What this node holds of one other node."""

    __slots__ = (
        "budget",
        "home",
        "is_requesting",
        "keypairs",
        "last_used",
        "lost",
        "peer",
        "peer_epoch",
        "queue",
        "recent",
        "refused_for",
        "refused_until",
        "sending",
        "way_back",
        "waypoint",
        "without_packets",
    )

    def __init__(self, peer: bytes, queue: PacketQueue, *, now: float) -> None:
        self.peer = peer
        self.home = b""  # where the peer is reached by nodes without a route to it, as it has told in this session
        self.way_back = b""  # the same as its request has shown it, which is not authentic
        self.lost: dict[bytes, float] = {}  # homes by which trains did not arrive, and when: the last one comes last
        self.waypoint = b""  # where both ends meet, nearer than the home
        self.peer_epoch = 0  # epoch of the peer's announcement when the newest keypair was agreed
        self.keypairs: list[SessionKeypair] = []  # newest first
        self.sending: SessionKeypair | None = None
        self.is_requesting = False  # a request of ours is under way
        self.refused_until = -inf  # no request of ours begins before: the peer has not proved what it must
        self.refused_for = ""  # what the owner was told last of why a keypair was dropped, until another one is used
        self.queue = queue
        # counter, tag, quote, and waypoint or home of the newest trains sent
        self.recent: deque[tuple[int, bytes, bytes, bytes]] = deque(maxlen=QUOTED_PACKETS)
        self.budget = FrameBudget(floor=TRAIN_FLOOR, now=now)
        self.last_used = now
        self.without_packets = 0  # trains, sent and opened, that are no traffic of users

    @property
    def heard_at(self) -> float:
        """When a train of the peer was opened last that counts; the time of the newest keypair if none was."""
        return max((keypair.last_opened for keypair in self.keypairs if keypair.awaited is None), default=-inf)

    @property
    def is_proving(self) -> bool:
        """Tells whether this node has agreed on keys for which a proof is all that they wait for."""
        return any(keypair.is_initiator and not keypair.is_settled for keypair in self.keypairs)

    def take_report(self, opened: int, newest: int, *, now: float) -> None:
        """Takes the peer's report on our trains, unless it is about an earlier keypair."""
        if self.sending is not None and newest < self.sending.sealing.counter & 0xFFFF_FFFF:
            self.budget.report(opened, newest, sent=self.sending.sealing.counter - 1, now=now)

    def lose(self, home: bytes, *, now: float) -> None:
        """Has a home of the peer come after the others, as trains do not arrive by it."""
        self.lost.pop(home, None)
        self.lost[home] = now
        if len(self.lost) > WAYPOINTS_AVOIDED:
            del self.lost[next(iter(self.lost))]

    def answer_to(self, request_digest: bytes) -> Answer | None:
        """Returns the answer already given to a request, while its keypair is unconfirmed."""
        answers = (keypair.answer for keypair in self.keypairs)
        return next((one for one in answers if one is not None and one.request_digest == request_digest), None)

    def adopt(self, keypair: SessionKeypair) -> None:
        """Adds a keypair, which is used once it is confirmed and proved."""
        self.keypairs.insert(0, keypair)

    def confirm(self, keypair: SessionKeypair) -> bool:
        """Called when a train was opened under a keypair; tells whether it was the first one of a responder's."""
        is_first = not keypair.is_confirmed
        if is_first and keypair.answer is not None:
            self.way_back = keypair.answer.home
        keypair.is_confirmed = True
        keypair.answer = None
        return is_first

    def opened_under(self, keypair: SessionKeypair, own_exchange_key: bytes, *, is_first: bool) -> None:
        """Called when a train that counts was opened under a keypair that the session does not send under.

        The first time the session switches to it, because the peer may hold no other. After a simultaneous open, once the peer
        uses both keypairs, both ends settle on the same one.
        """
        if is_first or self.sending is None or is_superseded(self.sending, keypair, own_exchange_key):
            self._send_under(keypair)

    def settle(self, keypair: SessionKeypair) -> bool:
        """Sends under a settled keypair from now on, if it is confirmed and there is no newer one; tells whether it does."""
        newest = -inf if self.sending is None else self.sending.established
        if not keypair.is_confirmed or keypair is self.sending or keypair.established < newest:
            return False
        self._send_under(keypair)
        return True

    def hold(self) -> None:
        """Sends nothing more under a keypair that waits for a proof."""
        if self.sending is not None and not self.sending.is_settled:
            self.sending = None

    def trim_keypairs(self) -> list[SessionKeypair]:
        """Drops and returns the oldest keypairs beyond the bounds.

        Unconfirmed ones have a bound of their own, because recorded requests can create any number of them; so have those
        for which the peer owes a proof.
        """
        confirmed = [one for one in self.keypairs if one.is_confirmed and one is not self.sending]
        proved = [one for one in confirmed if one.awaited is None]
        unproved = [one for one in confirmed if one.awaited is not None]
        unconfirmed = [one for one in self.keypairs if not one.is_confirmed]
        dropped = proved[CONFIRMED_KEYPAIRS - 1 :] + unproved[UNPROVED_KEYPAIRS:] + unconfirmed[UNCONFIRMED_KEYPAIRS:]
        self.keypairs = [one for one in self.keypairs if one not in dropped]
        return dropped

    def expire_keypairs(self, *, now: float) -> list[SessionKeypair]:
        """Drops and returns keypairs that are too old, and idle ones that a newer one has replaced.

        Of the idle ones that which opened a train last that counts is kept: a silent peer may still send under it.
        """
        expired = [one for one in self.keypairs if one.is_expired(now=now)]
        self.keypairs = [one for one in self.keypairs if one not in expired]
        if self.sending in expired:
            self.sending = None
        if self.sending is None:
            return expired
        newest = self.sending.established
        in_use = [one for one in self.keypairs if one.is_confirmed and one.awaited is None]
        heard = max(in_use, key=lambda one: one.last_opened)
        idle = [one for one in self.keypairs if one is not heard and one.is_idle(now=now)]
        old = [one for one in idle if one.established < newest]
        self.keypairs = [one for one in self.keypairs if one not in old]
        return expired + old

    def _send_under(self, keypair: SessionKeypair) -> None:
        self.sending = keypair
        self.refused_for = ""
        self.budget.restart_counters()
