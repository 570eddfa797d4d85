"""Speed tests end to end: those that an operator wants against other nodes, and those of other nodes against this one.

A test sends load one way, then the other. All of it are items in trains, so it takes the way of packets, and none reaches the
TUN device. What may be done to a node that answers:

- It sends nobody more bytes than it has just received from the same node, in this test; that node has proved who it is, and
  routes lead there: nobody can have it send elsewhere.
- It sends no more than acknowledgements ask for, and all nodes together have a budget.
- There is one test at a time, its own included, and no direction of it lasts longer than SPEED_TEST_S. A node whose test has
  kept others out begins no other until one of them had its turn, or none has come back in TURN_S.
- Who asks again and again gets no answers, and is named.
"""

from collections.abc import Callable
from enum import Enum
from math import inf
from typing import Final

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.load import LoadReceiver, LoadSender
from mycelium.dataplane.sending import Sending
from mycelium.errors import DecodeError, LocalError
from mycelium.limits import (
    SESSIONS,
    SPEED_REQUESTS_AT_ONCE,
    SPEED_REQUESTS_PER_SECOND,
    SPEED_TEST_BYTES,
    SPEED_TEST_S,
)
from mycelium.routing.excess import SPEED_TESTS, Excesses, NamedRate
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.timing import SharedBucket
from mycelium.wire.speed import (
    LOAD_HEAD_BYTES,
    SENDS_LOAD,
    TOKEN_BYTES,
    WANTS_ACKNOWLEDGEMENT,
    WANTS_LOAD,
    SpeedHead,
    SpeedKind,
    SpeedReason,
    decode_speed,
    encode_load,
    encode_speed,
    load_number,
    read_arrivals,
)
from mycelium.wire.train import ITEM_SPEED

TICK_S: Final = 0.05  # between looks at a test, which waits for answers and for its end
ASK_AGAIN_S: Final = 0.5  # until a request without an answer is sent again
SILENCE_S: Final = 3.0  # without a message of the other end, after which a test is over
LAST_ARRIVE_S: Final = 1.0  # for what is still under way at the end of a direction
TURN_S: Final = 120.0  # from the last refusal of another node: the rest of the longest test, and a minute to ask again


class SpeedStage(Enum):
    """Where a test is; of a test that another node has asked for, only SENDING, RECEIVING and OVER."""

    ASKING_TO_SEND = "asking to send"
    SENDING = "sending"
    LAST_SENT = "the last is under way"
    ASKING_TO_RECEIVE = "asking to receive"
    RECEIVING = "receiving"
    OVER = "over"


class SpeedTest:
    """One test, at one of its ends."""

    __slots__ = (
        "asked_at",
        "heard_at",
        "is_agreed",
        "peer",
        "phase",
        "phase_ends",
        "reason",
        "received",
        "seconds",
        "sent",
        "token",
    )

    def __init__(self, peer: bytes, token: bytes, seconds: float, phase: SpeedStage, *, now: float) -> None:
        self.peer = peer
        self.token = token
        self.seconds = seconds  # of each direction
        self.phase = phase
        self.phase_ends = inf
        self.heard_at = now  # of the other end
        self.asked_at = -inf
        self.is_agreed = False  # whether the other end has answered at all
        self.reason = SpeedReason.NONE  # why the other end refused, or ended its load early
        self.sent: LoadSender | None = None
        self.received = LoadReceiver()

    @property
    def is_over(self) -> bool:
        """Tells whether nothing more comes."""
        return self.phase is SpeedStage.OVER

    @property
    def bytes_under_way(self) -> int:
        """What this end has sent and not yet heard of."""
        return 0 if self.sent is None else self.sent.bytes_under_way

    def enter(self, phase: SpeedStage, *, ends: float = inf, now: float) -> None:
        """Goes on to another phase, which does not last beyond `ends`."""
        self.phase, self.phase_ends, self.heard_at = phase, ends, now


class SpeedTests:
    """The test of this node, and that of another one which this node answers; one of them at a time.

    `arm` is told when `handle_timeout` is wanted.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        sending: Sending,
        counters: DataplaneCounters,
        excesses: Excesses,
        entropy: Callable[[int], bytes],
        answers: bool,
        arm: Callable[[float], None],
        now: float,
    ) -> None:
        self.own: SpeedTest | None = None  # the last one, whether it is over or not
        self._answered: SpeedTest | None = None
        self._yields: tuple[bytes, float] = b"", -inf  # who leaves the next test to others, and until when
        self._sessions = sessions
        self._sending = sending
        self._counters = counters
        self._entropy = entropy
        self._answers = answers
        self._arm = arm
        self._asking = NamedRate(
            excesses, SPEED_TESTS, SPEED_REQUESTS_PER_SECOND, burst=SPEED_REQUESTS_AT_ONCE, keys=SESSIONS
        )
        self._budget = SharedBucket[bytes](SPEED_TEST_BYTES, keys=SESSIONS, now=now)

    # -- tests of this node --------------------------------------------------------------------------------------------

    def begin(self, peer: bytes, *, seconds: float, now: float) -> SpeedTest:
        """Begins a test against another node; raises LocalError while there is another one.

        That which this node answers ends: others must not keep its operator from measuring.
        """
        if self._running() is not None:
            raise LocalError("another speed test is under way at this node: try again when it is over")
        if self._answered is not None:
            self._stop(self._answered, SpeedReason.BUSY, now=now)
            self._answered = None
        test = SpeedTest(peer, self._entropy(TOKEN_BYTES), seconds, SpeedStage.ASKING_TO_SEND, now=now)
        self.own = test
        self._ask(test, now=now)
        self._arm(now + TICK_S)
        return test

    def end(self, test: SpeedTest, *, now: float) -> None:
        """Ends a test of this node that nobody waits for any more; the other end is told."""
        if not test.is_over:
            self._stop(test, SpeedReason.NONE, now=now)
            test.enter(SpeedStage.OVER, now=now)

    def _running(self) -> SpeedTest | None:
        return None if self.own is None or self.own.is_over else self.own

    def _ask(self, test: SpeedTest, *, now: float) -> None:
        """Sends the request of a phase, or has a session made first."""
        test.asked_at = now
        session = self._sessions.find(test.peer, now=now)
        if session.sending is None:
            self._sessions.request(session, now=now)
            return
        code = SENDS_LOAD if test.phase is SpeedStage.ASKING_TO_SEND else WANTS_LOAD
        self._send(session, SpeedHead(SpeedKind.REQUEST, test.token, code, test.seconds), now=now)

    # -- messages ------------------------------------------------------------------------------------------------------

    def take(self, session: Session, body: memoryview, *, hop_limit: int, now: float) -> None:
        """Takes a message from the peer of a session."""
        try:
            head = decode_speed(body)
            if head is not None:
                self._take(session, head, body, now=now)
        except DecodeError:
            self._counters.trains_malformed += 1

    def _take(self, session: Session, head: SpeedHead, body: memoryview, *, now: float) -> None:
        if head.kind is SpeedKind.REQUEST:
            self._take_request(session, head, now=now)
            return
        test = self._test_of(session, head)
        if test is None:
            return
        match head.kind:
            case SpeedKind.LOAD:
                self._take_load(session, test, head, body, now=now)
            case SpeedKind.ACKNOWLEDGEMENT if test.sent is not None:
                test.sent.acknowledged(read_arrivals(body), now=now)
                test.heard_at = now
                self._pump(session, test, now=now)
            case SpeedKind.ANSWER if test is self.own:
                self._take_answer(session, test, head, now=now)
            case SpeedKind.STOP:
                self._take_stop(test, head, now=now)

    def _test_of(self, session: Session, head: SpeedHead) -> SpeedTest | None:
        """Returns the test that a message belongs to, if it is under way."""
        tests = (self._running(), self._answered)
        return next((one for one in tests if one and one.token == head.token and one.peer == session.peer), None)

    def _take_answer(self, session: Session, test: SpeedTest, head: SpeedHead, *, now: float) -> None:
        test.heard_at = now
        test.is_agreed = True
        if head.code:
            test.reason = _reason(head.code)
            test.enter(SpeedStage.OVER, now=now)
        elif test.phase is SpeedStage.ASKING_TO_SEND:
            test.sent = LoadSender(now=now)
            test.enter(SpeedStage.SENDING, ends=now + test.seconds, now=now)
            self._pump(session, test, now=now)

    def _take_load(self, session: Session, test: SpeedTest, head: SpeedHead, body: memoryview, *, now: float) -> None:
        number = load_number(body)
        if test.phase is SpeedStage.ASKING_TO_RECEIVE:
            test.enter(SpeedStage.RECEIVING, ends=now + test.seconds + SILENCE_S, now=now)
        if test.phase is not SpeedStage.RECEIVING:
            return
        test.heard_at = now
        test.received.take(number, len(body), now=now)
        if head.code == WANTS_ACKNOWLEDGEMENT:
            answer = encode_speed(SpeedHead(SpeedKind.ACKNOWLEDGEMENT, test.token), test.received.arrived)
            self._sending.send_item(session, ITEM_SPEED, answer, now=now)

    def _take_stop(self, test: SpeedTest, head: SpeedHead, *, now: float) -> None:
        if test is self._answered:
            self._answered = None
        elif test.phase in (SpeedStage.ASKING_TO_RECEIVE, SpeedStage.RECEIVING):
            test.reason = _reason(head.code)
            test.enter(SpeedStage.OVER, now=now)

    # -- tests of other nodes ------------------------------------------------------------------------------------------

    def _take_request(self, session: Session, head: SpeedHead, *, now: float) -> None:
        if not self._asking.take(session.peer, now=now):
            self._counters.speed_tests_refused += 1
            return
        reason = self._objection(session, head, now=now)
        if reason is SpeedReason.NONE:
            self._agree(session, head, now=now)
        else:
            self._counters.speed_tests_refused += 1
        self._send(session, SpeedHead(SpeedKind.ANSWER, head.token, reason), now=now)
        if self._answered is not None and reason is SpeedReason.NONE:
            self._pump(session, self._answered, now=now)

    def _objection(self, session: Session, head: SpeedHead, *, now: float) -> SpeedReason:
        """Returns why a request is refused."""
        if not self._answers:
            return SpeedReason.OFF
        test = self._answered
        is_known = test is not None and test.token == head.token and test.peer == session.peer
        if test is not None and test.peer != session.peer:
            self._yields = test.peer, now + TURN_S
        yielding, until = self._yields
        has_turn = is_known if test is not None else session.peer != yielding or now >= until
        if self._running() is not None or not has_turn:
            return SpeedReason.BUSY
        is_paid = test is not None and test.received.arrived.bytes
        return SpeedReason.NONE if head.code == SENDS_LOAD or is_paid else SpeedReason.EXHAUSTED

    def _agree(self, session: Session, head: SpeedHead, *, now: float) -> None:
        """Begins to answer, or goes on with the other direction; a repeated request changes nothing."""
        seconds = min(head.seconds, SPEED_TEST_S)
        test = self._answered
        if test is None:
            self._counters.speed_tests_answered += 1
            self._yields = b"", -inf
            test = self._answered = SpeedTest(session.peer, head.token, seconds, SpeedStage.RECEIVING, now=now)
            test.phase_ends = now + seconds + SILENCE_S
            self._arm(now + TICK_S)
        elif head.code == WANTS_LOAD and test.sent is None:
            test.sent = LoadSender(now=now)
            test.enter(SpeedStage.SENDING, ends=now + seconds, now=now)

    # -- load ----------------------------------------------------------------------------------------------------------

    def _pump(self, session: Session, test: SpeedTest, *, now: float) -> None:
        """Sends what may be under way."""
        sent = test.sent
        limit = self._sending.item_room(session)
        if sent is None or limit < LOAD_HEAD_BYTES:
            return
        while (
            now < test.phase_ends and test.phase is SpeedStage.SENDING and (length := sent.next_train(limit, now=now))
        ):
            if test is self._answered and not self._may_answer(test, length, now=now):
                self._stop(test, SpeedReason.EXHAUSTED, now=now)
                self._answered = None
                return
            self._send_load(session, test, sent, length, now=now)
        if sent.next_at > now:
            self._arm(sent.next_at)

    def _send_load(
        self, session: Session, test: SpeedTest, sent: LoadSender, length: int, *, is_last: bool = False, now: float
    ) -> None:
        number = sent.number
        is_asked = sent.sent(length, is_last=is_last, now=now)
        load = encode_load(test.token, number, length, wants_acknowledgement=is_asked)
        self._sending.send_item(session, ITEM_SPEED, load, now=now)

    def _send_last(self, test: SpeedTest, *, now: float) -> None:
        """Ends the load of a test of this node by a short train, whose acknowledgement tells of all that has arrived."""
        session = self._sessions.by_peer.get(test.peer)
        if test.sent is not None and session is not None and self._sending.item_room(session) >= LOAD_HEAD_BYTES:
            self._send_load(session, test, test.sent, LOAD_HEAD_BYTES, is_last=True, now=now)

    def _may_answer(self, test: SpeedTest, length: int, *, now: float) -> bool:
        """Tells whether so much more may be sent: no more than was received, and within the budget of all."""
        assert test.sent is not None
        is_paid = test.sent.sent_bytes + length <= test.received.arrived.bytes
        return is_paid and self._budget.take(test.peer, length, now=now)

    def _stop(self, test: SpeedTest, reason: SpeedReason, *, now: float) -> None:
        session = self._sessions.by_peer.get(test.peer)
        if session is not None:
            self._send(session, SpeedHead(SpeedKind.STOP, test.token, reason), now=now)

    def _send(self, session: Session, head: SpeedHead, *, now: float) -> None:
        self._sending.send_item(session, ITEM_SPEED, encode_speed(head), now=now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, *, now: float) -> None:
        """Looks at the tests under way."""
        own, answered = self._running(), self._answered
        if own is not None:
            self._look_at_own(own, now=now)
        if answered is not None:
            self._look_at_answered(answered, now=now)
        if self._running() is not None or self._answered is not None:
            self._arm(now + TICK_S)

    def _look_at_own(self, test: SpeedTest, *, now: float) -> None:
        if now >= test.heard_at + SILENCE_S:
            self.end(test, now=now)
            return
        if test.phase in (SpeedStage.ASKING_TO_SEND, SpeedStage.ASKING_TO_RECEIVE):
            if now >= test.asked_at + ASK_AGAIN_S or not self._has_keys(test):
                self._ask(test, now=now)
        elif test.phase is SpeedStage.SENDING and now >= test.phase_ends:
            self._send_last(test, now=now)
            test.enter(SpeedStage.LAST_SENT, ends=now + LAST_ARRIVE_S, now=now)
        elif test.phase is SpeedStage.RECEIVING and now >= test.phase_ends:
            self.end(test, now=now)
        self._push_on(test, now=now)
        if test.phase is SpeedStage.LAST_SENT and (now >= test.phase_ends or not test.bytes_under_way):
            test.enter(SpeedStage.ASKING_TO_RECEIVE, now=now)
            self._ask(test, now=now)

    def _look_at_answered(self, test: SpeedTest, *, now: float) -> None:
        is_at_end = now >= test.phase_ends + (LAST_ARRIVE_S if test.bytes_under_way else 0.0)
        if is_at_end and test.phase is SpeedStage.SENDING:
            self._stop(test, SpeedReason.NONE, now=now)
        if is_at_end or now >= test.heard_at + SILENCE_S:
            self._answered = None
            return
        self._push_on(test, now=now)

    def _push_on(self, test: SpeedTest, *, now: float) -> None:
        """Has load go on that waits for acknowledgements which are lost."""
        session = self._sessions.by_peer.get(test.peer)
        if test.sent is not None and session is not None and test.phase is SpeedStage.SENDING:
            test.sent.stalled(now=now)
            self._pump(session, test, now=now)

    def _has_keys(self, test: SpeedTest) -> bool:
        session = self._sessions.by_peer.get(test.peer)
        return session is not None and session.sending is not None


def _reason(code: int) -> SpeedReason:
    return SpeedReason(code) if code in list(SpeedReason) else SpeedReason.OFF
