from hypothesis import given
from hypothesis import strategies as st

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
