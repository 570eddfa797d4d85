"""The reliable, in-order channel for control messages over frames that may be lost, doubled and reordered.

It is the same over every transport, so that a link may move from one to another. Layout: `mycelium.wire.frame`.

Invariant: what `receive` has returned for one stream of the peer is a prefix of what the peer's `send` took in that stream. A
stream ends when its sender calls `restart` (the link was dead, or the queue full). What it still held is gone, and the
receiver of the next stream learns of it by `take_peer_restart`, so that routing starts over. The answer to a peer's restart
is the whole table, and a restart of this end only if the stream `is_forgotten`, because the peer would have to answer that in
turn.

Resending follows TCP: after three later segments were acknowledged (RFC 6675), else after a timeout that doubles until
something is acknowledged (RFC 6298). A timeout halves the window, an acknowledgement opens it again. What was sent over a path
that has failed is resent as soon as the peer is reached again (`resend`), however long the timeout has become.
"""

import math
from collections import deque
from typing import Final

from mycelium.errors import DecodeError, LocalError
from mycelium.limits import CONTROL_QUEUE_BYTES, CONTROL_WINDOW_SEGMENTS, DATAGRAM_FLOOR
from mycelium.timing import Backoff
from mycelium.wire.datagram import FRAME_HEAD, TAG_BYTES
from mycelium.wire.frame import CONTROL_HEADER, FRAME_HEADER

# Bytes of messages in one segment: its frame is one datagram on every path, also on the one that it is resent over.
CONTROL_SEGMENT_BYTES: Final = DATAGRAM_FLOOR - FRAME_HEAD.size - FRAME_HEADER.size - CONTROL_HEADER.size - TAG_BYTES
LAST_NUMBER: Final = 0xFF00_0000  # a stream is restarted well before the numbers of its segments end
PASSED_BY: Final = 3  # later segments acknowledged before a missing one is resent
FIRST_WINDOW: Final = 16  # segments
LEAST_WINDOW: Final = 4  # segments
BACKOFF_FACTOR: Final = 2.0
BACKOFF_CEILING: Final = 32.0  # longest timeout, as a multiple of the first one


class _Segment:
    """One segment in flight; `passed` counts the segments sent after it that were acknowledged before it."""

    __slots__ = ("number", "passed", "payload", "sent_at")

    def __init__(self, number: int, payload: bytes) -> None:
        self.number = number
        self.payload = payload
        self.passed = 0
        self.sent_at = 0.0


class ControlChannel:
    """Both directions of the control channel of one link.

    The owner hands each control body to `receive`, then sends what `next_segment` returns until it returns None.
    """

    __slots__ = (
        "_acked",
        "_ahead",
        "_backoff",
        "_in_flight",
        "_is_ack_owed",
        "_lost",
        "_next_number",
        "_peer_restarted",
        "_peer_stream",
        "_progress_at",
        "_queue",
        "_received",
        "_window",
        "is_forgotten",
        "queued_bytes",
        "resent_segments",
        "stream",
    )

    def __init__(self, stream: int) -> None:
        self.stream = stream  # number of the own stream; above 0
        self.is_forgotten = False  # the peer has restarted, and lost what it had acknowledged of the own stream
        self.queued_bytes = 0  # taken by `send` and not yet acknowledged
        self.resent_segments = 0
        self._queue: deque[bytes] = deque()
        self._in_flight: dict[int, _Segment] = {}  # in the order of their last sending
        self._lost: deque[int] = deque()  # numbers of segments in flight that are to be resent at once
        self._next_number = 1
        self._acked = 0  # every segment of ours up to this number has arrived
        self._window = FIRST_WINDOW
        # of the timeout, in multiples of the RTO
        self._backoff = Backoff(1.0, factor=BACKOFF_FACTOR, ceiling=BACKOFF_CEILING)
        self._progress_at = 0.0  # when something was acknowledged: timeouts count from there (RFC 6298, 5.3)
        self._peer_stream = 0
        self._peer_restarted = False
        self._received = 0  # every segment of the peer up to this number has been returned
        self._ahead: dict[int, bytes] = {}  # segments beyond a gap
        self._is_ack_owed = False

    def send(self, message: bytes) -> bool:
        """Queues one control message of 1 to CONTROL_SEGMENT_BYTES bytes.

        Returns False, and takes nothing, when the peer is too slow for what we say: restart the stream then.
        """
        if not 0 < len(message) <= CONTROL_SEGMENT_BYTES:
            raise LocalError(f"a control message is 1 to {CONTROL_SEGMENT_BYTES} bytes, not {len(message)}")
        if self.queued_bytes + len(message) > CONTROL_QUEUE_BYTES or self._next_number > LAST_NUMBER:
            return False
        self.queued_bytes += len(message)
        self._queue.append(message)
        return True

    def restart(self, stream: int) -> None:
        """Drops all that is not acknowledged, and starts a stream of a higher number."""
        if stream <= self.stream:
            raise LocalError(f"stream {stream} after stream {self.stream}")
        self.stream = stream
        self.is_forgotten = False
        self.queued_bytes = 0
        self._queue.clear()
        self._in_flight.clear()
        self._lost.clear()
        self._next_number = 1
        self._acked = 0
        self._window = FIRST_WINDOW
        self._backoff.reset()
        self._is_ack_owed = True  # tells the peer of the new stream even before there is a message

    def resend(self) -> None:
        """Has everything in flight resent at once: the path that it was sent over had failed."""
        self._lost = deque(sorted(self._in_flight))
        self._backoff.reset()

    def take_peer_restart(self) -> bool:
        """Tells, once each time, whether the peer has started another stream: what it was told may be lost."""
        restarted, self._peer_restarted = self._peer_restarted, False
        return restarted

    def receive(self, body: bytes | memoryview, *, now: float, may_be_another: bool = False) -> list[bytes]:
        """Takes one control body; returns what is in order with it, each a blob of whole messages for `decode_items`.

        `may_be_another` when the peer may be another process than before, which numbers its streams as it likes.

        Raises DecodeError, and changes nothing, for a body that no peer in its senses sends.
        """
        if not 0 <= len(body) - CONTROL_HEADER.size <= CONTROL_SEGMENT_BYTES:
            raise DecodeError("control segment length")
        stream, number, acked_stream, acked, beyond = CONTROL_HEADER.unpack_from(body)
        if acked_stream == self.stream and acked >= self._next_number:
            raise DecodeError("acknowledges a control segment that was never sent")
        if stream == 0:
            raise DecodeError("control stream 0")
        if stream < self._peer_stream and not may_be_another:
            return []
        if stream != self._peer_stream:
            self._begin_peer_stream(stream)
            # What was never acknowledged is resent from the first segment on. Two ends that restart at once acknowledge each
            # other's former stream; if that counted as forgotten, they would restart for ever.
            self.is_forgotten = self._acked > 0 and (acked_stream != self.stream or acked < self._acked)
        if acked_stream == self.stream:
            self._take_acknowledgement(acked, beyond, now=now)
        if number == 0:
            return []
        self._is_ack_owed = True
        return self._take_segment(number, bytes(body[CONTROL_HEADER.size :]))

    def next_segment(self, *, now: float, rto: float, room: int) -> bytes | None:
        """Returns the next control body to send, of at most `room` bytes, or None: there is nothing, or it does not fit.

        A room of CONTROL_HEADER.size + CONTROL_SEGMENT_BYTES is always enough.
        """
        room -= CONTROL_HEADER.size
        if room < 0:
            return None
        segment = self._segment_to_resend(rto, now=now) or self._new_segment(room)
        if segment is None:
            return self._encode(0, b"") if self._is_ack_owed else None
        if len(segment.payload) > room:
            return None
        if self._in_flight.pop(segment.number, None) is not None:
            self._note_resend()
        self._in_flight[segment.number] = segment
        segment.sent_at = now
        segment.passed = 0
        return self._encode(segment.number, segment.payload)

    def next_deadline(self, rto: float) -> float:
        """Returns when `next_segment` has something to send: minus infinity for at once, infinity for nothing."""
        if self._is_ack_owed or self._lost or (self._queue and self._has_window):
            return -math.inf
        return self._resend_at(rto)

    @property
    def _has_window(self) -> bool:
        return len(self._in_flight) < self._window and self._next_number <= self._acked + CONTROL_WINDOW_SEGMENTS

    def _resend_at(self, rto: float) -> float:
        for oldest in self._in_flight.values():
            return max(oldest.sent_at, self._progress_at) + rto * self._backoff.wait
        return math.inf

    def _segment_to_resend(self, rto: float, *, now: float) -> _Segment | None:
        if self._lost:
            return self._in_flight[self._lost[0]]
        return next(iter(self._in_flight.values())) if now >= self._resend_at(rto) else None

    def _note_resend(self) -> None:
        self.resent_segments += 1
        if self._lost:
            self._lost.popleft()
        else:
            self._backoff.next()
            self._window = max(self._window // 2, LEAST_WINDOW)

    def _new_segment(self, room: int) -> _Segment | None:
        if not self._queue or not self._has_window or len(self._queue[0]) > room:
            return None
        room = min(room, CONTROL_SEGMENT_BYTES)
        messages: list[bytes] = []
        while self._queue and len(self._queue[0]) <= room:
            room -= len(self._queue[0])
            messages.append(self._queue.popleft())
        segment = _Segment(self._next_number, b"".join(messages))
        self._next_number += 1
        return segment

    def _encode(self, number: int, payload: bytes) -> bytes:
        self._is_ack_owed = False
        base = self._received + 2
        beyond = 0
        for ahead in self._ahead:
            beyond |= 1 << (ahead - base)
        return CONTROL_HEADER.pack(self.stream, number, self._peer_stream, self._received, beyond) + payload

    def _begin_peer_stream(self, stream: int) -> None:
        self._peer_restarted = self._peer_stream != 0
        self._peer_stream = stream
        self._received = 0
        self._ahead.clear()

    def _take_segment(self, number: int, payload: bytes) -> list[bytes]:
        if not self._received < number <= self._received + CONTROL_WINDOW_SEGMENTS:
            return []
        self._ahead.setdefault(number, payload)
        in_order: list[bytes] = []
        while (following := self._ahead.pop(self._received + 1, None)) is not None:
            self._received += 1
            if following:
                in_order.append(following)
        return in_order

    def _take_acknowledgement(self, acked: int, beyond: int, *, now: float) -> None:
        self._acked = max(self._acked, acked)
        arrived = {
            number
            for number in self._in_flight
            if number <= acked or (number > acked + 1 and beyond >> (number - acked - 2) & 1)
        }
        if not arrived:
            return
        self._count_passed(arrived)
        for number in sorted(arrived):
            self.queued_bytes -= len(self._in_flight.pop(number).payload)
        self._lost = deque(number for number in self._lost if number not in arrived)
        self._backoff.reset()
        self._progress_at = now
        self._window = min(self._window + len(arrived), CONTROL_WINDOW_SEGMENTS)

    def _count_passed(self, arrived: set[int]) -> None:
        later = 0
        newly_lost: list[int] = []
        for segment in reversed(self._in_flight.values()):
            if segment.number in arrived:
                later += 1
                continue
            if segment.passed < PASSED_BY <= segment.passed + later:
                newly_lost.append(segment.number)
            segment.passed += later
        self._lost.extend(sorted(newly_lost))
