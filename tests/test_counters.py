"""One idiom for counters: each has a name of its own and a help text, and one registry reads them all."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import mycelium
from mycelium.counters import Histogram, Metric, MetricKind, Registry, counter, drops
from tests.support.small_meshes import ready_pair


@dataclass(slots=True)
class Drops:
    dropped: int = drops("Packets dropped.")
    late: int = counter("Packets that came late.")


@dataclass(slots=True)
class OtherDrops:
    dropped: int = counter("Something else dropped.")


def test_a_registry_reads_counters_as_they_are_now_and_knows_what_they_mean() -> None:
    registry, drops = Registry(), Drops()
    registry.add(drops, prefix="tun_")
    drops.dropped += 2
    assert registry.values() == {"tun_dropped": 2, "tun_late": 0}
    assert registry.metrics() == [
        Metric("tun_dropped", MetricKind.COUNTER, "Packets dropped.", is_drop=True),
        Metric("tun_late", MetricKind.COUNTER, "Packets that came late."),
    ]


def test_counters_of_the_same_meaning_are_added_up() -> None:
    registry = Registry()
    registry.add(Drops(dropped=2), Drops(dropped=3, late=1))
    assert registry.values() == {"dropped": 5, "late": 1}


def test_a_gauge_is_read_when_it_is_asked_for() -> None:
    registry, table = Registry(), [1]
    registry.add_gauge("entries", "Entries of the table.", table.__len__)
    table.append(2)
    assert registry.values() == {"entries": 2}
    assert registry.metrics()[0].kind is MetricKind.GAUGE


def test_one_name_has_one_meaning() -> None:
    registry = Registry()
    registry.add(Drops())
    registry.add_gauge("entries", "Entries of the table.", lambda: 1)
    with pytest.raises(ValueError, match="two meanings of dropped"):
        registry.add(OtherDrops())
    for name in ("entries", "dropped"):
        with pytest.raises(ValueError, match=name):
            registry.add_gauge(name, "Entries of the table.", lambda: 1)


def test_a_histogram_counts_each_value_at_the_least_bound_that_holds_it() -> None:
    histogram = Histogram(0.1, 1.0)
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    assert histogram.counts == [2, 1, 1]
    assert histogram.sum == pytest.approx(7.65)


def test_what_is_dropped_is_counted_as_a_drop() -> None:
    """Messages of handshakes are not: `/metrics` has all of these under a name of their own."""
    counters = [
        (name, help)
        for path in Path(mycelium.__file__).parent.glob("**/*.py")
        for name, help in re.findall(r'(\w+): int = counter\(\s*"([^"]*)"', path.read_text())
    ]
    assert len(counters) > 90
    dropped = [name for name, help in counters if re.search("dropped(:| since| while)", help)]
    assert [name for name in dropped if not name.startswith("handshakes_")] == []


def test_every_metric_of_a_node_has_a_name_and_a_sentence_of_help() -> None:
    net = ready_pair()
    node = net.hosts["a"].node
    metrics = node.metrics.metrics()
    assert len(metrics) > 60
    for metric in metrics:
        assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", metric.name), metric
        assert re.fullmatch(r"[A-Z].{8,}\.", metric.help), metric
    assert list(node.metrics.values()) == [metric.name for metric in metrics]
