"""One end-to-end session: the keys that we and another node share, the packets that wait for them, and what was sent lately.

A session outlives its keys: a rekey puts new ones beside the old, which still open what is under way.
"""

from collections import deque
from typing import Final, NamedTuple

from mycelium.channel.frame_budget import ArrivalReport, FrameBudget
from mycelium.channel.keypair import Keypair
from mycelium.channel.simultaneous_open import is_superseded
from mycelium.crypto.handshake import AgreedKeys
from mycelium.crypto.session_handshake import SessionInitiator
from mycelium.limits import QUOTED_PACKETS, SESSION_QUEUE_BYTES, SESSION_QUEUE_PACKETS
from mycelium.timing import Backoff

KEYS_PER_SESSION: Final = 4  # a rekey, a crossing handshake and a restart at once
UNCONFIRMED_KEYS: Final = 2
TRAIN_FLOOR: Final = 1_024  # bytes of items in a train that fits one datagram on every path
QUOTED_BYTES: Final = 128  # of a train's first packet: what an ICMPv6 error needs to name its flow


class QueuedPacket:
    """A copy of a packet that waits for the session's keys."""

    __slots__ = ("data", "flags", "segment_size")

    def __init__(self, data: bytes, flags: int, segment_size: int) -> None:
        self.data = data
        self.flags = flags
        self.segment_size = segment_size


class Answer(NamedTuple):
    """What a responder said to a request, to be said again if the request comes again."""

    request_digest: bytes
    counter: int  # of the reply's train
    reply: bytes


class SessionKeypair(Keypair):
    """One keypair of a session."""

    __slots__ = ("answer", "confirmed", "report")

    def __init__(self, keys: AgreedKeys, *, now: float) -> None:
        super().__init__(keys, now=now)
        # A responder sends nothing before it has opened something: until then, the request may be a recording.
        self.confirmed = keys.is_initiator
        self.answer: Answer | None = None  # until confirmed
        self.report = ArrivalReport()


class Request:
    """A session request under way; `initiator` is None until the peer's announcement has come."""

    __slots__ = ("backoff", "give_up", "initiator", "local_index", "next_send")

    def __init__(self, local_index: int, *, backoff: Backoff, give_up: float) -> None:
        self.initiator: SessionInitiator | None = None
        self.local_index = local_index
        self.backoff = backoff
        self.next_send = 0.0
        self.give_up = give_up


class Session:
    """What we hold of one other node."""

    __slots__ = (
        "budget",
        "keys",
        "last_used",
        "peer",
        "peer_epoch",
        "queue",
        "queued_bytes",
        "recent",
        "request",
        "sending",
    )

    def __init__(self, peer: bytes, *, now: float) -> None:
        self.peer = peer
        self.peer_epoch = 0  # of the announcement that the keys were agreed under
        self.keys: list[SessionKeypair] = []  # newest first
        self.sending: SessionKeypair | None = None
        self.request: Request | None = None
        self.queue: deque[QueuedPacket] = deque()
        self.queued_bytes = 0
        self.recent: deque[tuple[int, bytes, bytes]] = deque(maxlen=QUOTED_PACKETS)  # counter, tag, quote
        self.budget = FrameBudget(floor=TRAIN_FLOOR, now=now)
        self.last_used = now

    def take_report(self, opened: int, newest: int, now: float) -> None:
        """Takes what the other end says of our trains, unless it speaks of keys that we sent under before."""
        if self.sending is not None and 0 < newest < self.sending.sealing.counter & 0xFFFF_FFFF:
            self.budget.report(opened, newest, now=now)

    def enqueue(self, packet: memoryview, flags: int, segment_size: int) -> bool:
        """Keeps a copy of a packet until there are keys; False where the queue is full."""
        if len(self.queue) >= SESSION_QUEUE_PACKETS or self.queued_bytes + len(packet) > SESSION_QUEUE_BYTES:
            return False
        self.queue.append(QueuedPacket(bytes(packet), flags, segment_size))
        self.queued_bytes += len(packet)
        return True

    def take_queue(self) -> list[QueuedPacket]:
        """Empties the queue."""
        packets = list(self.queue)
        self.queue.clear()
        self.queued_bytes = 0
        return packets

    def adopt(self, keys: SessionKeypair) -> None:
        """Takes new keys in; the initiator's send at once. Of crossing handshakes both pairs of keys stay open."""
        self.keys.insert(0, keys)
        if keys.confirmed:
            self._send_under(keys)

    def heard_under(self, keys: SessionKeypair, own_exchange_key: bytes) -> None:
        """Called when keys have opened a train that are not the ones we send under.

        At first we follow the other end: it may hold no others. Once it uses both keys of crossing handshakes, both ends
        take the same.
        """
        is_first = not keys.confirmed
        keys.confirmed = True
        keys.answer = None
        if is_first or self.sending is None or is_superseded(self.sending, keys, own_exchange_key):
            self._send_under(keys)

    def trim_keys(self) -> list[SessionKeypair]:
        """Drops and returns keys beyond the bounds; unconfirmed ones, which a recorded request can make, among themselves."""
        confirmed = [one for one in self.keys if one.confirmed and one is not self.sending]
        unconfirmed = [one for one in self.keys if not one.confirmed]
        dropped = confirmed[KEYS_PER_SESSION - 1 :] + unconfirmed[UNCONFIRMED_KEYS:]
        self.keys = [one for one in self.keys if one not in dropped]
        return dropped

    def expire_keys(self, now: float) -> list[SessionKeypair]:
        """Drops and returns keys that newer ones have replaced, once nothing comes under them any more.

        Those that opened something last are kept: the other end may be silent and still send under them.
        """
        if self.sending is None:
            return []
        newest = self.sending.established
        heard = max(self.keys, key=lambda one: one.last_opened)
        idle = [one for one in self.keys if one is not heard and one.is_idle(now=now)]
        old = [one for one in idle if one.established < newest]
        self.keys = [one for one in self.keys if one not in old]
        return old

    def _send_under(self, keys: SessionKeypair) -> None:
        self.sending = keys
        self.budget.restart_counters()
