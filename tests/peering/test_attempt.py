"""One attempt at a shortcut: its calls, rounds and patience."""

import pytest

from mycelium.endpoint import Endpoint
from mycelium.peering.attempt import (
    CALL_AGAIN_S,
    CALLS,
    DIAL_S,
    HARD_DIAL_S,
    LINK_LOOK_S,
    NEXT_CALL_S,
    ROUNDS,
    Attempt,
    Phase,
)
from mycelium.peering.outside import Mapping

PEER, TOKEN = b"p" * 16, b"t" * 8
EASY, HARD = Mapping.ENDPOINT_INDEPENDENT, Mapping.ENDPOINT_DEPENDENT


def calling(*, now: float = 10.0) -> Attempt:
    attempt = Attempt(PEER, TOKEN, is_caller=True, now=now)
    assert attempt.due_at == now
    attempt.called(now=now)
    return attempt


def answered_by(mapping: Mapping, *, now: float = 10.0) -> Attempt:
    attempt = calling(now=now)
    assert attempt.answered(1, now=now)
    attempt.heard((Endpoint("udp", "192.0.2.1", 9651),), mapping, ())
    return attempt


def test_calls_are_repeated_with_growing_waits_and_given_up() -> None:
    attempt = calling()
    now, waits = 10.0, []
    while attempt.may_call():
        waits.append(attempt.due_at - now)
        now = attempt.due_at
        attempt.called(now=now)
    waits.append(attempt.due_at - now)
    assert waits == pytest.approx([CALL_AGAIN_S, 2 * CALL_AGAIN_S, 4 * CALL_AGAIN_S, 8 * CALL_AGAIN_S])
    assert len(waits) == CALLS


def test_the_caller_dials_half_a_round_trip_after_the_answer() -> None:
    attempt = calling()
    assert attempt.answered(1, now=10.2)
    assert attempt.phase is Phase.STARTING
    assert attempt.due_at == pytest.approx(10.3)


def test_a_late_answer_is_measured_by_the_call_that_it_answers() -> None:
    attempt = calling()
    attempt.called(now=10.4)
    assert attempt.answered(1, now=10.6)
    assert attempt.due_at == pytest.approx(10.9)
    assert attempt.round == 1


@pytest.mark.parametrize("round_", [0, 2, 255])
def test_an_answer_to_no_call_changes_nothing(round_: int) -> None:
    attempt = calling()
    assert not attempt.answered(round_, now=10.2)
    assert attempt.phase is Phase.CALLING


def test_an_answer_counts_once() -> None:
    attempt = calling()
    assert attempt.answered(1, now=10.2)
    assert not attempt.answered(1, now=10.25)
    assert attempt.due_at == pytest.approx(10.3)


@pytest.mark.parametrize(
    ("ours", "its", "rounds", "patience_s"),
    [
        (EASY, EASY, ROUNDS, DIAL_S),
        (EASY, Mapping.UNKNOWN, 1, DIAL_S),
        (Mapping.UNKNOWN, EASY, 1, DIAL_S),
        (EASY, HARD, 1, HARD_DIAL_S),
        (HARD, EASY, 1, HARD_DIAL_S),
    ],
)
def test_only_where_both_nats_are_easy_there_are_further_rounds(
    ours: Mapping, its: Mapping, rounds: int, patience_s: float
) -> None:
    attempt = answered_by(its)
    done = 0
    while True:
        attempt.dialled(ours, now=20.0)
        done += 1
        assert attempt.dialled_until == pytest.approx(20.0 + patience_s)
        if not attempt.may_call():
            break
        attempt.called(now=20.0)
        assert attempt.answered(attempt.round, now=20.0)
    assert done == rounds


def test_while_it_dials_it_looks_for_the_link() -> None:
    attempt = answered_by(EASY)
    attempt.dialled(EASY, now=20.0)
    assert attempt.due_at == pytest.approx(20.0 + LINK_LOOK_S)
    attempt.look_for_link(now=20.0 + DIAL_S - 0.01)
    assert attempt.due_at == pytest.approx(attempt.dialled_until)


def test_the_other_end_waits_for_the_start_of_the_newest_call_and_then_for_further_ones() -> None:
    attempt = Attempt(PEER, TOKEN, is_caller=False, now=10.0)
    attempt.was_called(1, now=10.0)
    attempt.was_called(2, now=10.5)
    assert attempt.due_at == pytest.approx(10.5 + NEXT_CALL_S)
    assert not attempt.started(1, now=10.7)
    assert attempt.started(2, now=10.7)
    assert attempt.relayed_s == pytest.approx(0.2)
    attempt.heard((), EASY, ())
    attempt.dialled(EASY, now=11.0)
    assert not attempt.started(2, now=11.1)
    assert attempt.waits(now=12.5)
    for _ in range(ROUNDS - 1):
        attempt.dialled(EASY, now=13.0)
    assert not attempt.waits(now=15.0)


def test_each_end_begins_with_what_it_waits_for() -> None:
    caller, other = (Attempt(PEER, TOKEN, is_caller=is_caller, now=10.0) for is_caller in (True, False))
    assert (caller.phase, caller.due_at, caller.token) == (Phase.CALLING, 10.0, TOKEN)
    assert other.phase is Phase.WAITING
    assert other.due_at == pytest.approx(10.0 + NEXT_CALL_S)


def test_the_other_end_waits_for_another_call_after_it_has_dialled_in_vain() -> None:
    attempt = Attempt(PEER, TOKEN, is_caller=False, now=10.0)
    attempt.was_called(1, now=10.0)
    attempt.dialled(EASY, now=10.5)
    attempt.waits(now=12.0)
    assert attempt.phase is Phase.WAITING
    assert attempt.due_at == pytest.approx(12.0 + NEXT_CALL_S)


def test_an_answer_of_a_round_that_is_over_does_not_count_for_the_next_one() -> None:
    attempt = answered_by(EASY)
    attempt.dialled(EASY, now=11.0)
    assert attempt.called(now=12.5) == 2
    assert not attempt.answered(1, now=12.6)
    assert attempt.answered(2, now=12.7)
    assert attempt.relayed_s == pytest.approx(0.2)


def test_the_number_of_a_round_fits_its_byte() -> None:
    attempt = calling()
    for _ in range(300):
        assert 0 <= attempt.called(now=11.0) < 256
