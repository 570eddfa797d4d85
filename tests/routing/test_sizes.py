"""Sizes of tables, as metrics and as bounds of the simulator's invariants see them."""

from mycelium.counters import Registry
from tests.routing.lab import RoutingLab, update


def test_sizes_follow_the_tables_and_are_the_gauges_shown() -> None:
    lab = RoutingLab()
    metrics = Registry()
    lab.engine.register(metrics)
    lab.up(1)
    lab.says(1, update(9, 50))
    sizes = lab.engine.sizes()
    assert (sizes["neighbours"], sizes["destinations"], sizes["selected_routes"]) == (1, 2, 1)
    assert (sizes["landmarks"], sizes["pins"], sizes["pending_requests"]) == (0, 0, 0)
    shown = metrics.values()
    assert {name: shown[f"routing_{name}"] for name in sizes} == sizes
