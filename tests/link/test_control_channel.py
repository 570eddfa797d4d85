"""Whatever the frames suffer, the messages of a stream arrive once, in order, and soon."""

import heapq
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.errors import DecodeError, LocalError
from mycelium.limits import CONTROL_QUEUE_BYTES, CONTROL_WINDOW_SEGMENTS, DESTINATIONS
from mycelium.link.control_channel import CONTROL_SEGMENT_BYTES, ControlChannel
from mycelium.wire.control import Update, encode_item
from mycelium.wire.distance import distance
from mycelium.wire.frame import CONTROL_HEADER
from tests.support.examples import examples

ROOM = CONTROL_HEADER.size + CONTROL_SEGMENT_BYTES
RTO = 0.1


def test_messages_travel_several_to_a_segment_and_are_acknowledged_once() -> None:
    a, b = ControlChannel(5), ControlChannel(9)
    assert a.send(b"one")
    assert a.send(b"two")

    (body,) = drain(a)
    assert body == CONTROL_HEADER.pack(5, 1, 0, 0, 0) + b"onetwo"
    assert b.receive(body, now=0.0) == [b"onetwo"]
    (answer,) = drain(b)
    assert answer == CONTROL_HEADER.pack(9, 0, 5, 1, 0)
    assert a.receive(answer, now=0.0) == []
    assert (drain(a), a.queued_bytes, a.next_deadline(RTO)) == ([], 0, math.inf)


def test_acknowledgement_travels_with_a_message_that_goes_back() -> None:
    a, b = ControlChannel(1), ControlChannel(1)
    a.send(b"ping")
    b.receive(drain(a)[0], now=0.0)
    b.send(b"pong")

    assert drain(b) == [CONTROL_HEADER.pack(1, 1, 1, 1, 0) + b"pong"]


def test_unacknowledged_segment_is_resent_with_doubling_timeouts() -> None:
    channel = ControlChannel(1)
    channel.send(b"hello")
    (first,) = drain(channel, now=10.0)
    sent_at, gaps = 10.0, []
    for _ in range(4):
        deadline = channel.next_deadline(RTO)
        assert drain(channel, now=deadline - 0.001) == []
        assert drain(channel, now=deadline) == [first]
        gaps.append(round((deadline - sent_at) / RTO))
        sent_at = deadline

    assert gaps == [1, 2, 4, 8]


def test_everything_in_flight_is_resent_at_once_in_order_where_that_is_called_for() -> None:
    channel = ControlChannel(1)
    bodies = [next(iter(drain(channel))) for number in range(5) if channel.send(bytes([65 + number]))]
    for _ in range(3):
        drain(channel, now=channel.next_deadline(RTO))
    channel.resend()
    assert channel.next_deadline(RTO) == -math.inf
    assert drain(channel, now=10.0) == bodies
    assert channel.next_deadline(RTO) == 10.0 + RTO


def test_segment_that_three_later_ones_passed_is_resent_at_once() -> None:
    a, b = ControlChannel(1), ControlChannel(1)
    bodies = [next(iter(drain(a))) for number in range(5) if a.send(bytes([65 + number]))]
    for body in bodies[1:3]:
        b.receive(body, now=0.0)
    a.receive(drain(b)[0], now=0.0)
    assert drain(a) == []

    b.receive(bodies[3], now=0.0)
    (answer,) = drain(b)
    assert answer == CONTROL_HEADER.pack(1, 0, 1, 0, 0b111)
    a.receive(answer, now=0.0)

    assert a.next_deadline(RTO) == -math.inf
    assert [body[CONTROL_HEADER.size :] for body in drain(a)] == [b"A"]
    assert b.receive(bodies[0], now=0.0) == [b"A", b"B", b"C", b"D"]


def test_doubled_segment_is_delivered_once_and_acknowledged_again() -> None:
    a, b = ControlChannel(1), ControlChannel(1)
    a.send(b"x")
    (body,) = drain(a)

    assert [b.receive(body, now=0.0), b.receive(body, now=0.0)] == [[b"x"], []]
    assert drain(b) == [CONTROL_HEADER.pack(1, 0, 1, 1, 0)]


def test_sender_stays_within_the_window_of_the_receiver() -> None:
    a, b = ControlChannel(1), ControlChannel(1)
    full = bytes(CONTROL_SEGMENT_BYTES)
    for _ in range(200):
        a.send(full)
    lost, *others = drain(a)
    assert len(others) < CONTROL_WINDOW_SEGMENTS
    for _ in range(20):
        for body in others:
            b.receive(body, now=0.0)
        for body in drain(b):
            a.receive(body, now=0.0)
        others = [body for body in drain(a) if body[CONTROL_HEADER.size - 20 : 8] != lost[4:8]]

    assert a._next_number - 1 == CONTROL_WINDOW_SEGMENTS
    assert len(b.receive(lost, now=0.0)) == CONTROL_WINDOW_SEGMENTS


def test_segments_beyond_the_window_are_not_kept() -> None:
    channel = ControlChannel(1)
    for number in (CONTROL_WINDOW_SEGMENTS + 1, 0xFFFF_FFFF):
        assert channel.receive(CONTROL_HEADER.pack(7, number, 0, 0, 0) + b"x", now=0.0) == []

    assert drain(channel) == [CONTROL_HEADER.pack(1, 0, 7, 0, 0)]


def test_full_queue_takes_nothing_until_the_stream_is_restarted() -> None:
    channel = ControlChannel(1)
    message = bytes(1_024)
    for _ in range(CONTROL_QUEUE_BYTES // 1_024):
        assert channel.send(message)
    assert not channel.send(b"one more")

    channel.restart(2)

    assert (channel.queued_bytes, channel.stream) == (0, 2)
    assert channel.send(b"one more")


def test_new_stream_of_the_peer_is_reported_once_and_the_old_one_is_ignored() -> None:
    a, b = ControlChannel(1), ControlChannel(1)
    a.send(b"old")
    (old,) = drain(a)
    assert b.receive(old, now=0.0) == [b"old"]
    assert not b.take_peer_restart()

    a.restart(2)
    a.send(b"new")
    (new,) = drain(a)

    assert b.receive(new, now=0.0) == [b"new"]
    assert b.receive(old, now=0.0) == []
    assert [b.take_peer_restart(), b.take_peer_restart()] == [True, False]


def test_late_segments_of_an_ended_stream_never_mix_with_the_next() -> None:
    a, b = ControlChannel(1), ControlChannel(1)
    old = [next(iter(drain(a))) for name in (b"o1", b"o2", b"o3") if a.send(name)]
    b.receive(old[2], now=0.0)
    a.restart(2)
    new = [next(iter(drain(a))) for name in (b"n1", b"n2", b"n3") if a.send(name)]

    assert b.receive(new[0], now=0.0) == [b"n1"]
    assert b.receive(old[1], now=0.0) == []
    assert b.receive(new[1], now=0.0) == [b"n2"]
    assert b.receive(new[2], now=0.0) == [b"n3"]


def test_restart_is_told_even_without_a_message() -> None:
    a, b = ControlChannel(1), ControlChannel(1)
    a.send(b"old")
    b.receive(drain(a)[0], now=0.0)
    a.restart(2)

    for body in drain(a):
        b.receive(body, now=0.0)

    assert b.take_peer_restart()


def test_acknowledgement_of_an_earlier_stream_frees_nothing() -> None:
    a, b = ControlChannel(1), ControlChannel(1)
    a.send(b"old")
    b.receive(drain(a)[0], now=0.0)
    (answer,) = drain(b)
    a.restart(2)
    a.send(b"new")
    drain(a)

    a.receive(answer, now=0.0)

    assert a.queued_bytes == 3


def test_another_process_may_begin_a_lower_stream() -> None:
    a, old, new = ControlChannel(1), ControlChannel(9), ControlChannel(3)
    old.send(b"old")
    new.send(b"new")
    a.receive(drain(old)[0], now=0.0)
    (body,) = drain(new)

    assert a.receive(body, now=0.0) == []
    assert not a.take_peer_restart()
    assert a.receive(body, now=0.0, may_be_another=True) == [b"new"]
    assert a.take_peer_restart()


def test_another_process_that_hears_of_a_stream_in_its_middle_has_forgotten_it() -> None:
    a, old, new = ControlChannel(1), ControlChannel(3), ControlChannel(9)
    a.send(b"first")
    old.receive(drain(a)[0], now=0.0)
    a.receive(drain(old)[0], now=0.0)
    a.send(b"second")
    new.receive(drain(a)[0], now=0.0)
    (answer,) = drain(new)

    a.receive(answer, now=0.0)
    assert a.take_peer_restart()
    assert a.is_forgotten


def test_a_process_that_restarts_its_stream_has_forgotten_nothing() -> None:
    a, b = ControlChannel(1), ControlChannel(2)
    a.send(b"first")
    b.receive(drain(a)[0], now=0.0)
    a.receive(drain(b)[0], now=0.0)
    b.restart(3)
    (answer,) = drain(b)

    a.receive(answer, now=0.0)
    assert a.take_peer_restart()
    assert not a.is_forgotten


def test_ends_that_restart_at_once_do_not_restart_again() -> None:
    a, b = ControlChannel(1), ControlChannel(1)
    a.send(b"a")
    b.receive(drain(a)[0], now=0.0)
    a.receive(drain(b)[0], now=0.0)
    a.restart(2)
    b.restart(2)
    from_a, from_b = drain(a), drain(b)
    a.receive(from_b[0], now=0.0)
    b.receive(from_a[0], now=0.0)

    assert a.take_peer_restart()
    assert b.take_peer_restart()
    assert not a.is_forgotten
    assert not b.is_forgotten


def test_the_queue_holds_a_change_of_every_route() -> None:
    update = encode_item(Update(bytes(16), distance(1, 1)))
    assert DESTINATIONS * len(update) <= CONTROL_QUEUE_BYTES


def test_restart_to_a_lower_stream_is_refused() -> None:
    with pytest.raises(LocalError):
        ControlChannel(5).restart(5)


@pytest.mark.parametrize("length", [0, CONTROL_SEGMENT_BYTES + 1])
def test_message_that_fits_no_segment_is_refused(length: int) -> None:
    with pytest.raises(LocalError):
        ControlChannel(1).send(bytes(length))


def test_segment_waits_for_room() -> None:
    channel = ControlChannel(1)
    channel.send(bytes(100))

    assert channel.next_segment(now=0.0, rto=RTO, room=CONTROL_HEADER.size - 1) is None
    assert channel.next_segment(now=0.0, rto=RTO, room=CONTROL_HEADER.size + 99) is None
    assert (
        len(channel.next_segment(now=0.0, rto=RTO, room=CONTROL_HEADER.size + 100) or b"") == CONTROL_HEADER.size + 100
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes(CONTROL_HEADER.size - 1),
        CONTROL_HEADER.pack(0, 0, 0, 0, 0),
        CONTROL_HEADER.pack(1, 0, 1, 1, 0),
        CONTROL_HEADER.pack(1, 1, 0, 0, 0) + bytes(CONTROL_SEGMENT_BYTES + 1),
    ],
    ids=["empty", "short", "stream 0", "acknowledges the future", "long"],
)
def test_senseless_body_is_a_decode_error_and_changes_nothing(body: bytes) -> None:
    channel = ControlChannel(1)
    with pytest.raises(DecodeError):
        channel.receive(body, now=0.0)
    assert channel.next_deadline(RTO) == math.inf


@given(st.binary(max_size=100))
def test_garbage_is_a_decode_error_or_ignored(body: bytes) -> None:
    channel = ControlChannel(1)
    channel.send(b"x")
    drain(channel)
    try:
        channel.receive(body, now=0.0)
    except DecodeError:
        return
    drain(channel)


@settings(max_examples=examples(60), deadline=None)
@given(
    lengths=st.lists(st.integers(1, CONTROL_SEGMENT_BYTES), max_size=120),
    loss=st.sampled_from([0.0, 0.05, 0.3, 0.6]),
    doubling=st.sampled_from([0.0, 0.2]),
    jitter=st.sampled_from([0.0, 0.005, 0.1]),
    restarts=st.lists(st.floats(0.0, 2.0), max_size=2),
    seed=st.integers(0, 2**32),
)
def test_nothing_is_lost_doubled_or_reordered(
    lengths: list[int], loss: float, doubling: float, jitter: float, restarts: list[float], seed: int
) -> None:
    net = LossyPair(seed, loss=loss, doubling=doubling, delay=0.02, jitter=jitter)
    for index, length in enumerate(lengths):
        net.at(net.rng.uniform(0, 1.5), index % 2, partial(net.say, index % 2, net.rng.randbytes(length)))
    for when in restarts:
        net.at(when, 0, partial(net.restart, 0))

    net.run(until=600.0)

    for side in (0, 1):
        final = net.channels[side].stream
        for stream in range(1, final + 1):
            heard = b"".join(net.heard[side, stream])
            spoken = b"".join(net.said[side, stream])
            assert heard == spoken if stream == final else spoken.startswith(heard)
        assert net.channels[side].queued_bytes == 0


def test_table_crosses_a_lossy_link_within_a_second() -> None:
    took = []
    for seed in range(5):
        net = LossyPair(seed, loss=0.05, doubling=0.0, delay=0.02, jitter=0.001)
        for _ in range(1_000):
            net.channels[0].send(message := net.rng.randbytes(150))
            net.said[0, 1].append(message)
        net.pump(0)
        net.run(until=10.0)
        assert b"".join(net.heard[0, 1]) == b"".join(net.said[0, 1])
        took.append(net.last_heard_at)

    assert max(took) < 1.0


def test_clean_link_resends_nothing() -> None:
    net = LossyPair(1, loss=0.0, doubling=0.0, delay=0.02, jitter=0.0)
    for _ in range(1_000):
        net.channels[0].send(bytes(150))
    net.pump(0)
    net.run(until=10.0)

    assert net.channels[0].resent_segments == 0
    assert net.frames[0] == -(-1_000 // (CONTROL_SEGMENT_BYTES // 150))


def drain(channel: ControlChannel, *, now: float = 0.0) -> list[bytes]:
    bodies = []
    while (body := channel.next_segment(now=now, rto=RTO, room=ROOM)) is not None:
        bodies.append(body)
    return bodies


class LossyPair:
    """Two channels, virtual time, and a net between them that loses, doubles and reorders."""

    def __init__(self, seed: int, *, loss: float, doubling: float, delay: float, jitter: float) -> None:
        self.rng = random.Random(seed)
        self._serial = itertools.count()
        self.loss, self.doubling, self.delay, self.jitter = loss, doubling, delay, jitter
        self.channels = (ControlChannel(1), ControlChannel(1))
        self.said: defaultdict[tuple[int, int], list[bytes]] = defaultdict(list)  # by side and stream
        self.heard: defaultdict[tuple[int, int], list[bytes]] = defaultdict(list)  # by speaker and stream
        self.frames = [0, 0]
        self.now = 0.0
        self.last_heard_at = 0.0
        self._events: list[tuple[float, int, int, Callable[[], None]]] = []

    def at(self, when: float, side: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._serial), side, action))

    def say(self, side: int, message: bytes) -> None:
        assert self.channels[side].send(message)
        self.said[side, self.channels[side].stream].append(message)

    def restart(self, side: int) -> None:
        self.channels[side].restart(self.channels[side].stream + 1)

    def hear(self, side: int, body: bytes) -> None:
        blobs = self.channels[side].receive(body, now=self.now)
        if blobs:
            self.last_heard_at = self.now
            self.heard[1 - side, CONTROL_HEADER.unpack_from(body)[0]] += blobs

    def pump(self, side: int) -> None:
        channel = self.channels[side]
        rto = 2 * (self.delay + self.jitter) + 0.03
        while (body := channel.next_segment(now=self.now, rto=rto, room=ROOM)) is not None:
            self.frames[side] += 1
            for _ in range(2 if self.rng.random() < self.doubling else 1):
                if self.rng.random() >= self.loss:
                    arrival = self.now + self.delay + self.rng.uniform(0, self.jitter)
                    self.at(arrival, 1 - side, partial(self.hear, 1 - side, body))
        if (deadline := channel.next_deadline(rto)) < math.inf:
            self.at(deadline, side, lambda: None)

    def run(self, *, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, side, action = heapq.heappop(self._events)
            action()
            self.pump(side)
