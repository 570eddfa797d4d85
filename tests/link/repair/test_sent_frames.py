"""What is kept to be sent again, who gets it, and what that may cost."""

import itertools
import random

from hypothesis import example, given
from hypothesis import strategies as st

from mycelium.channel.byte_budget import ByteBudget
from mycelium.limits import SENT_BYTES_PER_LINK
from mycelium.link.counters import LinkCounters
from mycelium.link.reassembly import PartialBudget, Reassembly
from mycelium.link.repair.repair import grouped
from mycelium.link.repair.sent_frames import (
    ANSWERS,
    FIRST_ALLOWANCE,
    FIRST_FRAMES,
    KEEPING_S,
    KEPT_S,
    MOST_ALLOWANCE,
    RESENT_SHARE,
    SENT_OVERHEAD,
    Piece,
    SentFrames,
)
from mycelium.wire.frame import WHOLE_FRAME

WHOLE = (0, WHOLE_FRAME)


def no_tag(counter: int) -> int:
    """Returns the tag of all chunks of these tests."""
    return 0


def sealed(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def sent_frames(node_bytes: int = 1 << 30) -> SentFrames:
    return SentFrames(ByteBudget(node_bytes), LinkCounters())


def test_a_frame_is_kept_from_the_first_request_on_and_for_a_minute_after_the_last() -> None:
    frames = sent_frames()
    assert frames.keeps_until < 0
    assert frames.answer([(4, *WHOLE)], newest=9, now=10.0) == []
    assert frames.keeps_until == 10.0 + KEEPING_S
    frames.keep(10, sealed(100), None, now=10.0)
    assert frames.answer([(10, *WHOLE)], newest=10, now=11.0) == [(10, sealed(100), None, 0, 100)]
    assert frames.keeps_until == 11.0 + KEEPING_S


def test_frames_that_were_never_sent_are_no_sign_of_loss() -> None:
    frames = sent_frames()
    frames.answer([(10, *WHOLE), (0, *WHOLE)], newest=9, now=10.0)
    assert frames.keeps_until < 0
    assert frames.counters.repair_ranges_refused == 2


def test_ranges_are_sent_as_asked_for_and_once() -> None:
    frames = sent_frames()
    frames.keep(1, sealed(1000), None, now=0.0)
    asked = [(1, 100, 200), (1, 150, 300), (1, 200, 300), (1, 900, WHOLE_FRAME), (1, 1000, 2000), (1, 50, 20)]
    pieces = frames.answer(asked, newest=1, now=0.0)
    assert [(start, end) for _, _, _, start, end in pieces] == [(100, 200), (200, 300), (900, 1000)]
    assert frames.counters.repair_ranges_refused == 3
    assert frames.counters.repair_bytes_resent == 300


def test_a_frame_is_sent_again_a_few_times_only() -> None:
    frames = sent_frames()
    frames.keep(1, sealed(1000), None, now=0.0)
    answers = [frames.answer([(1, *WHOLE)], newest=1, now=0.0) for _ in range(10)]
    assert sum(bool(answer) for answer in answers) == ANSWERS


def test_no_more_is_resent_than_a_quarter_of_what_is_sent() -> None:
    frames = sent_frames()
    total = 0
    for counter in range(1, 200):
        frames.keep(counter, sealed(10_000), None, now=0.0)
        total += 10_000
        frames.answer([(counter, *WHOLE)], newest=counter, now=0.0)
        assert frames.counters.repair_bytes_resent <= FIRST_ALLOWANCE + total / 4
    assert frames.counters.repair_bytes_resent > total / 5


def test_memory_is_bounded_for_a_link_and_for_the_node() -> None:
    budget = ByteBudget(5 << 20)
    links = [SentFrames(budget, LinkCounters()) for _ in range(2)]
    for counter in range(1, 3000):
        links[counter % 2].keep(counter, sealed(5_000), None, now=0.0)
        assert sum(link.held_bytes for link in links) == budget.held_bytes <= 5 << 20
        assert all(link.held_bytes <= SENT_BYTES_PER_LINK for link in links)
    assert links[1].answer([(2999, *WHOLE)], newest=2999, now=0.0)
    for link in links:
        link.clear()
    assert budget.held_bytes == 0
    assert links[1].answer([(2999, *WHOLE)], newest=2999, now=0.0) == []


def test_what_is_kept_may_fill_its_bounds() -> None:
    whole = sent_frames()
    whole.keep(1, sealed(SENT_BYTES_PER_LINK - SENT_OVERHEAD), None, now=0.0)
    assert whole.held_bytes == SENT_BYTES_PER_LINK
    node = sent_frames(5_000)
    node.keep(1, sealed(5_000 - SENT_OVERHEAD), None, now=0.0)
    assert node.held_bytes == 5_000


def test_frames_are_forgotten_when_nobody_can_want_them() -> None:
    frames = sent_frames()
    frames.keep(1, sealed(1000), None, now=0.0)
    frames.sweep(is_used=False, now=KEPT_S / 2)
    assert frames.held_bytes
    frames.sweep(is_used=False, now=KEPT_S * 2)
    assert frames.held_bytes == 0


@example(761, 400, 777, 420)  # two parts are missing of what one datagram now holds
@given(st.integers(100, 60_000), st.integers(400, 1500), st.integers(400, 1500), st.integers(0, 2**32 - 1))
def test_what_was_lost_is_put_together_again_though_the_size_has_changed(
    total: int, first_size: int, second_size: int, seed: int
) -> None:
    frame = sealed(total, seed)
    rng = random.Random(seed)
    reassembly = Reassembly(77, lambda counter: True, no_tag, PartialBudget(), LinkCounters())
    complete: list[bytes | memoryview] = []

    def carry(pieces: list[Piece], size: int, loss: float) -> None:
        for datagrams in grouped(pieces, 77, size, no_tag):
            assert len({len(datagram) for datagram in datagrams[:-1]}) <= 1
            assert len(datagrams[-1]) <= len(datagrams[0]) <= size
            for datagram in datagrams:
                if datagram[0] == 0x14:
                    complete.append(bytes(datagram[16:]))
                elif rng.random() >= loss:
                    found, _ = reassembly.add_burst(memoryview(datagram), len(datagram))
                    complete.extend(data for _, data in found)

    carry([(5, frame, None, 0, total)], first_size, 0.3)
    if not complete:
        gaps: list[Piece] = [(5, frame, None, start, min(end, total)) for start, end in reassembly.missing(5)]
        carry(gaps, second_size, 0.0)
    assert complete == [frame]


def test_what_carried_no_data_is_excused_once_if_it_was_sent_after_a_frame_that_is_kept() -> None:
    frames = sent_frames()
    frames.answer([(1, *WHOLE)], newest=3, now=0.0)
    assert frames.excused == 0, "nothing is kept yet: it may have carried data"
    frames.keep(4, sealed(100), None, now=0.0)
    for counter in (3, 6, 6, 7):
        frames.answer([(counter, *WHOLE)], newest=9, now=0.0)
    assert frames.excused == 2
    assert frames.counters.repair_ranges_refused == 5
    frames.clear()
    frames.keep(4, sealed(100), None, now=0.0)
    frames.answer([(6, *WHOLE)], newest=9, now=0.0)
    assert frames.excused == 3, "counters of another keypair are others"


def test_a_lone_datagram_between_the_first_frames_after_a_rest_may_have_carried_data() -> None:
    """Such frames are not kept before anything was asked for."""
    frames = sent_frames()
    frames.keep(4, sealed(3_000), None, now=0.0)
    frames.answer([(5, *WHOLE)], newest=6, now=0.0)
    assert frames.excused == 0
    frames.keep(7, sealed(100), None, now=0.0)
    frames.answer([(6, *WHOLE), (8, *WHOLE)], newest=8, now=0.0)
    assert frames.excused == 1


def test_the_first_long_frames_after_a_rest_are_kept() -> None:
    frames, counters = sent_frames(), itertools.count(1)
    for _ in range(2):
        frames.sweep(is_used=False, now=1.0)
        for _ in range(FIRST_FRAMES):
            assert frames.keeps_until < 1.0 < frames.keeps_long_until
            frames.keep(next(counters), sealed(3_000), None, now=1.0)
        assert frames.keeps_long_until < 1.0
    frames.sweep(is_used=True, now=2.0)
    assert frames.keeps_long_until < 1.0, "there was no rest"


def test_first_frames_are_not_counted_while_all_are_kept() -> None:
    frames = sent_frames()
    frames.answer([(1, *WHOLE)], newest=1, now=0.0)
    for counter in range(2, 2 * FIRST_FRAMES):
        frames.keep(counter, sealed(3_000), None, now=1.0)
    assert frames.keeps_long_until == frames.keeps_until == KEEPING_S


def test_what_may_be_resent_grows_no_more_beyond_a_bound() -> None:
    frames = sent_frames()
    for counter in range(1, 200):
        frames.keep(counter, sealed(50_000), None, now=0.0)
    for _ in range(ANSWERS):
        frames.answer([(counter, *WHOLE) for counter in range(1, 200)], newest=199, now=0.0)
    assert frames.counters.repair_bytes_resent == MOST_ALLOWANCE // 50_000 * 50_000


def test_what_may_be_resent_may_be_resent_to_the_last_byte() -> None:
    frames = sent_frames()
    frames.keep(1, sealed(200_000), None, now=0.0)
    allowance = FIRST_ALLOWANCE + 200_000 // RESENT_SHARE
    assert frames.answer([(1, 0, allowance + 1)], newest=1, now=0.0) == []
    assert len(frames.answer([(1, 0, allowance)], newest=1, now=0.0)) == 1
    assert frames.answer([(1, allowance, allowance + 1)], newest=1, now=0.0) == []


def test_a_frame_asked_for_in_parts_is_answered_once_by_one_request() -> None:
    frames = sent_frames()
    frames.keep(1, sealed(1_000), None, now=0.0)
    for _ in range(ANSWERS):
        assert len(frames.answer([(1, 0, 100), (1, 200, 300)], newest=1, now=0.0)) == 2
    assert frames.answer([(1, 0, 100)], newest=1, now=0.0) == []


def test_a_frame_is_kept_for_its_time_to_the_end() -> None:
    frames = sent_frames()
    frames.keep(1, sealed(100), None, now=1.0)
    frames.sweep(is_used=False, now=1.0 + KEPT_S)
    assert frames.held_bytes == 100 + SENT_OVERHEAD
    assert SENT_OVERHEAD > 200, "what a kept frame takes in memory besides its bytes"
    frames.sweep(is_used=False, now=1.01 + KEPT_S)
    assert frames.held_bytes == 0
