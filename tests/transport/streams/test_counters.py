"""The counters of streams as the operator sees them."""

from mycelium.counters import Registry
from mycelium.transport.streams.counters import StreamCounters


def test_each_has_its_help() -> None:
    registry = Registry()
    registry.add(StreamCounters(), prefix="tcp_")
    assert all(metric.help.endswith(".") for metric in registry.metrics())
