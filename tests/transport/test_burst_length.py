"""Reads end where sends end, soon after they did not, whatever was lost."""

import pytest

from mycelium.transport.burst_length import BurstLength

SIZE, CEILING = 1_000, 43
LAST = 100


def send_of(count: int) -> list[int]:
    return [SIZE] * (count - 1) + [LAST]


def reads(length: BurstLength, arriving: list[int]) -> list[int]:
    """Returns how many datagrams each read takes of those that wait."""
    taken: list[int] = []
    while arriving:
        count = length.next(arriving[0], CEILING)
        length.note(arriving[:count])
        taken.append(len(arriving[:count]))
        del arriving[:count]
    return taken


@pytest.mark.parametrize("count", [22, 40, 42, 43])
def test_reads_end_where_sends_end(count: int) -> None:
    assert reads(BurstLength(), send_of(count) * 10)[3:10] == [count] * 7


def test_what_one_read_does_not_hold_takes_two_that_end_with_it() -> None:
    assert reads(BurstLength(), send_of(50) * 5)[-6:] == [43, 7] * 3


def test_a_lost_datagram_costs_the_order_for_two_reads() -> None:
    length = BurstLength()
    reads(length, send_of(42) * 6)
    assert reads(length, send_of(41) + send_of(42) * 5) == [42, 41, 42, 42, 42, 42]


@pytest.mark.parametrize("lost", [{5}, {41}, {5, 50}, {5, 50, 90, 150}, {41, 83}, {0, 42, 84}])
def test_the_order_is_soon_found_again_whatever_is_lost(lost: set[int]) -> None:
    length = BurstLength()
    reads(length, send_of(42) * 6)
    reads(length, [one for at, one in enumerate(send_of(42) * 4) if at not in lost])
    assert reads(length, send_of(42) * 10)[-5:] == [42] * 5


def test_a_read_that_begins_with_the_end_of_a_send_takes_only_that() -> None:
    length = BurstLength()
    length.note([SIZE] * length.next(SIZE, CEILING))
    assert length.next(LAST, CEILING) == 1
    length.note([LAST])
    assert length.next(LAST, CEILING) == CEILING, "these are shorter altogether"


def test_short_sends_are_read_together() -> None:
    assert len(reads(BurstLength(), send_of(5) * 43)) <= 6
    assert reads(BurstLength(), [SIZE] * 430) == [CEILING] * 10


def test_datagrams_of_another_size_are_others() -> None:
    length = BurstLength()
    reads(length, send_of(30) * 10)
    assert length.next(SIZE, CEILING) == 30
    assert length.next(SIZE + 1, CEILING) == CEILING
    assert length.next(SIZE, CEILING) == CEILING
