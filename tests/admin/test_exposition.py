"""The text is what Prometheus's own reader takes."""

from prometheus_client.parser import text_string_to_metric_families

from mycelium.admin.exposition import Exposition
from mycelium.counters import Histogram, MetricKind

GAUGE, COUNTER = MetricKind.GAUGE, MetricKind.COUNTER


def read(text: Exposition) -> dict[str, list[tuple[str, dict[str, str], float]]]:
    families = text_string_to_metric_families(bytes(text).decode())
    return {one.name: [(sample.name, sample.labels, sample.value) for sample in one.samples] for one in families}


def test_a_metric_has_its_help_its_type_and_a_prefix_unless_it_has_another() -> None:
    text = Exposition()
    text.single("routes", GAUGE, "Routes in use.", 3)
    text.single("process_cpu_seconds_total", COUNTER, "Time.", 0.123456789123, prefix="")
    assert bytes(text).decode().splitlines() == [
        "# HELP mycelium_routes Routes in use.",
        "# TYPE mycelium_routes gauge",
        "mycelium_routes 3",
        "# HELP process_cpu_seconds_total Time.",
        "# TYPE process_cpu_seconds_total counter",
        "process_cpu_seconds_total 0.123456789",
    ]


def test_labels_come_back_whatever_is_in_them() -> None:
    text, strange = Exposition(), 'a "quoted" \\ line\nand {another}, ü'
    text.labelled("links", GAUGE, "Links.", ("state", "peer"), [(("up", strange), 1), (("down", ""), 2.5)])
    assert read(text)["mycelium_links"] == [
        ("mycelium_links", {"state": "up", "peer": strange}, 1.0),
        ("mycelium_links", {"state": "down", "peer": ""}, 2.5),
    ]


def test_a_metric_without_values_has_its_help_all_the_same() -> None:
    text = Exposition()
    text.labelled("links", GAUGE, "Links.", ("state",), [])
    assert read(text) == {"mycelium_links": []}


def test_a_histogram_adds_up_from_bound_to_bound() -> None:
    text, histogram = Exposition(), Histogram(0.05, 1.0)
    for value in (0.01, 0.5, 0.6, 7.0):
        histogram.observe(value)
    text.histogram("outage_seconds", "Outages.", histogram)
    samples = read(text)["mycelium_outage_seconds"]
    buckets = [(labels["le"], value) for name, labels, value in samples if name.endswith("_bucket")]
    assert buckets == [("0.05", 1.0), ("1.0", 3.0), ("+Inf", 4.0)]
    assert [value for name, _, value in samples if not name.endswith("_bucket")] == [8.11, 4.0]
