"""One handshake under way, at either end: its messages, and when it is given up."""

from math import inf
from typing import Final, NamedTuple

from mycelium.crypto.link_handshake import LinkInitiator, LinkResponder
from mycelium.endpoint import Endpoint
from mycelium.limits import EARLY_BYTES
from mycelium.link.causes import NO_ANSWER, NO_ANSWER_IN_STREAM
from mycelium.link.handshake_parts import may_be_narrow
from mycelium.medium import medium_of
from mycelium.timing import Backoff

RESPONDER_PATIENCE_S: Final = 10.0
# copies of message 1 that are sent whole alone, before the path may be too narrow for it
WHOLE_ONLY: Final = 2
# Copies of message 1 that name the time of day; whoever gets no answer to them asks for a cookie: its clock may be wrong.
TIMELY_COPIES: Final = 4
# What is said of a datagram to the neighbour holds for those sent this much later: hosts send few ICMP errors a second.
REPORT_VALID_S: Final = 4.5


Question = tuple[Endpoint, bytes]  # where a message 1 came from, its digest


class Early(NamedTuple):
    """Datagrams of a link that came before message 3, as `Node.receive` takes them, and when they arrived."""

    endpoint: Endpoint
    burst: memoryview
    segment_size: int
    arrived_at: float


class InitiatorAttempt:
    """A handshake that this node has started."""

    __slots__ = (
        "answered",
        "backoff",
        "cookies",
        "copies",
        "endpoint",
        "give_up",
        "is_narrow",
        "noise",
        "reported",
        "reported_at",
        "whole_sends",
        "with_cookie",
    )

    def __init__(
        self, noise: LinkInitiator, endpoint: Endpoint, *, backoff: Backoff, patience_s: float, now: float
    ) -> None:
        self.noise = noise
        self.endpoint = endpoint
        self.backoff = backoff
        self.give_up = now + patience_s
        self.whole_sends = WHOLE_ONLY if may_be_narrow(endpoint) else inf  # before parts are sent too
        self.is_narrow = False  # this host's interface is too narrow for the whole message
        self.copies = 0  # of message 1 that were sent
        self.cookies = 0  # that have come since the last copy of message 1
        self.with_cookie: bytes | None = None  # message 1 with one of them, sent along with the next copy
        self.answered = ""  # what came in place of a valid message 2
        self.reported = ""  # why what was sent lately did not arrive
        self.reported_at = now

    def cause(self, *, now: float) -> str:
        """Returns why there is no answer, as far as it is known."""
        if self.reported and now - self.reported_at <= REPORT_VALID_S:
            return self.reported
        is_stream = medium_of(self.endpoint.scheme).is_reliable
        return self.answered or (NO_ANSWER_IN_STREAM if is_stream else NO_ANSWER)


class ResponderAttempt:
    """A handshake that this node has answered."""

    __slots__ = ("early", "endpoint", "forget", "is_narrow", "message_2", "noise", "question", "replies")

    def __init__(self, noise: LinkResponder, question: Question, message_2: bytes, *, now: float) -> None:
        self.noise = noise
        self.question = question
        self.endpoint = question[0]
        self.message_2 = message_2
        self.replies = [0, 0]  # whole, and in parts
        self.is_narrow = False  # message 2 was sent in parts
        self.early: list[Early] = []
        self.forget = now + RESPONDER_PATIENCE_S

    def keep_early(self, endpoint: Endpoint, burst: memoryview, segment_size: int, *, arrived_at: float) -> bool:
        """Keeps datagrams that came before message 3; returns False if there is no room for them."""
        if sum(len(one.burst) for one in self.early) + len(burst) > EARLY_BYTES:
            return False
        self.early.append(Early(endpoint, memoryview(bytes(burst)), segment_size, arrived_at))
        return True
