"""The counters of QUIC as the operator sees them."""

from mycelium.counters import Registry
from mycelium.transport.quic.counters import QuicCounters


def test_each_has_its_help() -> None:
    registry = Registry()
    registry.add(QuicCounters(), prefix="quic_")
    assert all(metric.help.endswith(".") for metric in registry.metrics())
