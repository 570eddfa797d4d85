"""What the engine, which holds full tables, resolves a node to: its announcement or nothing, and never that it is pending."""

from tests.routing.engines import announcement
from tests.routing.lab import RoutingLab, update


def test_a_known_node_resolves_to_its_newest_announcement_and_an_unknown_one_to_nothing() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(9, 50, 3))
    assert lab.resolved(9) == announcement(9, 10 << 16 | 3)
    assert lab.resolved(0) == lab.engine.resolve(lab.engine.node)
    assert lab.resolved(8) is None
