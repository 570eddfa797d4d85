import random
from math import inf

from mycelium.limits import SharedRate
from mycelium.timing import (
    LEAST_REPLACED,
    REPLACED_SHARE,
    SILENCE_S,
    UNSEEN_SILENCE_S,
    Backoff,
    Deadlines,
    SharedBucket,
    Silence,
    TokenBucket,
    TokenBuckets,
)


def take_all(bucket: TokenBucket, *, now: float) -> int:
    taken = 0
    while bucket.take(now=now):
        taken += 1
    return taken


def test_a_bucket_grants_one_second_s_worth_at_once_and_its_rate_from_then_on() -> None:
    bucket = TokenBucket(10.0, now=5.0)
    assert take_all(bucket, now=5.0) == 10
    assert take_all(bucket, now=5.25) == 2
    assert take_all(bucket, now=5.5) == 3  # the half token of before is not lost


def test_a_bucket_left_alone_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(10.0, now=0.0)
    assert take_all(bucket, now=1000.0) == 10
    assert not bucket.take(now=1000.0)


def test_a_burst_may_exceed_the_rate() -> None:
    bucket = TokenBucket(10.0, burst=50.0, now=0.0)
    assert take_all(bucket, now=0.0) == 50
    assert take_all(bucket, now=1.0) == 10


def test_a_limited_burst_is_lost_at_once_and_does_not_come_back() -> None:
    bucket = TokenBucket(10.0, burst=50.0, now=0.0)
    bucket.limit_burst(10.0)
    assert take_all(bucket, now=0.0) == 10
    assert take_all(bucket, now=100.0) == 10


def test_limiting_a_burst_grants_nothing() -> None:
    bucket = TokenBucket(10.0, burst=50.0, now=0.0)
    take_all(bucket, now=0.0)
    bucket.limit_burst(10.0)
    assert not bucket.take(now=0.0)


def test_limiting_a_burst_never_raises_it() -> None:
    bucket = TokenBucket(10.0, now=0.0)
    bucket.limit_burst(20.0)
    assert take_all(bucket, now=0.0) == 10


def test_each_key_has_a_bucket_of_its_own() -> None:
    buckets = TokenBuckets[str](2.0, keys=10)
    assert [buckets.take("a", now=0.0) for _ in range(3)] == [True, True, False]
    assert buckets.take("b", now=0.0)
    assert [buckets.take("a", now=0.5), buckets.take("a", now=0.5)] == [True, False]


def test_beyond_the_bound_the_key_used_longest_ago_is_forgotten() -> None:
    buckets = TokenBuckets[str](1.0, keys=2)
    for key in "aba":
        buckets.take(key, now=0.0)
    assert buckets.take("c", now=0.0)
    assert len(buckets) == 2
    assert not buckets.take("a", now=0.0)
    assert buckets.take("b", now=0.0)


def test_waits_grow_by_the_factor_up_to_the_ceiling() -> None:
    backoff = Backoff(0.5, factor=2.0, ceiling=3.0)
    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_reset_starts_from_the_initial_wait() -> None:
    backoff = Backoff(0.5, factor=2.0)
    backoff.next()
    backoff.next()
    backoff.reset()
    assert [backoff.next(), backoff.next()] == [0.5, 1.0]


def test_jitter_spreads_each_wait_around_its_nominal_value_and_does_not_accumulate() -> None:
    backoff = Backoff(1.0, factor=1.0, ceiling=1.0, jitter=0.2, rng=random.Random(1))
    waits = [backoff.next() for _ in range(500)]
    assert 0.8 <= min(waits) < 0.82
    assert 1.18 < max(waits) <= 1.2


def test_a_ceiling_may_change_between_attempts() -> None:
    backoff = Backoff(1.0, factor=10.0, ceiling=2.0)
    backoff.next()
    assert backoff.next() == 2.0
    backoff.ceiling = 50.0
    assert [backoff.next(), backoff.next()] == [2.0, 20.0]


# -- deadlines ---------------------------------------------------------------------------------------------------------


def test_the_earliest_deadline_is_next_and_what_is_due_comes_in_order() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.next() == inf
    for reason, when in (("a", 3.0), ("b", 1.0), ("c", 2.0), ("d", inf)):
        deadlines.set(reason, when)
    assert deadlines.next() == 1.0
    assert deadlines.take_due(now=0.9) == []
    assert deadlines.take_due(now=2.0) == ["b", "c"]
    assert deadlines.next() == 3.0


def test_a_deadline_moves_earlier_but_not_later() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for when in (5.0, 2.0, 9.0):
        deadlines.set("a", when)
    assert deadlines.take_due(now=10.0) == ["a"], "once"
    assert deadlines.next() == inf
    deadlines.set("a", 5.0)
    assert deadlines.take_due(now=10.0) == ["a"]


def test_replaced_deadlines_do_not_pile_up() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for number in range(10_000):
        deadlines.set(0, 100.0)
        deadlines.set(0, number / 10_000)
        assert deadlines.take_due(now=1.0) == [0]
    deadlines.set(1, 50.0)
    assert len(deadlines._heap) <= REPLACED_SHARE + LEAST_REPLACED
    assert deadlines.next() == 50.0


def test_reasons_of_one_deadline_come_in_the_order_in_which_they_were_set() -> None:
    deadlines: Deadlines[str] = Deadlines()
    for reason in "bca":
        deadlines.set(reason, 1.0)
    assert deadlines.take_due(now=1.0) == ["b", "c", "a"]


def test_no_deadline_is_lost_or_out_of_order_where_replaced_ones_are_thrown_away() -> None:
    deadlines: Deadlines[int] = Deadlines()
    reasons = range(3 * LEAST_REPLACED)
    for moved in range(2 * REPLACED_SHARE):
        for reason in reasons:
            deadlines.set(reason, 1_000.0 - 10 * moved + reason * 7 % 101 / 101)
    taken = deadlines.take_due(now=1_000.0)
    assert sorted(taken) == list(reasons)
    assert taken == sorted(taken, key=lambda reason: reason * 7 % 101)


def shared(*, now: float = 0.0) -> SharedBucket[str]:
    return SharedBucket(SharedRate(10.0, 100.0, little_per_second=1.0, little_at_once=5.0), keys=100, now=now)


def test_of_a_shared_bucket_half_is_kept_for_those_who_take_little() -> None:
    bucket = shared()
    assert sum(bucket.take("much", now=0.0) for _ in range(200)) == 50
    assert sum(bucket.take("little", now=0.0) for _ in range(5)) == 5
    assert not bucket.take("little", now=0.0)
    assert (bucket.takes_little("much", now=0.0), bucket.takes_little("new", now=0.0)) == (False, True)


def test_many_who_take_much_get_no_more_together_than_one() -> None:
    bucket = shared()
    for name in range(10):
        for _ in range(5):
            bucket.take(str(name), now=0.0)  # a little for each
    assert not any(bucket.take(str(name), now=0.0) for name in range(10))
    assert sum(bucket.take(str(name), now=1.0) for _ in range(10) for name in range(10)) == 10


def test_a_shared_bucket_grants_at_its_rate_and_refuses_what_is_not_there() -> None:
    bucket = shared()
    assert not bucket.take("a", 101.0, now=0.0)
    assert bucket.take("a", 50.0, now=0.0)
    assert not bucket.take("a", 10.0, now=0.5)
    assert bucket.take("a", 10.0, now=1.0)


def test_a_silence_is_one_if_nothing_was_left_before_it() -> None:
    silence = Silence()
    now = 10.0
    seen = []
    for wait_s, is_drained in (
        (1.0, False),
        (0.9 * SILENCE_S, True),
        (1.1 * SILENCE_S, True),
        (1.1 * SILENCE_S, False),
    ):
        now += wait_s
        seen.append(silence.ends(is_drained=is_drained, now=now))
    assert seen == [False, False, True, False]


def test_more_is_looked_for_soon_after_a_packet_behind_which_none_was() -> None:
    silence = Silence()
    now = 10.0
    seen = []
    for wait_s in (1.0, 1.1 * UNSEEN_SILENCE_S, 0.9 * UNSEEN_SILENCE_S, 1.1 * SILENCE_S):
        now += wait_s
        assert silence.ends(is_drained=True, now=now)
        seen.append(silence.is_over)
    assert seen == [True, True, False, True]


def test_a_deadline_that_was_dropped_is_none_and_may_be_set_again() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.set("b", 2.0)
    deadlines.drop("a")
    deadlines.drop("unknown")
    assert deadlines.next() == 2.0
    assert deadlines.take_due(now=1.5) == []
    deadlines.set("a", 3.0)
    assert deadlines.take_due(now=5.0) == ["b", "a"]
    assert deadlines.next() == inf
