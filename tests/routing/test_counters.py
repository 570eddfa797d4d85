from dataclasses import asdict

from mycelium.routing.counters import RoutingCounters


def test_all_counters_start_at_zero_and_none_is_shared() -> None:
    one, other = RoutingCounters(), RoutingCounters()
    one.table_full += 1
    assert set(asdict(other).values()) == {0}
