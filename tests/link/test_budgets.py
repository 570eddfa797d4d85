"""What a neighbour may send besides data is counted by its address, whatever links it makes."""

import pytest

from mycelium.limits import (
    CHATTER_AT_ONCE,
    CONTROL_BYTES_AT_ONCE,
    CONTROL_BYTES_OF_ALL,
    CONTROL_BYTES_PER_SECOND,
    PLAIN_FRAMES_AT_ONCE,
    PLAIN_FRAMES_OF_ALL,
    PLAIN_FRAMES_PER_SECOND,
    QUESTIONS_AT_ONCE,
    QUESTIONS_PER_SECOND,
    REPAIRS_AT_ONCE,
    REPAIRS_PER_SECOND,
)
from mycelium.link.budgets import LinkBudgets
from mycelium.link.counters import LinkCounters
from mycelium.link.events import ItemsReceived
from mycelium.outbox import Outbox
from mycelium.routing.excess import CHATTER, CONTROL, FRAMES, QUESTIONS, REPAIRS, Excesses
from mycelium.wire.control import Item, RouteRequest, Update, encode_item
from mycelium.wire.frame import CONTROL as CONTROL_FRAME
from mycelium.wire.frame import PROBE, REPAIR
from tests.link.lab import LinkLab

A, B = b"a" * 16, b"b" * 16
NUMBERS = range(600)
ITEMS: list[Item] = [RouteRequest(number.to_bytes(16, "big")) for number in NUMBERS]


def budgets_of(*, excesses: Excesses | None = None) -> LinkBudgets:
    return LinkBudgets(Outbox(), excesses or Excesses(), LinkCounters())


def test_the_budget_of_a_neighbour_outlives_its_links() -> None:
    budgets = budgets_of()
    assert budgets.intake_of(A, now=0.0).takes_control(CONTROL_BYTES_AT_ONCE, now=0.0)
    assert not budgets.intake_of(A, now=0.0).takes_control(1, now=0.0)
    assert budgets.intake_of(A, now=1.0).takes_control(CONTROL_BYTES_PER_SECOND, now=1.0)
    assert budgets.intake_of(B, now=1.0).takes_control(CONTROL_BYTES_AT_ONCE, now=1.0)


def test_frames_without_data_have_a_rate_and_who_exceeds_it_is_slowed_and_named() -> None:
    budgets = budgets_of(excesses=(excesses := Excesses()))
    intake = budgets.intake_of(A, now=0.0)
    assert all(intake.takes_frame(PROBE, now=0.0) for _ in range(PLAIN_FRAMES_AT_ONCE))
    assert A not in budgets.slowed
    assert not budgets.intake_of(A, now=0.0).takes_frame(CONTROL_FRAME, now=0.0)
    assert (A in budgets.slowed, B in budgets.slowed) == (True, False)
    assert excesses.take() == [(A, CHATTER), (A, FRAMES)]
    assert budgets.counters.frames_over_budget == 1
    assert (
        sum(intake.takes_frame(PROBE, now=1.0) for _ in range(2 * PLAIN_FRAMES_PER_SECOND)) == PLAIN_FRAMES_PER_SECOND
    )


def test_who_asks_for_more_frames_again_than_were_sent_is_slowed_and_named() -> None:
    budgets = budgets_of(excesses=(excesses := Excesses()))
    budgets.intake_of(A, now=0.0).asked_too_often(now=0.0)
    assert (A in budgets.slowed, B in budgets.slowed) == (True, False)
    assert excesses.take() == [(A, REPAIRS)]


def test_many_neighbours_within_their_shares_leave_room_for_one_that_sends_little() -> None:
    budgets = budgets_of()
    crowd = [budgets.intake_of(bytes([number]) * 16, now=0.0) for number in range(100)]
    frames = sum(one.takes_frame(PROBE, now=0.0) for one in crowd for _ in range(PLAIN_FRAMES_AT_ONCE // 10))
    size = CONTROL_BYTES_AT_ONCE // 8
    segments = sum(one.takes_control(size, now=0.0) for one in crowd for _ in range(8))
    assert frames <= PLAIN_FRAMES_OF_ALL.at_once
    assert segments * size <= CONTROL_BYTES_OF_ALL.at_once
    honest = budgets.intake_of(b"honest neighbour", now=1.0)
    assert honest.takes_frame(CONTROL_FRAME, now=1.0)
    assert honest.takes_control(1_000, now=1.0)
    assert bytes([99]) * 16 in budgets.slowed


def test_who_sends_few_is_not_slowed_where_others_have_used_up_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.link.budgets.PLAIN_FRAMES_OF_ALL", PLAIN_FRAMES_OF_ALL._replace(at_once=1))
    budgets = budgets_of()
    intake = budgets.intake_of(A, now=0.0)
    assert intake.takes_frame(PROBE, now=0.0)
    assert not intake.takes_frame(PROBE, now=0.0)
    assert A not in budgets.slowed


def test_requests_for_repair_have_a_rate_of_their_own_far_above_that_of_other_frames() -> None:
    budgets = budgets_of()
    intake = budgets.intake_of(A, now=0.0)
    assert all(intake.takes_frame(REPAIR, now=0.0) for _ in range(REPAIRS_AT_ONCE))
    assert intake.takes_frame(PROBE, now=0.0)
    assert A not in budgets.slowed
    assert not intake.takes_frame(REPAIR, now=0.0)
    assert A in budgets.slowed
    assert sum(intake.takes_frame(REPAIR, now=1.0) for _ in range(2 * REPAIRS_PER_SECOND)) == REPAIRS_PER_SECOND


def test_questions_have_a_rate_and_updates_pass_beyond_it() -> None:
    budgets = budgets_of(excesses=(excesses := Excesses()))
    intake = budgets.intake_of(A, now=0.0)
    question, news = RouteRequest(B), Update(B, 1)
    assert intake.taken_of([question] * QUESTIONS_AT_ONCE, now=0.0) == [question] * QUESTIONS_AT_ONCE
    assert budgets.intake_of(A, now=0.0).taken_of([news, question, news], now=0.0) == [news, news]
    assert intake.taken_of([news], now=0.0) == [news]
    assert (excesses.take(), budgets.counters.questions_over_budget) == ([(A, QUESTIONS)], 1)
    assert intake.taken_of([question] * QUESTIONS_PER_SECOND, now=1.0) == [question] * QUESTIONS_PER_SECOND
    assert budgets.intake_of(B, now=0.0).taken_of([question], now=0.0) == [question]


def test_what_no_frame_needs_is_dropped_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.link.budgets.PLAIN_FRAMES_AT_ONCE", 50)
    monkeypatch.setattr("mycelium.link.budgets.PLAIN_FRAMES_PER_SECOND", 10)
    lab = LinkLab()
    lab.settle(1)
    for _ in range(200):
        lab.act(lab.link("a").frames.send, 99, memoryview(bytearray(16)), wants_ack=False)
    lab.run(0.1)
    counters = lab.ends["b"].counters
    assert counters.frames_over_budget >= 150
    assert counters.frames_malformed <= 50
    assert lab.ends["b"].excesses.take() == [(lab.link("b").address, FRAMES)]


def test_what_is_above_it_comes_later_and_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.link.budgets.CONTROL_BYTES_AT_ONCE", 4_096)
    monkeypatch.setattr("mycelium.link.budgets.CONTROL_BYTES_PER_SECOND", 2_048)
    lab = LinkLab()
    lab.settle(1)
    lab.act(lab.link("a").send_items, ITEMS)

    def received() -> list[Item]:
        return [item for event in lab.ends["b"].events if isinstance(event, ItemsReceived) for item in event.items]

    lab.run(1.0)
    assert 0 < len(received()) <= (4_096 + 2 * 2_048) / len(encode_item(ITEMS[0]))
    assert lab.ends["b"].counters.control_over_budget > 0
    assert lab.ends["b"].excesses.take() == [(lab.link("b").address, CONTROL)]
    for _ in range(120):
        lab.run(1.0)
    assert received() == ITEMS


def test_who_sends_many_frames_without_data_that_are_still_taken_is_named() -> None:
    budgets = budgets_of(excesses=(excesses := Excesses()))
    intake = budgets.intake_of(A, now=0.0)
    assert all(intake.takes_frame(PROBE, now=0.0) for _ in range(CHATTER_AT_ONCE))
    assert excesses.take() == []
    assert intake.takes_frame(PROBE, now=0.0)
    assert excesses.take() == [(A, CHATTER)]
    assert A not in budgets.slowed
