"""Distances, digests and budgets: the small arithmetic under the rest."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from mycelium.routing.budget import Budget
from mycelium.routing.digest import digest_of
from mycelium.wire.announcement import SEQUENCE_LIMIT
from mycelium.wire.distance import INFINITY, NO_SOURCE, RETRACTED, UNKNOWN, distance, metric_of, sequence_of

SEQUENCES = st.integers(0, SEQUENCE_LIMIT - 1)
METRICS = st.integers(0, INFINITY)


@given(SEQUENCES, METRICS, SEQUENCES, METRICS)
def test_distances_order_by_newer_sequence_then_smaller_metric(s1: int, m1: int, s2: int, m2: int) -> None:
    assert (distance(s1, m1) < distance(s2, m2)) == (s1 > s2 or (s1 == s2 and m1 < m2))


@given(SEQUENCES, METRICS)
def test_a_distance_gives_back_what_it_was_made_of(sequence: int, metric: int) -> None:
    packed = distance(sequence, metric)
    assert (sequence_of(packed), metric_of(packed)) == (sequence, metric)
    assert sequence_of(packed | RETRACTED) == sequence


@given(SEQUENCES, METRICS)
def test_any_distance_is_feasible_where_there_is_no_source_and_none_is_once_retracted(
    sequence: int, metric: int
) -> None:
    packed = distance(sequence, metric)
    assert packed < NO_SOURCE
    assert packed | RETRACTED >= NO_SOURCE
    assert UNKNOWN >= RETRACTED


@given(st.dictionaries(st.binary(min_size=16, max_size=16), st.tuples(SEQUENCES, METRICS), max_size=10))
def test_a_digest_covers_the_documented_bytes_in_any_order(routes: dict[bytes, tuple[int, int]]) -> None:
    documented = b"".join(
        node + sequence.to_bytes(6, "big") + metric.to_bytes(4, "big")
        for node, (sequence, metric) in sorted(routes.items())
    )
    packed = [(node, distance(sequence, metric)) for node, (sequence, metric) in routes.items()]
    assert digest_of(reversed(packed)) == hashlib.blake2b(documented, digest_size=16).digest()


def test_a_budget_is_spent_and_filled_again_with_time() -> None:
    budget = Budget(10, 0.0)
    assert [budget.spend(0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert [budget.spend(0.35) for _ in range(4)] == [True] * 3 + [False]
    assert sum(budget.spend(100.0) for _ in range(100)) == 10
