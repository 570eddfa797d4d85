"""What is shipped for Prometheus and Grafana knows the metrics that real daemons have."""

import http.client
import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.daemon import LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

CONTRIB: Final = Path(__file__).parents[2] / "contrib"
DASHBOARD: Final = CONTRIB / "grafana/mycelium.json"
ALERTS: Final = CONTRIB / "prometheus/alerts.yml"
PORT: Final = 9_100
NOBODY: Final = "tcp://127.0.0.1:9"  # a peer that can't be reached
SECONDS: Final = 30.0
WIRE_RTT: Final = "mycelium_link_wire_rtt_seconds"
_METRIC: Final = re.compile(r"\b((?:mycelium|process)_\w+)(?:\{([^}]*)\})?")
_BY: Final = re.compile(r"\bby \(([^)]*)\)|\{\{ ?(?:\$labels\.)?(\w+) ?\}\}")
OF_PROMETHEUS: Final = {"instance", "job"}  # labels that it adds itself

Samples = dict[str, list[dict[str, str]]]


def samples(text: str) -> Samples:
    """Returns the labels of all samples by the names of their metrics."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def scraped(daemon: LabDaemon) -> Samples:
    return samples(daemon.scrape())


def scraped_over(connection: http.client.HTTPConnection) -> Samples:
    connection.request("GET", "/metrics")
    return samples(connection.getresponse().read().decode())


def expressions() -> list[tuple[str, str]]:
    """Returns each expression of the dashboard and the alerts, and how its results are called."""
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    shown = [(one["expr"], one["legendFormat"]) for panel in panels for one in panel.get("targets", [])]
    alerts = re.findall(r"expr: (.*)\n(?s:.*?)summary: (.*)\n", ALERTS.read_text())
    assert len(shown) > 20
    assert len(alerts) == ALERTS.read_text().count("- alert:")
    return shown + alerts


def missing(found: Samples) -> list[str]:
    """Returns the metrics of all expressions that are not among those found: some are there once something has happened."""
    named = [_METRIC.findall(expression) for expression, _ in expressions()]
    assert all(named)
    return [name for metrics in named for name, _ in metrics if name not in found]


def labels_of(expression: str, legend: str, selector: str) -> set[str]:
    """Returns the names of the labels that an expression takes its metric to have."""
    grouped = {name for group in _BY.findall(f"{expression} {legend}") for name in re.findall(r"\w+", " ".join(group))}
    return (grouped | set(re.findall(r"(\w+)=", selector))) - OF_PROMETHEUS


@pytest.fixture
def mesh(make_mesh: MakeMesh) -> DaemonMesh:
    mesh = make_mesh(line("a", "b", "c"))
    mesh["a"].options += ["--metrics-api-address", f"0.0.0.0:{PORT}"]
    mesh["a"].peers.append(NOBODY)
    mesh.start()
    mesh.wait_converged()
    return mesh


def test_every_metric_of_dashboard_and_alerts_is_one_of_a_daemon_and_another_host_reads_them_alone(
    mesh: DaemonMesh,
) -> None:
    a = mesh["a"]
    wait_until(lambda: not missing(scraped(a)), SECONDS, lambda: f"a has {missing(scraped(a))}")
    found = scraped(a)
    for expression, legend in expressions():
        for name, selector in _METRIC.findall(expression):
            assert all(labels_of(expression, legend, selector) <= labels.keys() for labels in found[name]), expression
    [peer] = set(a.peers) - {NOBODY}
    wait_until(lambda: {"peer": peer} in scraped(a)[WIRE_RTT], SECONDS, "a round trip is measured")
    assert scraped(a)["mycelium_routes_by_next_hop"] == [{"peer": peer}]
    address = str(mesh.cable("a", "b").end(a.host).ipv4)
    with mesh["b"].host.entered(), closing(http.client.HTTPConnection(address, PORT, timeout=SECONDS)) as connection:
        wait_until(lambda: scraped_over(connection).keys() == scraped(a).keys(), SECONDS, "b reads the same")
        connection.request("GET", "/api/v1/admin/peers")
        assert connection.getresponse().status == 404
