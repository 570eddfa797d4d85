"""Slow paths are found by how chunks arrive, and quick ones never taken for slow."""

import math
from functools import partial

from mycelium.channel.frame_budget import FRAMES_IN_A_ROW, OCCUPANCY_S, TOLERANCE, longest_frame
from mycelium.link.dispersion import QUICK, Dispersion
from mycelium.wire.datagram import FRAME
from tests.link.lab import LinkLab

TEN_MBIT = 1_250_000.0
HUNDRED_MBIT = 12_500_000.0


def of_rate(rate: float, length: int = 62_000, first: int = 1_452) -> tuple[int, int, float]:
    return length, length - first, (length - first) / rate


def test_slow_frames_in_a_row_are_told_of_once_with_the_rate_of_the_quickest() -> None:
    path = Dispersion()
    for number in range(FRAMES_IN_A_ROW - 1):
        path.arrived(*of_rate(TEN_MBIT * (0.5 + 0.5 * (number == 3))))
        assert path.slow_rate == 0
    path.arrived(*of_rate(TEN_MBIT * 0.7))
    assert math.isclose(path.take(), TEN_MBIT)
    for _ in range(FRAMES_IN_A_ROW - 1):
        assert path.take() == 0
        path.arrived(*of_rate(TEN_MBIT))
    assert path.take() == 0


def test_one_quick_frame_among_slow_ones_clears_the_path() -> None:
    path = Dispersion()
    for _ in range(3):
        for _ in range(FRAMES_IN_A_ROW - 1):
            path.arrived(*of_rate(TEN_MBIT))
        path.arrived(*of_rate(1e9))
    assert path.slow_rate == 0


def test_frames_that_are_short_enough_for_a_slow_path_are_no_news() -> None:
    path = Dispersion()
    for rate in (TEN_MBIT, HUNDRED_MBIT):
        for _ in range(5 * FRAMES_IN_A_ROW):
            path.arrived(*of_rate(rate, length=int(longest_frame(rate) * TOLERANCE * 0.99)))
            assert path.in_a_row == 0
        path.arrived(*of_rate(rate, length=int(longest_frame(rate) * TOLERANCE * 1.01)))
        assert path.in_a_row == 1


def test_short_frames_do_not_hide_that_long_ones_take_long() -> None:
    path, told_from = Dispersion(), int(longest_frame(HUNDRED_MBIT) * TOLERANCE)
    for number in range(FRAMES_IN_A_ROW):
        assert path.slow_rate == 0
        path.arrived(*of_rate(HUNDRED_MBIT * (0.7 if number else 1)))
        path.arrived(2_800, 1_400, 0.0)
        path.arrived_soon(told_from)
        path.arrived(*of_rate(HUNDRED_MBIT, length=told_from))
    assert math.isclose(path.take(), HUNDRED_MBIT)


def test_a_frame_clears_the_path_if_it_is_as_long_as_one_that_would_be_told_of() -> None:
    path = Dispersion()
    for rate in (TEN_MBIT, HUNDRED_MBIT):
        told_from = int(longest_frame(rate) * TOLERANCE)
        for soon in (
            partial(path.arrived_soon, told_from + 1),
            partial(path.arrived, *of_rate(1e9, length=told_from + 1)),
        ):
            for _ in range(FRAMES_IN_A_ROW - 1):
                path.arrived(*of_rate(rate))
            soon()
            assert (path.in_a_row, path.slow_rate) == (0, 0)


def test_frames_of_any_length_are_no_news_on_a_quick_path() -> None:
    path = Dispersion()
    for length in range(int(TOLERANCE * longest_frame(QUICK)), 62_000, 1_000):
        path.arrived(*of_rate(QUICK * 1.01, length=length))
        assert path.in_a_row == 0
        path.arrived(*of_rate(QUICK * 0.99, length=62_000))
        assert path.in_a_row == 1


# -- on a link ---------------------------------------------------------------------------------------------------------


def ready_lab() -> LinkLab:
    lab = LinkLab()
    lab.drop = lambda source, destination, data: len(data) > 1_472
    lab.run(1)
    return lab


def send_slowly(lab: LinkLab, rate: float, *, frames: int, size: int = 62_000) -> int:
    """Has a send frames to b over a path of `rate` bytes a second; returns the length of the longest that was cut."""
    link, endpoint = lab.link("b"), lab.link("b").paths.active.endpoint
    longest = 0
    for _ in range(frames):
        lab.sent.clear()
        lab.cut("a", "b")
        lab.send("a", bytes(min(size, lab.link("a").frames.budget.limit - 100)))
        lab.mend()
        chunks = [data for source, _, data in lab.sent if source == "a" and data[0] != FRAME]
        longest = max(longest, sum(map(len, chunks)))
        for chunk in chunks:
            lab.run(len(chunk) / rate)
            index = int.from_bytes(chunk[4:8], "big")
            lab.act(link.receive, index, endpoint, memoryview(bytearray(chunk)), len(chunk), waited_s=0.0)
        lab.run(0.1)
        lab.act(lab.link("a").sweep)
    return longest


def test_a_link_over_a_slow_path_sends_short_frames_and_tries_longer_ones_only_now_and_then() -> None:
    lab = ready_lab()
    assert send_slowly(lab, TEN_MBIT, frames=FRAMES_IN_A_ROW) > 60_000
    assert lab.link("a").frames.budget.limit <= TEN_MBIT * OCCUPANCY_S * 1.1
    seconds = [send_slowly(lab, TEN_MBIT, frames=10) for _ in range(12)]
    assert max(seconds) < 2 * 2 * TEN_MBIT * OCCUPANCY_S, "twice as long ones are tried, and given up"
    assert sum(longest < 1.2 * TEN_MBIT * OCCUPANCY_S for longest in seconds) >= 3


def test_a_path_that_becomes_quick_again_is_used() -> None:
    lab = ready_lab()
    send_slowly(lab, TEN_MBIT, frames=FRAMES_IN_A_ROW)
    assert lab.link("a").frames.budget.limit < 3_000
    for _ in range(30):
        send_slowly(lab, 1e9, frames=10)
    assert send_slowly(lab, 1e9, frames=1) > 60_000
