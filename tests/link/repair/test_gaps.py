"""What is missing, what waits for it, and for how long."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mycelium.channel.byte_budget import ByteBudget
from mycelium.limits import GAPS_PER_KEYPAIR
from mycelium.link.counters import LinkCounters
from mycelium.link.repair import gaps as gaps_module
from mycelium.link.repair.flow_order import FlowOrder
from mycelium.link.repair.gaps import (
    ASKS,
    LEAST_ASK_AGAIN_S,
    Gaps,
    Range,
    ask_again_after_s,
    between_requests_s,
    patience_s,
    reordering_s,
)
from mycelium.wire.frame import WHOLE_FRAME
from tests.link.repair.support import frame_of

SHORT = 0.000_5  # RTT in seconds
MEDIUM = 0.004
LONG = 0.020
ROOMY = 1 << 30


class Receiver:
    """Gaps, driven as a link does; frames are their counters in eight bytes."""

    def __init__(self, srtt: float | None = SHORT, room: int = ROOMY) -> None:
        self.gaps = Gaps(ByteBudget(room), LinkCounters())
        self.srtt = srtt
        self.now = 0.0
        self.released: list[memoryview] = []
        self.out: list[int] = []  # counters, in the order of release
        self.parts: dict[int, list[tuple[int, int]]] = {}

    def opens(self, counter: int, distance: int = 0, *, size: int = 8) -> None:
        self.gaps.opened(counter, now=self.now, srtt=self.srtt)
        frame = bytearray(counter.to_bytes(8, "big") + bytes(size - 8))
        self.gaps.admit(counter, distance, memoryview(frame), self.released)
        self.drain()
        frame[:] = bytes(len(frame))  # as the arena is overwritten

    def opens_other(self, counter: int) -> None:
        self.gaps.opened(counter, now=self.now, srtt=self.srtt)
        self.gaps.release_after(counter, self.released)
        self.drain()

    def drain(self) -> None:
        self.out += [int.from_bytes(frame[:8], "big") for frame in self.released]
        self.released.clear()

    def asks(self, after: float = 0.0, limit: int = 100) -> list[Range]:
        self.now += after
        ranges = self.gaps.take_due(
            lambda counter: self.parts.get(counter, [(0, WHOLE_FRAME)]),
            now=self.now,
            srtt=self.srtt,
            limit=limit,
            released=self.released,
        )
        self.drain()
        return ranges


# -- asking ------------------------------------------------------------------------------------------------------------


def test_nothing_is_asked_where_nothing_is_missing() -> None:
    receiver = Receiver()
    assert receiver.gaps.is_clean
    for counter in range(1, 10):
        receiver.opens(counter, 1 if counter > 1 else 0)
    assert receiver.gaps.is_clean
    assert receiver.gaps.due_at == inf
    assert receiver.out == list(range(1, 10))


def test_a_frame_that_was_jumped_over_is_asked_for_at_once_on_a_short_path() -> None:
    receiver = Receiver()
    receiver.opens(1)
    receiver.opens(3)
    assert receiver.gaps.due_at == receiver.now
    assert receiver.asks() == [(2, 0, WHOLE_FRAME)]


def test_on_a_longer_path_it_may_come_a_little_later() -> None:
    receiver = Receiver(MEDIUM)
    receiver.opens(1)
    receiver.opens(3)
    assert receiver.asks() == []
    assert receiver.gaps.due_at == reordering_s(MEDIUM) == MEDIUM / 8
    receiver.opens(2)
    assert receiver.gaps.due_at == inf
    assert receiver.asks(0.1) == []


def test_only_what_is_missing_of_a_frame_is_asked_for() -> None:
    receiver = Receiver()
    receiver.parts[1] = [(100, 200), (300, 400)]
    receiver.opens(2)
    assert receiver.asks() == [(1, 100, 200), (1, 300, 400)]


def test_it_is_asked_for_again_while_no_answer_comes_and_then_given_up() -> None:
    receiver = Receiver()
    receiver.opens(2)
    asked = [receiver.asks()]
    while receiver.gaps.due_at < inf:
        receiver.now = receiver.gaps.due_at
        asked.append(receiver.asks())
    assert [len(ranges) for ranges in asked] == [1] * ASKS + [0]
    assert receiver.now == patience_s(SHORT)
    assert receiver.gaps.counters.frames_given_up == 1
    assert receiver.gaps.is_clean


def test_no_more_is_asked_for_in_one_request_than_fits_it() -> None:
    receiver = Receiver()
    receiver.opens(11)
    assert [counter for counter, _, _ in receiver.asks(limit=4)] == [1, 2, 3, 4]
    assert receiver.gaps.due_at <= receiver.now + 0.001
    assert [counter for counter, _, _ in receiver.asks(0.001)] == [5, 6, 7, 8, 9, 10]


def test_a_request_that_is_full_asks_for_the_first_parts_only() -> None:
    receiver = Receiver()
    receiver.parts = {1: [(0, 10), (20, 30)], 2: [(0, 10), (20, 30)]}
    receiver.opens(3)
    assert receiver.asks(limit=3) == [(1, 0, 10), (1, 20, 30), (2, 0, 10)]


def test_requests_keep_a_distance() -> None:
    receiver = Receiver()
    receiver.opens(2)
    assert len(receiver.asks()) == 1
    receiver.opens(4)
    assert receiver.asks(between_requests_s(SHORT) / 2) == []
    assert receiver.gaps.due_at == between_requests_s(SHORT)
    receiver.opens(6)
    assert receiver.asks(between_requests_s(SHORT) / 2) == [(3, 0, WHOLE_FRAME), (5, 0, WHOLE_FRAME)]


def test_gaps_are_bounded_and_the_newest_count() -> None:
    receiver = Receiver()
    receiver.opens(1 << 40)
    asked = [counter for counter, _, _ in receiver.asks(limit=ROOMY)]
    assert asked == list(range((1 << 40) - GAPS_PER_KEYPAIR, 1 << 40))
    receiver.opens(1 << 50)
    assert len(receiver.asks(0.004, limit=ROOMY)) == GAPS_PER_KEYPAIR


def test_no_loss_is_repaired_where_the_round_trip_is_too_long_or_unknown() -> None:
    receiver = Receiver(None)
    receiver.opens(2)
    receiver.opens(3, 2)
    assert receiver.asks() == []
    assert receiver.out == [2, 3]


def test_a_path_that_becomes_long_gives_up() -> None:
    receiver = Receiver()
    receiver.opens(2)
    receiver.opens(3, 2)
    receiver.srtt = None
    receiver.asks(0.001)
    assert receiver.out == [2, 3]
    assert receiver.gaps.is_clean
    assert receiver.gaps.held_bytes == 0


def test_a_path_that_becomes_long_waits_for_no_last_frame() -> None:
    receiver = Receiver()
    receiver.opens(2)
    receiver.opens(1)
    receiver.gaps.started([3], now=0.0, srtt=SHORT)
    receiver.srtt = None
    assert receiver.asks(ask_again_after_s(SHORT)) == []
    assert (receiver.gaps.is_clean, receiver.gaps.due_at) == (True, inf), "nobody is woken for it again"


def test_a_request_is_repeated_when_its_answer_is_overdue() -> None:
    receiver = Receiver()
    receiver.opens(2)
    times = []
    while receiver.gaps.due_at < inf:
        receiver.now = receiver.gaps.due_at
        times += [receiver.now] * len(receiver.asks())
    assert times == pytest.approx([number * LEAST_ASK_AGAIN_S for number in range(ASKS)])


@pytest.mark.parametrize(
    ("srtt", "patience", "again", "between", "reordering"),
    [
        (0.0, 0.040, 0.002, 0.000_2, 0.0),
        (0.000_9, 0.040, 0.002, 0.000_45, 0.0),
        (0.001, 0.040, 0.002, 0.000_5, 0.000_125),
        (0.004, 0.040, 0.005, 0.001, 0.000_5),
        (0.020, 0.060, 0.025, 0.001, 0.002),
    ],
)
def test_waits_follow_the_round_trip_within_bounds(
    srtt: float, patience: float, again: float, between: float, reordering: float
) -> None:
    found = patience_s(srtt), ask_again_after_s(srtt), between_requests_s(srtt), reordering_s(srtt)
    assert found == pytest.approx((patience, again, between, reordering))


@pytest.mark.parametrize(
    ("answers", "again_s"),
    [
        ([0.001], LEAST_ASK_AGAIN_S),
        ([0.001_9], 0.002_375),
        ([0.001] + [0.001_9] * 20, 0.002_3),
        ([0.008] * 120, 0.010),  # by the round trip, which is an old one, they are asked for twice at first
    ],
)
def test_how_long_answers_take_is_learnt_from_them(answers: list[float], again_s: float) -> None:
    receiver = Receiver()
    for number, answer_s in enumerate(answers):
        receiver.now += 1.0
        receiver.opens(2 * number + 2)
        answered_at = receiver.now + answer_s
        while receiver.gaps.due_at < answered_at:
            receiver.now = receiver.gaps.due_at
            receiver.asks()
        receiver.now = answered_at
        receiver.opens(2 * number + 1)
    receiver.opens(2 * len(answers) + 2)
    assert len(receiver.asks()) == 1
    assert receiver.gaps.due_at - receiver.now == pytest.approx(again_s, rel=0.05)


def test_a_request_that_was_lost_hardly_changes_how_long_an_answer_seems_to_take() -> None:
    receiver = Receiver(MEDIUM)
    receiver.opens(2)
    receiver.asks(reordering_s(MEDIUM))
    receiver.now += 0.004
    receiver.opens(1)
    receiver.opens(4)
    receiver.asks(reordering_s(MEDIUM))
    assert receiver.asks(ask_again_after_s(0.004)) == [(3, 0, WHOLE_FRAME)]
    receiver.now += 0.004
    receiver.opens(3)
    receiver.opens(6)
    receiver.asks(reordering_s(MEDIUM))
    assert ask_again_after_s(0.004) < receiver.gaps.due_at - receiver.now < ask_again_after_s(0.004_3)


def test_a_frame_that_comes_sooner_after_a_request_than_an_answer_can_tells_nothing_of_answers() -> None:
    receiver = Receiver(LONG)
    receiver.gaps.least_answer_s = LONG
    for counter in range(2, 42, 2):
        receiver.opens(counter)
        assert receiver.asks(reordering_s(LONG)) == [(counter - 1, 0, WHOLE_FRAME)]
        receiver.now += 0.9 * LONG if counter % 4 else LONG
        receiver.opens(counter - 1)
    receiver.opens(42)
    receiver.asks(reordering_s(LONG))
    assert receiver.gaps.due_at - receiver.now == pytest.approx(ask_again_after_s(LONG))


def test_a_frame_that_was_only_late_is_not_counted_as_repaired() -> None:
    receiver = Receiver(MEDIUM)
    receiver.opens(3)
    receiver.opens(2)
    assert (receiver.gaps.counters.frames_repaired, receiver.gaps.pending) == (0, 1)
    receiver.asks(reordering_s(MEDIUM))
    receiver.opens(1)
    assert (receiver.gaps.counters.frames_repaired, receiver.gaps.pending) == (1, 0)


def test_a_frame_in_parts_beyond_the_newest_is_not_pending() -> None:
    receiver = Receiver()
    receiver.opens(1)
    receiver.gaps.started([2, 3], now=0.0, srtt=SHORT)
    assert (receiver.gaps.is_clean, receiver.gaps.pending) == (False, 0)


# -- frames in parts ---------------------------------------------------------------------------------------------------


def test_a_frame_in_parts_is_asked_for_once_a_later_one_has_begun() -> None:
    receiver = Receiver()
    receiver.parts = {1: [(10, 20)], 2: [(30, 40)]}
    receiver.gaps.started([1], now=0.0, srtt=SHORT)
    assert receiver.asks() == []
    receiver.gaps.started([1, 2], now=0.0, srtt=SHORT)
    assert receiver.asks() == [(1, 10, 20)]


def test_the_last_frame_is_asked_for_after_a_silence_where_there_was_loss() -> None:
    receiver = Receiver()
    receiver.parts = {3: [(10, 20)]}
    receiver.gaps.started([3], now=0.0, srtt=SHORT)
    assert receiver.gaps.due_at == inf, "there was no loss yet"
    receiver.opens(2)
    receiver.asks()
    receiver.opens(1)
    receiver.gaps.started([3], now=0.0, srtt=SHORT)
    assert not receiver.gaps.is_clean
    receiver.now = receiver.gaps.due_at
    assert receiver.now == ask_again_after_s(SHORT)
    assert receiver.asks() == [(3, 10, 20)]
    receiver.opens(3)
    assert receiver.gaps.is_clean
    assert receiver.gaps.counters.frames_repaired == 2


def test_forged_chunks_from_afar_are_not_asked_for() -> None:
    receiver = Receiver()
    receiver.opens(1)
    receiver.gaps.started([gaps_module.AHEAD + 2, gaps_module.AHEAD + 3], now=0.0, srtt=SHORT)
    assert receiver.asks() == []


def test_chunks_of_frames_not_too_far_ahead_are_believed() -> None:
    receiver = Receiver()
    receiver.opens(1)
    receiver.gaps.started([1, gaps_module.AHEAD, gaps_module.AHEAD + 1], now=0.0, srtt=SHORT)
    assert [counter for counter, _, _ in receiver.asks()] == [gaps_module.AHEAD]


def test_gaps_of_frames_in_parts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps_module, "GAPS_PER_KEYPAIR", 3)
    receiver = Receiver()
    receiver.gaps.started(range(1, 10), now=0.0, srtt=SHORT)
    assert [counter for counter, _, _ in receiver.asks()] == [1, 2, 3]


def test_the_last_frame_is_no_gap_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps_module, "GAPS_PER_KEYPAIR", 3)
    receiver = Receiver()
    receiver.opens(4)
    receiver.gaps.started([5], now=0.0, srtt=SHORT)
    assert [counter for counter, _, _ in receiver.asks(ask_again_after_s(SHORT))] == [1, 2, 3]


@pytest.mark.parametrize(
    ("after_s", "is_asked"), [(gaps_module.LOSSY_FOR_S - 1, True), (gaps_module.LOSSY_FOR_S, False)]
)
def test_silence_after_a_last_frame_in_parts_is_loss_for_a_minute_after_another(after_s: float, is_asked: bool) -> None:
    receiver = Receiver(MEDIUM)
    receiver.opens(2)
    receiver.opens(1)
    receiver.now = after_s
    receiver.gaps.started([3], now=receiver.now, srtt=MEDIUM)
    assert (receiver.asks(ask_again_after_s(MEDIUM)) == [(3, 0, WHOLE_FRAME)]) is is_asked


def test_a_later_frame_ends_the_wait_for_the_last_one_that_had_started() -> None:
    receiver = Receiver()
    receiver.opens(2)
    receiver.opens(1)
    receiver.gaps.started([4], now=0.0, srtt=SHORT)
    receiver.opens(3)
    assert not receiver.gaps.is_clean
    receiver.opens(4)
    assert (receiver.gaps.is_clean, receiver.gaps.due_at) == (True, inf)


# -- order -------------------------------------------------------------------------------------------------------------


def test_a_frame_waits_for_the_one_of_its_flow_and_others_do_not() -> None:
    receiver = Receiver()
    receiver.opens(1)
    receiver.opens(3, 1)  # names 2
    receiver.opens(4, 3)  # names 1
    receiver.opens(5, 2)  # names 3, which waits
    assert receiver.out == [1, 4]
    receiver.opens(2, 1)
    assert receiver.out == [1, 4, 2, 3, 5]
    assert receiver.gaps.held_bytes == 0


def test_waiting_ends_with_the_gap() -> None:
    receiver = Receiver()
    receiver.opens(2, 1)
    receiver.opens(3, 1)
    receiver.asks(patience_s(SHORT) - 0.001)
    assert receiver.out == []
    receiver.asks(0.001)
    assert receiver.out == [2, 3]
    receiver.opens(1)
    assert receiver.out == [2, 3, 1], "late is better than never"


def test_a_frame_that_is_no_data_fills_its_gap_and_releases() -> None:
    receiver = Receiver()
    receiver.opens(2, 1)
    receiver.opens_other(1)
    assert receiver.out == [2]


def test_when_too_much_waits_the_gap_is_given_up() -> None:
    receiver = Receiver(room=10_000)
    for counter in range(2, 20):
        receiver.opens(counter, 1, size=1_000)
        assert receiver.gaps.held_bytes <= 10_000
    assert receiver.out == list(range(2, 20))
    assert receiver.gaps.counters.frames_given_up == 1


def test_a_link_holds_no_more_than_its_own_share(monkeypatch: pytest.MonkeyPatch) -> None:
    overhead = gaps_module.HELD_OVERHEAD
    monkeypatch.setattr(gaps_module, "HELD_BYTES_PER_LINK", 3 * (1_000 + overhead))
    receiver = Receiver()
    for counter in (2, 3, 4):
        receiver.opens(counter, 1, size=1_000)
    assert (receiver.out, receiver.gaps.held_bytes) == ([], 3 * (1_000 + overhead))
    receiver.opens(5, 1, size=1_000)
    assert (receiver.out, receiver.gaps.held_bytes) == ([2, 3, 4, 5], 0)
    assert overhead > 200, "what a held frame takes in memory besides its bytes"


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),  # flow bucket
        st.sampled_from([0, 0, 0, 0, 1, 2, 5, 9]),  # how much later than its turn it comes
        st.sampled_from(["comes", "comes", "comes", "comes", "twice", "lost", "other kind"]),
    ),
    min_size=1,
    max_size=60,
)


# no room is left for the last frame, which waits for another gap than those that wait before it
CROWDED = [(0, 0, "lost"), *[(0, 0, "comes")] * 7, (0, 0, "lost"), (0, 0, "comes")]


@example(CROWDED, SHORT, 2_000, 0.0001)
@given(EVENTS, st.sampled_from([SHORT, MEDIUM]), st.sampled_from([2_000, ROOMY]), st.sampled_from([0.0001, 0.002]))
def test_whatever_is_lost_or_late_all_that_opened_comes_out_once_and_each_flow_in_order(
    events: list[tuple[int, int, str]], srtt: float, room: int, step: float
) -> None:
    order = FlowOrder()
    sent = [
        (counter, bucket, 0 if fate == "other kind" else order.distance(counter, frame_of(bucket)), late, fate)
        for counter, (bucket, late, fate) in enumerate(events, 1)
    ]
    arrivals = sorted((counter + late, counter) for counter, _, _, late, fate in sent if fate != "lost")
    receiver = Receiver(srtt, room)
    opened_data: list[int] = []
    strays: set[int] = set()  # came when they had been given up
    for _, counter in arrivals:
        _, _, distance, _, fate = sent[counter - 1]
        receiver.now += step
        if receiver.gaps.due_at <= receiver.now:
            receiver.asks()
        if fate == "other kind":
            receiver.opens_other(counter)
        else:
            if counter < receiver.gaps.newest and counter not in receiver.gaps._missing:
                strays.add(counter)
            receiver.opens(counter, distance)
            opened_data.append(counter)
        assert receiver.gaps.held_bytes <= room
    while receiver.gaps.due_at < inf:
        receiver.now = max(receiver.now, receiver.gaps.due_at)
        receiver.asks()
    assert sorted(receiver.out) == sorted(opened_data)
    assert receiver.gaps.held_bytes == 0
    assert receiver.gaps.is_clean
    assert receiver.gaps.pending == 0
    for bucket in range(4):
        flow = [counter for counter in receiver.out if sent[counter - 1][1] == bucket and counter not in strays]
        assert flow == sorted(flow)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 50)), max_size=60))
def test_a_neighbour_that_lies_about_distances_harms_nobody(frames: list[tuple[int, int]]) -> None:
    receiver = Receiver(room=5_000)
    seen: set[int] = set()
    for counter, distance in frames:
        if counter not in seen:
            seen.add(counter)
            receiver.opens(counter, distance)
    receiver.asks(1.0)
    assert sorted(receiver.out) == sorted(seen)
    assert receiver.gaps.held_bytes == 0


def test_a_gap_is_given_up_where_there_is_no_room_for_the_frame_that_waits_for_it() -> None:
    receiver = Receiver(room=0)
    receiver.opens(2, 1)
    assert (receiver.out, receiver.gaps.pending, receiver.gaps.counters.frames_given_up) == ([2], 0, 1)


def test_what_waits_for_one_frame_follows_it_in_the_order_that_it_was_sent_in() -> None:
    receiver = Receiver()
    for counter in (5, 3, 4):
        receiver.opens(counter, counter - 1)
    receiver.opens(1)
    assert receiver.out == [1, 3, 4, 5]


def test_a_chain_keeps_its_order() -> None:
    receiver = Receiver()
    for counter in (2, 3, 4, 6, 7):
        receiver.opens(counter, 1)
    receiver.opens(5, 1)
    receiver.opens(1)
    assert receiver.out == [1, 2, 3, 4, 5, 6, 7]
    assert all(one < other for one, other in pairwise(receiver.out))
