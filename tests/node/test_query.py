"""Which landmarks a lookup asks, in which order, and what ends it."""

from mycelium.channel.byte_budget import ByteBudget
from mycelium.node.query import AGAIN_FACTOR, ASKED_AT_ONCE, LEAST_WAIT_S, ROUNDS_AGAIN, WAIT_FACTOR, Query
from mycelium.session.queue import PacketQueue
from mycelium.wire.home_record import HomeRecord

NODE = b"\x04" + bytes(15)
METRICS = {bytes((name,)) * 16: 1_000 * name for name in range(1, 21)}
LANDMARKS = list(METRICS)
REPLICAS = [LANDMARKS[8], LANDMARKS[2], LANDMARKS[5]]


def record(number: int, home: bytes = LANDMARKS[0]) -> HomeRecord:
    return HomeRecord(bytes(32), 1, number, bytes(8), home)


def query(*, is_thorough: bool = False) -> Query:
    return Query(NODE[:8], bytes(8), PacketQueue(ByteBudget(1_000)), METRICS, REPLICAS, is_thorough)


def ask(one: Query, *, now: float = 0.0) -> list[bytes]:
    batch = one.next_batch()
    one.asked(batch, now=now)
    return batch


def test_the_replicas_are_asked_one_by_one_the_nearest_first_and_then_all_others() -> None:
    one = query()
    assert [ask(one) for _ in range(3)] == [[LANDMARKS[2]], [LANDMARKS[5]], [LANDMARKS[8]]]
    others = [landmark for landmark in LANDMARKS if landmark not in REPLICAS]
    assert [ask(one), ask(one), ask(one)] == [
        others[:ASKED_AT_ONCE],
        others[ASKED_AT_ONCE : 2 * ASKED_AT_ONCE],
        others[16:],
    ]


def test_landmarks_that_were_silent_are_asked_again_and_waited_for_longer() -> None:
    one = query()
    for _ in range(6):
        ask(one)
    one.unanswered &= {LANDMARKS[0], LANDMARKS[1]}  # the others know of nothing
    for again in range(1, ROUNDS_AGAIN + 1):
        assert ask(one, now=5.0) == [LANDMARKS[0], LANDMARKS[1]]
        assert one.next_at == 5.0 + LEAST_WAIT_S * AGAIN_FACTOR**again
    assert one.next_batch() == []


def test_landmarks_that_know_of_nothing_are_not_asked_again() -> None:
    one = query()
    for _ in range(6):
        ask(one)
    one.unanswered.clear()
    assert one.next_batch() == []


def test_an_answer_is_waited_for_according_to_the_way() -> None:
    one = query()
    one.asked([LANDMARKS[0]], now=5.0)
    assert one.next_at == 5.0 + LEAST_WAIT_S
    one.asked([LANDMARKS[9], LANDMARKS[19]], now=5.0)
    assert one.next_at == 5.0 + WAIT_FACTOR * 0.2


def test_whom_there_was_no_budget_to_ask_is_asked_later() -> None:
    one = query()
    one.put_back(one.next_batch())
    assert ask(one) == [LANDMARKS[2]]


def test_the_first_record_ends_a_lookup() -> None:
    one = query()
    assert not one.is_answered
    one.take(NODE, record(1), LANDMARKS[2])
    assert one.is_answered


def test_a_thorough_lookup_ends_with_the_word_of_a_home_and_keeps_the_newest_record() -> None:
    one = query(is_thorough=True)
    for _ in REPLICAS:
        ask(one)
    one.take(NODE, record(2), LANDMARKS[2])
    one.take(NODE, record(1), LANDMARKS[5])
    assert (one.is_answered, one.best[NODE].number) == (False, 2)
    one.take(NODE, record(3), LANDMARKS[0])
    assert (one.is_answered, one.best[NODE].number) == (True, 3)


def test_a_thorough_lookup_asks_the_homes_of_the_best_record_after_the_replicas() -> None:
    one = query(is_thorough=True)
    ask(one)
    one.take(NODE, record(1, LANDMARKS[15]), LANDMARKS[2])
    ask(one)
    one.take(NODE, record(2, LANDMARKS[16]), LANDMARKS[5])
    assert ask(one) == [LANDMARKS[8]]
    assert ask(one) == [LANDMARKS[16]]
    assert len(ask(one)) == ASKED_AT_ONCE
    one.take(NODE, record(2, LANDMARKS[16]), LANDMARKS[16])
    assert one.is_answered


def test_a_thorough_lookup_asks_on_where_the_homes_were_replicas() -> None:
    one = query(is_thorough=True)
    for landmark in (LANDMARKS[2], LANDMARKS[5], LANDMARKS[8]):
        ask(one)
        one.take(NODE, record(1, LANDMARKS[2]) if landmark != LANDMARKS[2] else record(2, LANDMARKS[5]), landmark)
    assert len(ask(one)) == ASKED_AT_ONCE


def test_an_old_home_that_is_a_replica_too_does_not_end_a_thorough_lookup_before_the_others_are_asked() -> None:
    one = query(is_thorough=True)
    ask(one)
    one.take(NODE, record(1, LANDMARKS[2]), LANDMARKS[2])
    assert not one.is_answered
    assert [ask(one), ask(one)] == [[LANDMARKS[5]], [LANDMARKS[8]]]
    one.take(NODE, record(2, LANDMARKS[16]), LANDMARKS[5])
    assert not one.is_answered
    assert ask(one) == [LANDMARKS[16]]
    one.take(NODE, record(2, LANDMARKS[16]), LANDMARKS[16])
    assert one.is_answered


def test_an_old_home_has_no_say_where_a_newer_record_was_found() -> None:
    one = query(is_thorough=True)
    for _ in REPLICAS:
        ask(one)
    one.take(NODE, record(2, LANDMARKS[16]), LANDMARKS[2])
    one.take(NODE, record(1, LANDMARKS[5]), LANDMARKS[5])
    assert not one.is_answered
    one.take(NODE, record(3, LANDMARKS[5]), LANDMARKS[5])
    one.take(NODE, record(4, LANDMARKS[5]), LANDMARKS[2])
    assert not one.is_answered
