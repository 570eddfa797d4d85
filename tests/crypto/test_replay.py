"""The replay window, by table and against a set of all that was seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.crypto.replay import AscendingOnly, ReplayWindow
from mycelium.limits import REPLAY_WINDOW as W


@pytest.mark.parametrize(
    ("committed", "counter", "expected"),
    [
        ([], 0, False),
        ([], 1, True),
        ([], W, True),
        ([], 2**64 - 1, True),
        ([1], 1, False),
        ([1], 2, True),
        ([2], 1, True),
        ([2, 1], 1, False),
        ([5, 7], 6, True),
        ([W], 0, False),
        ([W], 1, True),
        ([W + 1], 1, False),
        ([W + 1], 2, True),
        ([1, W + 1], 2, True),
        ([1, W], 1, False),
        ([1, W], 2, True),
        ([3, W + 2], 3, False),
        ([3, W + 2], 4, True),
        ([3, 2 * W + 2], W + 3, True),
        ([W - 1, W + 10], W + 5, True),
        ([W - 1, W, W + 1, W + 10], 2 * W, True),
        ([1, 3 * W], 2 * W + 1, True),
        ([1, 3 * W], 2 * W, False),
        ([2**64 - 1], 2**64 - 1, False),
        ([2**64 - 1], 2**64 - W, True),
        ([2**64 - 1], 2**64 - W - 1, False),
    ],
)
def test_a_counter_is_accepted_once_and_only_inside_the_window(
    committed: list[int], counter: int, expected: bool
) -> None:
    window = ReplayWindow()
    for one in committed:
        assert window.check(one)
        window.commit(one)

    assert window.check(counter) is expected


def test_a_check_changes_nothing() -> None:
    window = ReplayWindow()
    window.commit(10)

    assert [window.check(11), window.check(11), window.newest] == [True, True, 10]


def test_an_older_counter_does_not_move_the_newest() -> None:
    window = ReplayWindow()
    window.commit(10)
    window.commit(4)

    assert window.newest == 10


_steps = st.one_of(
    st.integers(-W - 2, 6),
    st.integers(-3, 40),
    st.integers(W - 3, W + 3),
    st.integers(0, 3 * W),
)


@given(st.lists(_steps, max_size=60))
def test_the_window_agrees_with_a_set_of_all_seen_counters(steps: list[int]) -> None:
    window, seen, newest = ReplayWindow(), {0}, 0
    for step in steps:
        counter = max(0, newest + step)
        acceptable = counter not in seen and counter > newest - W

        assert window.check(counter) is acceptable

        if acceptable:
            window.commit(counter)
            seen.add(counter)
            newest = max(newest, counter)
        assert window.newest == newest


@given(st.sets(st.integers(1, 2 * W), min_size=1, max_size=40), st.integers(1, W // 2))
def test_everything_unseen_inside_the_window_stays_open_after_a_jump(counters: set[int], jump: int) -> None:
    window = ReplayWindow()
    for counter in sorted(counters):
        window.commit(counter)
    newest = max(counters) + jump
    window.commit(newest)

    refused = {counter for counter in range(newest - W + 1, newest + 1) if counter >= 0 and not window.check(counter)}

    in_window = {counter for counter in counters | {newest, 0} if counter > newest - W}
    assert refused == in_window


@pytest.mark.parametrize("full_to", [W, 2 * W - 3])
@pytest.mark.parametrize("jump", [2, 3, 10])
def test_each_counter_that_a_jump_has_skipped_is_accepted_where_all_before_were_seen(full_to: int, jump: int) -> None:
    window = ReplayWindow()
    for counter in range(1, full_to + 1):
        window.commit(counter)
    window.commit(full_to + jump)
    later = range(full_to - 3, full_to + jump + 1)
    assert [counter for counter in later if window.check(counter)] == list(range(full_to + 1, full_to + jump))


def test_ascending_order_needs_no_memory_of_what_was_skipped() -> None:
    order = AscendingOnly()
    assert order.check(1)
    order.commit(5)
    assert [order.check(counter) for counter in (4, 5, 6, 2**64 - 1)] == [False, False, True, True]
